"""The tip of a fleet's ledger is mended by one of its hosts: accepted as it is, or refilled (evidence.md 5.4, 5.5)."""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema
import psycopg
import pytest

from ledger.adapters import fleet_tip
from ledger.adapters.fleet_entry import join
from ledger.adapters.fleet_tip import FleetTipDesk
from ledger.adapters.postgres import LedgerRecorder
from ledger.adapters.postgres_server import create_ledger
from ledger.adapters.tip_guard import TipPassedError, TipRollbackError
from ledger.application.refill import (
    NothingLostError,
    RefillDiffersError,
    RefillOvertakenError,
    RefillShortError,
)
from ledger.errors import LedgerError
from tests.cli.lab import Lab
from tests.cli.schemas import schema_of
from tests.fakes.recording import ORIGIN, installed
from tests.postgres.hosts import Host, change, cut_to, guarded, host_at
from tests.postgres.server import Server
from tests.postgres.test_command_line import auditor, hosts, pattern

__all__ = ["auditor", "hosts", "pattern"]

ACCEPT = ("recover", "--accept-tip", "--yes", "--reason", "the disk of the host died", "--json")
TABLES = ("stored_events", "log_leaf", "log_commit", "log_node", "log_checkpoint")


def place_of(lab: Lab) -> Path:
    (policy,) = Path(lab.variables["RELEASE_LEDGER_TIP_GUARD"]).glob("*/policy")
    return policy.parent


def rows(address: str, table: str) -> list[tuple[Any, ...]]:
    with closing(psycopg.connect(address)) as connection:
        return connection.execute(f"TABLE ledger.{table} ORDER BY 1, 2".encode()).fetchall()


def test_a_guard_that_is_lost_or_was_passed_is_accepted_by_an_event(hosts: tuple[Lab, Lab]) -> None:
    """Both rows *undecided* of the table of evidence.md 5.4, on one host of several."""
    one, two = hosts
    guard = place_of(one) / "tip"
    first = guard.read_bytes()
    assert [lab.run("note", "0", "seen").code for lab in (one, two, one)] == [0, 0, 0]
    foreign = first.replace(b"release-ledger", b"another-ledger")
    lost: dict[str, Callable[[], object]] = {
        "passed": lambda: guard.write_bytes(first),
        "missing": guard.unlink,
        "damaged": lambda: guard.write_bytes(b"\0" * 9),
        "foreign": lambda: guard.write_bytes(foreign),
    }

    for found, lose in lost.items():
        lose()
        refused = one.run("note", "0", "seen")
        accepted = one.run(*ACCEPT)

        assert (refused.code, accepted.code) == (6, 0), found + refused.err + accepted.err
        assert "recover --accept-tip" in refused.err
        jsonschema.validate(accepted.json, schema_of("acceptance"))
        assert (accepted.json["found"], accepted.json["event"]) == (found, accepted.json["tree_size"])
    assert one.run("recover", "--accept-tip", "--reason", "again").out.startswith("Nothing to accept")
    assert two.run("note", "0", "seen").code == 0
    told = two.run("verify")
    assert told.code == 0, told.out + told.err
    assert "since its tip guard was passed" in told.out


def test_what_other_hosts_add_meanwhile_stands_between_and_is_followed(
    hosts: tuple[Lab, Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = hosts
    (place_of(one) / "tip").unlink()

    def meddle(desk: object) -> None:
        assert desk
        assert two.run("note", "0", "seen").code == 0

    monkeypatch.setattr("ledger.adapters.tip_desk.TipDesk.make_room", meddle)

    accepted = one.run(*ACCEPT)
    verified = one.run("verify", "--json")

    assert accepted.code == 0, accepted.err
    assert (accepted.json["tree_size"], accepted.json["event"]) == (2, 3)
    assert (verified.code, verified.json["meaning"]) == (0, True), verified.out


def test_what_the_guard_proves_is_never_accepted(hosts: tuple[Lab, Lab], server: Server, database: str) -> None:
    _, two = hosts
    cut_to(server.url(database), 1)

    refused = two.run(*ACCEPT)

    assert refused.code == 6
    assert '"kind":"failed"' in refused.err


def test_a_bundle_gives_back_what_was_lost_and_says_who_signed_again(
    hosts: tuple[Lab, Lab], auditor: Lab, server: Server, database: str, tmp_path: Path
) -> None:
    """The notes of a bundle's end and of the guard come back as they were; the sizes between are by this host."""
    one, two = hosts
    assert [lab.run("note", "0", "seen").code for lab in (one, two, two)] == [0, 0, 0]
    before = {table: rows(server.url(database), table) for table in TABLES}
    assert auditor.run("export", "-o", str(tmp_path / "bundle.zip")).code == 0
    cut_to(server.url(database), 2)

    lost = two.run("verify")
    refilled = two.run("recover", "--refill", str(tmp_path / "bundle.zip"), "--reason", "restored", "--json")

    assert lost.code == 6
    assert refilled.code == 0, refilled.err
    jsonschema.validate(refilled.json, schema_of("refill"))
    assert [refilled.json[name] for name in ("first", "last", "tree_size")] == [2, 4, 5]
    again = {table: rows(server.url(database), table) for table in TABLES}
    texts = [{note.partition(b"\n\n")[0] for _, note in found.pop("log_checkpoint")} for found in (again, before)]
    assert all({*before[table]} <= {*again[table]} for table in before)
    assert texts[0] > texts[1]
    assert [lab.run("verify").code for lab in hosts] == [0, 0]
    assert [lab.run("note", "0", "seen").code for lab in hosts] == [0, 0]


@pytest.fixture
def fleet(server: Server, database: str, tmp_path: Path) -> tuple[Host, Host]:
    """Give two hosts; the guard of the first holds one event, that of the second all five."""
    create_ledger(server.url(database), origin=ORIGIN)
    one, two = (guarded(host_at(tmp_path / name, server.url(database))) for name in ("one", "two"))
    for host, versions in ((one, [1]), (two, [2, 3]), (two, [4]), (two, [5])):
        append(host, versions)
    return one, two


@pytest.fixture
def replica(server: Server, database: str, fleet: tuple[Host, Host]) -> Sequence[str]:
    """Give the address of a copy that has all of it, and cut the ledger."""
    server.execute(f"CREATE DATABASE {database}_replica TEMPLATE {database}")
    assert fleet
    return (server.url(f"{database}_replica"), server.url(database))


def append(host: Host, versions: Sequence[int]) -> None:
    with host.ledger() as ledger:
        ledger.record([installed(version) for version in versions])


def test_a_replica_gives_back_every_byte_with_the_notes_of_all_hosts(
    fleet: tuple[Host, Host], replica: tuple[str, str]
) -> None:
    source, address = replica
    cut_to(address, 1)

    done = FleetTipDesk(fleet[0].place).refill(source, wait=1)

    assert (done.first, done.size) == (1, 5)
    for table in TABLES:
        assert rows(address, table) == rows(source, table)
    append(fleet[1], [6])
    append(fleet[0], [7])
    with pytest.raises(NothingLostError):
        FleetTipDesk(fleet[0].place).refill(source, wait=1)


def test_a_refill_that_broke_off_goes_on(
    fleet: tuple[Host, Host], replica: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, address = replica
    cut_to(address, 1)
    insert, calls = LedgerRecorder.insert_events, iter((1, 2))

    def breaking(*given: Any, **named: Any) -> Any:  # noqa: ANN401 # as it is called
        if next(calls) > 1:
            raise KeyboardInterrupt
        return insert(*given, **named)

    with monkeypatch.context() as broken:
        broken.setattr(LedgerRecorder, "insert_events", breaking)
        with pytest.raises(KeyboardInterrupt):
            FleetTipDesk(fleet[1].place).refill(source, wait=1)

    done = FleetTipDesk(fleet[1].place).refill(source, wait=1)

    assert (done.first, done.size) == (3, 5)
    assert rows(address, "log_checkpoint") == rows(source, "log_checkpoint")


def edit(address: str) -> type[LedgerError]:
    change(address, "UPDATE stored_events SET state = convert_to('{}', 'UTF8') WHERE originator_version = 4")
    return RefillDiffersError


def shorten(address: str) -> type[LedgerError]:
    cut_to(address, 4)
    return RefillShortError


def sign_otherwise(address: str) -> type[LedgerError]:
    change(address, "UPDATE log_checkpoint SET note = (SELECT note FROM log_checkpoint WHERE size = 3) WHERE size = 5")
    return RefillShortError


def forge(address: str) -> type[LedgerError]:
    # An A of base64, and a B where an A stands already: one signature in 64 has it there.
    change(
        address,
        "UPDATE log_checkpoint SET note = overlay(note PLACING CASE get_byte(note, length(note) - 10)"
        " WHEN 65 THEN '\\x42'::bytea ELSE '\\x41' END FROM length(note) - 9) WHERE size = 4",
    )
    return RefillDiffersError


@pytest.mark.parametrize("harm", [edit, shorten, sign_otherwise, forge])
def test_anything_else_is_refused_and_nothing_is_written(
    fleet: tuple[Host, Host], replica: tuple[str, str], harm: Callable[[str], type[LedgerError]]
) -> None:
    source, address = replica
    cut_to(address, 1)
    error = harm(source)

    with pytest.raises(error):
        FleetTipDesk(fleet[1].place).refill(source, wait=1)

    assert len(rows(address, "stored_events")) == len(rows(address, "log_checkpoint")) == 1


def test_a_host_that_records_meanwhile_stops_the_refill(
    fleet: tuple[Host, Host], replica: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind its event the lost ones would lead to another tree, which must never be signed."""
    one, two = fleet
    source, address = replica
    cut_to(address, 1)
    made = fleet_tip._roots  # what runs between the last look and the first write

    def meddle(*given: Any) -> Any:  # noqa: ANN401 # as it is called
        append(one, [2])
        return made(*given)

    monkeypatch.setattr(fleet_tip, "_roots", meddle)

    with pytest.raises(RefillOvertakenError):
        FleetTipDesk(two.place).refill(source, wait=1)

    assert len(rows(address, "stored_events")) == 2


def test_a_host_that_was_restored_from_a_backup_is_told_from_one_that_was_away(fleet: tuple[Host, Host]) -> None:
    """Commits by its own key past its own guard: the guard is an old one, or somebody else has the key."""
    one, two = fleet
    old = one.place.guard.read()
    assert old is not None
    append(one, [6])
    append(one, [7])
    one.place.guard.swap(old)

    with one.ledger() as ledger, pytest.raises(TipPassedError):
        ledger.record([installed(8)])
    append(two, [8])


def test_a_key_whose_enrolment_was_lost_is_enrolled_again_and_keeps_its_guard(
    fleet: tuple[Host, Host], tmp_path: Path
) -> None:
    """Else joining again would hide what the restore lost."""
    _, two = fleet
    held = two.place.guard.read()
    cut_to(two.address, 1)
    change(two.address, "DELETE FROM log_key WHERE host = 'two'")
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "address").write_text(f"{two.address}\n", encoding="ascii")

    join(tmp_path / "place", origin=None, host="two", base=two.place.path.parent)

    assert two.place.guard.read() == held
    with two.ledger() as ledger, pytest.raises(TipRollbackError):
        ledger.record([installed(2)])
