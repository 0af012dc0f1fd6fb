"""Login name, terminal and address: shown where the ledger holds them and they are what was committed to."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cli.personal import Personal, personal_in, personal_records, where_from, who, who_in_brief
from ledger.adapters.identity import look_around
from projections.read import StoredEvent
from tests.cli.lab import STATED, Lab
from tests.cli.schemas import ATTEMPT, EVENT

ADDRESS = "192.0.2.7"
TABLE = "CREATE TABLE disclosure (commitment TEXT PRIMARY KEY, salt BLOB NOT NULL, value BLOB NOT NULL)"


@pytest.fixture
def remote(bare: Lab) -> Lab:
    """Return a host with a refusal, both asked for from elsewhere."""
    remote = bare.having(SSH_CONNECTION=f"{ADDRESS} 50000 192.0.2.1 22")
    remote.run("init", "--root", str(remote.root), *STATED)
    remote.run("upgrade", "4.4.1")
    return remote


@pytest.fixture
def ledger() -> Iterator[sqlite3.Connection]:
    """Give a ledger without anything but the table of disclosures."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(TABLE)
        yield connection


def login() -> str:
    """Return the login name of whoever runs the tests."""
    name = look_around({}).login_name
    assert name is not None
    return name


def change(lab: Lab, statement: str, *values: object) -> None:
    """Change the disclosures of a ledger behind its back."""
    with closing(sqlite3.connect(lab.ledger / "ledger.db")) as connection:
        for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f'DROP TRIGGER "{trigger}"')
        connection.execute(statement, values)
        connection.commit()


def committed(value: str) -> tuple[str, bytes, bytes]:
    """Return commitment, salt and value as they are stored, of any text; a writer refuses some."""
    salt, form = b"salt" * 8, json.dumps(value, ensure_ascii=False).encode()
    return sha256(salt + form).hexdigest(), salt, form


def put_in_place(lab: Lab, name: str) -> None:
    """Let the first event commit to *name*, in a ledger that nobody verifies."""
    row, record = committed(name), lab.run("show", "0", "--json").json
    change(lab, "INSERT INTO disclosure VALUES (?, ?, ?)", *row)
    change(
        lab,
        "UPDATE stored_events SET state = CAST(replace(CAST(state AS TEXT), ?, ?) AS BLOB)",
        record["actor"]["name_commit"],
        row[0],
    )


def event(commitment: object, field: str = "name") -> StoredEvent:
    """Return an event with one commitment."""
    part = "actor" if field == "name" else "source"
    envelope = {"data": {}, part: {f"{field}_commit": commitment}}
    return StoredEvent(0, "s", 1, "t", b"", b"", envelope)


@pytest.mark.parametrize("number", ["0", "1"])
def test_show_tells_who_and_where_from(remote: Lab, number: str) -> None:
    """RULINGS 5."""
    text = remote.run("show", number).out

    assert f", {login()} (as the operating system says)\n" in text
    assert f"address {ADDRESS}\n" in text


def test_log_tells_the_name_in_paragraphs_alone(remote: Lab) -> None:
    (event,) = remote.run("log", "--json", "-n", "1").out.splitlines()
    actor = json.loads(event)["actor"]["id"]

    assert f"  who     {actor}, {login()}\n" in remote.run("log").out
    assert ADDRESS not in remote.run("log").out
    assert f"{actor}, {login()}" not in remote.run("log", "--oneline").out


def test_json_keeps_the_event_and_tells_what_is_held_beside_it(remote: Lab) -> None:
    shown, attempt = remote.run("show", "0", "--json").json, remote.run("show", "1", "--json").json
    listed = [json.loads(line) for line in remote.run("log", "--json").out.splitlines()]

    Draft202012Validator(ATTEMPT).validate(attempt)
    for record in (shown, *attempt["record"], *listed):
        Draft202012Validator(EVENT).validate(record)
        assert {"field": "name", "value": login()} in record["disclosed"]
        assert {"field": "address", "value": ADDRESS} in record["disclosed"]
        assert len(record["actor"]["name_commit"]) == len(record["source"]["address_commit"]) == 64


@pytest.mark.parametrize("erasure", ["DELETE FROM disclosure", "DROP TABLE disclosure"])
def test_what_is_erased_is_shown_as_its_commitment(remote: Lab, erasure: str) -> None:
    """evidence.md 1.5: erasing deletes the row, and the event stays."""
    change(remote, erasure)

    record = remote.run("show", "0", "--json").json
    text = remote.run("show", "0").out

    assert "disclosed" not in record
    assert f", name commitment {record['actor']['name_commit']} (as the operating system says)\n" in text
    assert f"address commitment {record['source']['address_commit']}\n" in text
    assert f"  who     {record['actor']['id']}\n" in remote.run("log").out


def test_a_value_that_was_put_in_its_place_is_not_shown(remote: Lab) -> None:
    change(remote, "UPDATE disclosure SET value = ?", b'"mallory"')

    told, listed, record = remote.run("show", "0").out, remote.run("log").out, remote.run("show", "0", "--json")

    assert ", name does not match its commitment (as the operating system says)\n" in told
    assert "address does not match its commitment\n" in told
    assert "name does not match its commitment\n" in listed
    assert "disclosed" not in record.json
    assert "mallory" not in told + listed + record.out


def test_a_line_stands_without_the_name_where_its_entry_does_not_read(remote: Lab) -> None:
    listed = remote.run("log").out
    change(remote, "UPDATE stored_events SET state = ?", b"no JSON")

    assert remote.run("log").out == listed.replace(f", {login()}\n", "\n")


@given(value=st.text(), field=st.sampled_from(("name", "tty", "address")))
def test_every_value_is_told_as_it_was_committed_to(value: str, field: str) -> None:
    row = committed(value)
    with closing(sqlite3.connect(":memory:")) as ledger:
        ledger.execute(TABLE)
        ledger.execute("INSERT INTO disclosure VALUES (?, ?, ?)", row)

        told = personal_in(ledger)(event(row[0], field))

    assert told == (Personal(field, row[0], value),)
    assert personal_records(told) == [{"field": field, "value": value}]


@pytest.mark.parametrize("form", [b"no JSON", b"7", b"[" * 100_000, b"\xff"])
def test_what_is_no_text_matches_no_commitment(ledger: sqlite3.Connection, form: bytes) -> None:
    commitment = sha256(b"salt" + form).hexdigest()
    ledger.execute("INSERT INTO disclosure VALUES (?, ?, ?)", (commitment, b"salt", form))

    assert personal_in(ledger)(event(commitment)) == (Personal("name", commitment, None, matches=False),)


@pytest.mark.parametrize(("salt", "form"), [("salt", b'"a"'), (b"salt", '"a"'), (1, b'"a"')])
def test_a_row_of_another_type_matches_no_commitment(ledger: sqlite3.Connection, salt: object, form: object) -> None:
    ledger.execute("INSERT INTO disclosure VALUES ('c', ?, ?)", (salt, form))

    assert personal_in(ledger)(event("c")) == (Personal("name", "c", None, matches=False),)


@pytest.mark.parametrize(("commitment", "told"), [(7, 0), (None, 0), ("\udcff", 1)])
def test_a_commitment_that_can_have_no_row_is_no_failure(
    ledger: sqlite3.Connection, commitment: object, told: int
) -> None:
    assert len(personal_in(ledger)(event(commitment))) == told


def test_a_terminal_is_told_by_its_short_name() -> None:
    told = (Personal("name", "c", "root"), Personal("tty", "c", "/dev/pts/1"), Personal("address", "c", ADDRESS))

    assert where_from(told) == f"terminal pts/1, address {ADDRESS}"
    assert who("os:0", told) == who_in_brief("os:0", told) == "os:0, root"
    assert (where_from(()), who("os:0", ())) == ("", "os:0")


def test_a_name_that_could_steer_a_terminal_is_shown_escaped(remote: Lab) -> None:
    put_in_place(remote, "root\x1b[2J")

    told, listed = remote.run("show", "0").out, remote.run("log").out

    assert ", root\\x1b[2J (as the operating system says)\n" in told
    assert ", root\\x1b[2J\n" in listed
