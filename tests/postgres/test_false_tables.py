"""Tables that show an auditor something else than other readers: what who administers the server can do."""

from pathlib import Path

import psycopg
import pytest

from ledger.adapters.audit_postgres import open_served
from ledger.adapters.postgres_server import create_ledger
from tests.fakes.recording import ORIGIN, installed
from tests.postgres.hosts import Host, guarded, host_at
from tests.postgres.server import Server


@pytest.fixture
def host(server: Server, database: str, tmp_path: Path) -> Host:
    create_ledger(server.url(database), origin=ORIGIN)
    made = guarded(host_at(tmp_path / "one", server.url(database)))
    with made.ledger() as ledger:
        ledger.record([installed(1)])
    return made


@pytest.mark.parametrize(
    "statements",
    [
        ("ALTER TABLE stored_events ENABLE ROW LEVEL SECURITY", "CREATE POLICY seen ON stored_events USING (true)"),
        (
            "ALTER TABLE stored_events RENAME TO sound",
            "CREATE VIEW stored_events AS SELECT * FROM sound WHERE current_setting('transaction_read_only') = 'on'",
            "GRANT SELECT ON stored_events TO PUBLIC",
        ),
    ],
)
def test_a_table_that_hides_rows_from_some_is_refused(host: Host, statements: tuple[str, ...]) -> None:
    with open_served(host.address) as source:
        sound = list(source.surplus(1))
    with psycopg.connect(host.address, options="-c search_path=ledger", autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)

    with open_served(host.address) as source:
        found = list(source.surplus(1))

    assert sound == []
    assert found == ["the table stored_events is not that of a ledger: it may show others something else"]
