"""Outside holders of a fleet's ledger: many hosts, many keys, one witness and files of their own."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from ledger.adapters.anchor_served import ServedAnchorStore
from ledger.adapters.anchors.witness_client import HostKeyUnknownError
from ledger.adapters.outside import open_holders
from ledger.adapters.postgres_server import create_ledger
from ledger.application.anchor_ports import Receipt, SignedTip
from ledger.application.anchoring import Outside, TooFewHoldersError, unheld
from ledger.tlog.note import UnverifiedNoteError
from ledger.tlog.vkey import Vkey
from ledger.tlog.witness_reply import WitnessAheadError, WitnessForkError
from tests.anchors.lab import RunningWitness, running_witness
from tests.cli.lab import Lab
from tests.fakes.recording import installed
from tests.postgres.hosts import Host, change, cut_to, guarded, host_at
from tests.postgres.server import Server
from tests.postgres.test_command_line import hosts as labs
from tests.postgres.test_command_line import pattern

__all__ = ["labs", "pattern"]


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWitness]:
    with running_witness(tmp_path_factory.mktemp("witness") / "state") as running:
        yield running


@pytest.fixture
def address(server: Server, database: str) -> str:
    create_ledger(server.url(database), origin=f"fleet.example.com/{database}")
    return server.url(database)


@pytest.fixture
def hosts(tmp_path: Path, address: str, witness: RunningWitness, database: str) -> tuple[Host, Host]:
    """Give two hosts that name one witness, which knows the keys of both."""
    made = tuple(
        guarded(host_at(tmp_path / name, address, origin=f"fleet.example.com/{database}")) for name in ("one", "two")
    )
    for host in made:
        witness.trust(host.signer.key.vkey)
        with open_holders(host.place, settings=()) as holders:
            holders.witnesses.add("w1", vkey=witness.vkey, url=witness.url)
    return made[0], made[1]


def append(host: Host, version: int) -> None:
    with host.ledger() as ledger:
        ledger.record([installed(version)])


def hand_over(host: Host, *settings: str, stale: SignedTip | None = None) -> Outside:
    """Let *host* hand over, beginning with the note *stale*, which others have left behind since."""
    with open_holders(host.place, settings=settings) as holders:
        store = holders.store
        assert isinstance(store, ServedAnchorStore)
        if stale is not None:
            read, notes = store.tip, iter([stale])
            store.tip = lambda: next(notes, None) or read()  # type: ignore[method-assign] # the moment that is tested
        holders.outside.hand_over(patient=True)
        return holders.outside


def tip_of(host: Host) -> SignedTip:
    with open_holders(host.place, settings=()) as holders:
        tip = holders.store.tip()
    assert tip is not None
    return tip


def rows(address: str) -> list[tuple[int, str]]:
    with closing(psycopg.connect(address)) as connection:
        return connection.execute("SELECT size, sink FROM ledger.anchor ORDER BY 1, 2").fetchall()


def held(host: Host, *settings: str) -> tuple[int, int]:
    with open_holders(host.place, settings=settings) as holders:
        state = unheld(holders.anchors, store=holders.store)
    return state.held, state.size


def test_a_host_hands_over_what_any_host_signed(hosts: tuple[Host, Host], witness: RunningWitness) -> None:
    one, two = hosts
    append(one, 1)
    append(two, 2)

    outside = hand_over(one)

    assert outside.late == ()
    assert held(two) == (2, 2)
    assert "\n2\n" in witness.checkpoint(one.signer.name).decode()


def test_a_witness_that_another_host_brought_further_is_no_alarm(hosts: tuple[Host, Host]) -> None:
    """evidence.md 4.3: 409 with a larger size; the database has it, and its newer note continues what was cosigned."""
    one, two = hosts
    append(one, 1)
    stale = tip_of(one)
    append(two, 2)
    assert hand_over(two).late == ()

    outside = hand_over(one, stale=stale)

    assert outside.late == ()
    assert held(one) == (2, 2)


def test_a_database_that_lacks_what_was_cosigned_is_an_alarm(hosts: tuple[Host, Host]) -> None:
    """evidence.md 7, rows 7 and 9: the tail was cut, and the guard of this host put back as well."""
    one, two = hosts
    append(one, 1)
    older = tip_of(one)
    append(two, 2)
    assert hand_over(two).late == ()
    cut_to(one.address, 1)
    one.place.guard.swap(older.note)

    outside = hand_over(one)

    assert [type(alarm) for alarm in outside.alarms] == [WitnessAheadError]
    assert [path.name for path in one.place.tip.glob("alarm-*")] != []


def test_a_fork_is_an_alarm_however_fast_the_log_grows(hosts: tuple[Host, Host]) -> None:
    """evidence.md 7, rows 6 and 9; that there is a newer note explains no other history."""
    one, two = hosts
    append(one, 1)
    older = tip_of(one)
    append(two, 2)
    assert hand_over(two).late == ()
    cut_to(one.address, 1)
    one.place.guard.swap(older.note)
    append(one, 3)
    stale = tip_of(one)
    append(one, 4)

    outside = hand_over(one, stale=stale)

    assert [type(alarm) for alarm in outside.alarms] == [WitnessForkError]


def test_a_host_that_the_witness_was_not_told_of_accuses_nobody(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    """403 is no alarm here: the next note by a host that it knows covers the same events."""
    one, two = hosts
    three = host_at(tmp_path / "three", one.address, origin=one.signer.name)
    append(one, 1)
    three.place.guard.swap(tip_of(one).note)
    append(three, 2)

    refused = hand_over(one)
    append(two, 3)
    later = hand_over(two)

    assert [(type(late.error), late.alarm) for late in refused.late] == [(HostKeyUnknownError, False)]
    assert three.signer.key_id.hex() in refused.late[0].error.fact
    assert (later.late, held(two)) == ((), (3, 3))


def test_files_of_two_hosts_are_told_apart_and_hold_what_any_host_signed(
    hosts: tuple[Host, Host], tmp_path: Path
) -> None:
    one, two = hosts
    append(one, 1)
    append(two, 2)
    setting = f"file:{tmp_path / 'notes'}"

    hand_over(one, setting)
    (tmp_path / "notes").rename(tmp_path / "notes of one")
    hand_over(two, setting)

    marks = [f"{setting}@{host.signer.key_id.hex()}" for host in hosts]
    assert [sink for _, sink in rows(one.address) if sink.startswith("file:")] == sorted(marks)
    assert (tmp_path / "notes").read_bytes() == (tmp_path / "notes of one").read_bytes() == tip_of(one).note + b"\n"


def test_policy_demands_what_was_there_when_the_command_began(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    one, two = hosts
    append(one, 1)

    with open_holders(one.place, settings=[f"file:{tmp_path / 'notes'}"]) as holders:
        holders.outside.demand(2)
    with open_holders(two.place, settings=()) as holders, pytest.raises(TooFewHoldersError):
        holders.outside.demand(2)


def test_a_receipt_that_shows_nothing_keeps_nobody_from_handing_over(hosts: tuple[Host, Host]) -> None:
    """Whoever may record may write rows of ``anchor``."""
    one, _ = hosts
    append(one, 1)
    with open_holders(one.place, settings=()) as holders:
        (anchor,) = holders.anchors
        holders.store.keep(anchor.name, Receipt(1, tip_of(one).note))
        with pytest.raises(UnverifiedNoteError):
            unheld(holders.anchors, store=holders.store)

        holders.outside.hand_over()

        assert holders.outside.late == ()
    append(one, 2)
    assert hand_over(one).late == ()
    assert held(one) == (2, 2)


def test_a_receipt_of_a_file_that_another_login_wrote_stands_for_nothing(
    hosts: tuple[Host, Host], tmp_path: Path
) -> None:
    """The receipt of a file is the note itself, which whoever may record can read and put there."""
    one, _ = hosts
    notes = tmp_path / "gone/notes"
    append(one, 1)
    with open_holders(one.place, settings=[f"file:{notes}"]) as holders:
        (file,) = [anchor.name for anchor in holders.anchors if anchor.name.startswith("file:")]
        holders.store.keep(file, Receipt(1, tip_of(one).note))
        with pytest.raises(TooFewHoldersError) as refused:
            holders.outside.demand(2)

    assert refused.value.missing == (file,)
    notes.parent.mkdir()
    assert hand_over(one, f"file:{notes}").late == ()
    assert notes.read_bytes() == tip_of(one).note + b"\n"


def test_what_no_host_signed_is_handed_to_nobody(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    one, two = hosts
    append(two, 1)
    change(one.address, "DELETE FROM log_key WHERE host = 'two'")

    outside = hand_over(one, f"file:{tmp_path / 'notes'}")

    assert len(outside.alarms) == 2
    assert not (tmp_path / "notes").exists()


def test_a_connection_that_broke_is_made_again(hosts: tuple[Host, Host]) -> None:
    """A change may take minutes between two commits."""
    one, _ = hosts
    append(one, 1)
    with open_holders(one.place, settings=()) as holders:
        assert holders.store.tip() is not None
        with closing(psycopg.connect(one.address, autocommit=True)) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

        holders.outside.hand_over()

        assert holders.outside.late == ()


def test_the_command_line_tells_what_is_held_outside_and_demands_it(
    labs: tuple[Lab, Lab], witness: RunningWitness
) -> None:
    """`check` and `verify` say how many events nobody outside holds, and since when; policy can demand holders."""
    one, two = labs
    (settings,) = Path(one.variables["RELEASE_LEDGER_TIP_GUARD"]).glob("*/config.toml")

    added = one.run("witness", "add", "w1", str(witness.vkey), witness.url)
    keys = [line.rpartition(": ")[2] for line in added.out.splitlines()[1:]]
    for key in keys:
        witness.trust(Vkey.parse(key))
    submitted = one.run("witness", "submit")
    settings.write_text('[policy]\nholders = 2\nanchors = ["file:/nonexistent/notes"]\n', encoding="ascii")
    refused = one.run("upgrade", "4.4.16", "--yes")
    settings.write_text("[policy]\nholders = 1\n", encoding="ascii")
    changed = one.run("upgrade", "4.4.16", "--yes")
    two.run("note", "0", "seen")
    points = {point["point"]: point for point in one.run("check", "--json").json["points"]}
    verified = one.run("verify", "--json").json["held_outside"]

    assert len(keys) == 2
    assert (submitted.code, refused.code, changed.code, changed.err) == (0, 2, 0, "")
    assert submitted.out.splitlines()[-1] == "held outside: 2 of 2"
    assert (verified["by"], verified["missing"]) == (["w1"], 1)
    assert verified["since"] in points["held outside"]["value"]
    assert points["tip guard"]["verdict"] == "ok", points["tip guard"]


def test_verify_sees_what_a_file_got_whatever_receipts_say(labs: tuple[Lab, Lab], tmp_path: Path) -> None:
    """`docs/trust.md`: a stolen login can write receipts of other hosts' files."""
    one, two = labs
    (settings,) = Path(one.variables["RELEASE_LEDGER_TIP_GUARD"]).glob("*/config.toml")
    settings.write_text(f'[policy]\nanchors = ["file:{tmp_path / "notes"}"]\n', encoding="ascii")
    assert one.run("note", "0", "handed over").code == 0
    assert two.run("note", "1", "by another host").code == 0
    with closing(psycopg.connect(two.variables["RELEASE_LEDGER"], autocommit=True)) as connection:
        connection.execute(
            "INSERT INTO ledger.anchor SELECT size, (SELECT sink FROM ledger.anchor LIMIT 1), note, '' "
            "FROM ledger.log_checkpoint ORDER BY size DESC LIMIT 1"
        )

    listed, verified = one.run("witness", "list"), one.run("verify", "--json").json["held_outside"]
    assert "held outside: 4 of 4" in listed.out
    assert (verified["size"], verified["missing"]) == (3, 1)
