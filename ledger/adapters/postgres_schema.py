"""Tables of a ledger in PostgreSQL (evidence.md 5.1), the roles that may use them, and what holds them append-only.

==================  ======================================================================
``ledger_owner``    owns the tables; nobody logs in as it but to enrol a host's key
``ledger_writer``   INSERT and SELECT, no more; hosts record as members of it
``ledger_auditor``  SELECT
==================  ======================================================================

UPDATE, DELETE and TRUNCATE are refused twice: nobody but the owner has the privilege, and a trigger
refuses the owner too. Both are guard rails: a superuser takes them away, and the tree still tells.
``disclosure`` is the only table with a delete path, for the owner.

Nothing of a tree is ever written twice, so no tile grows: ``log_node`` holds the entries of the
tiles above the leaves, a row each, and ``log_tile`` is a view that joins 256 of them. ``log_lock``
has one row that every append locks (``SELECT … FOR UPDATE`` asks for the privilege to UPDATE one
column; the trigger refuses the update itself).

Each change asks where the installations of the fleet are, so the few events that say it have an index of
their own; a ledger that was made without it is scanned.

The schema ``views`` holds what the readers fold (``projections/postgres_views.py``). Writers may change
its rows, for they are disposable, and make nothing in it.
"""

from collections.abc import Iterator

from ledger.domain.whereabouts import PLACING

OWNER, WRITER, AUDITOR = "ledger_owner", "ledger_writer", "ledger_auditor"
SCHEMA_VERSION = 1
SEARCH_PATH = "ledger, views, pg_temp"
"""Temporary tables come last, else they would hide those of the ledger."""

_INIT_LOCK = 0x52_4C_47_52
"""The advisory lock of ``init``: two that make the same roles at once would get in each other's way."""

_MAKE_ROLES = f"""
DO $$
DECLARE role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['{OWNER}', '{WRITER}', '{AUDITOR}'] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
        END IF;
        IF NOT pg_catalog.pg_has_role(role_name, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', role_name);
        END IF;
    END LOOP;
END $$
"""  # noqa: S608 # the names stand above
_PLACING = ", ".join(f"'{topic}'" for topic in PLACING)
_MAKE_TABLES = (
    """CREATE TABLE log_ledger (id integer PRIMARY KEY CHECK (id = 1), schema_version integer NOT NULL,
       origin text NOT NULL)""",
    """CREATE TABLE log_key (vkey text PRIMARY KEY, key_id text NOT NULL UNIQUE, host text NOT NULL,
       enrolled_at text NOT NULL)""",
    "CREATE TABLE log_lock (id integer PRIMARY KEY CHECK (id = 1))",
    "INSERT INTO log_lock VALUES (1)",
    """CREATE TABLE stored_events (originator_id text COLLATE "C" NOT NULL, originator_version bigint NOT NULL,
       topic text NOT NULL, state bytea NOT NULL, PRIMARY KEY (originator_id, originator_version))""",
    f"CREATE INDEX stored_events_placing ON stored_events (topic) WHERE topic IN ({_PLACING})",
    """CREATE TABLE log_leaf (idx bigint PRIMARY KEY CHECK (idx >= 0), originator_id text COLLATE "C" NOT NULL,
       originator_version bigint NOT NULL, leaf_hash bytea NOT NULL CHECK (octet_length(leaf_hash) = 32),
       UNIQUE (originator_id, originator_version))""",
    "CREATE INDEX log_leaf_tile ON log_leaf ((idx / 256))",
    """CREATE TABLE log_commit (commit_id text COLLATE "C" PRIMARY KEY, first_idx bigint NOT NULL,
       last_idx bigint NOT NULL)""",
    "CREATE INDEX log_commit_first ON log_commit (first_idx)",
    """CREATE TABLE log_node (level integer CHECK (level > 0), idx bigint CHECK (idx >= 0),
       hash bytea NOT NULL CHECK (octet_length(hash) = 32), PRIMARY KEY (level, idx))""",
    "CREATE INDEX log_node_tile ON log_node (level, (idx / 256))",
    """CREATE VIEW log_tile AS
       SELECT 0 AS level, idx / 256 AS n, string_agg(leaf_hash, ''::bytea ORDER BY idx) AS hashes
       FROM log_leaf GROUP BY idx / 256
       UNION ALL
       SELECT level, idx / 256 AS n, string_agg(hash, ''::bytea ORDER BY idx) AS hashes
       FROM log_node GROUP BY level, idx / 256""",
    "CREATE TABLE log_checkpoint (size bigint PRIMARY KEY, note bytea NOT NULL)",
    """CREATE TABLE anchor (size bigint NOT NULL, sink text NOT NULL, proof bytea NOT NULL, at text NOT NULL,
       PRIMARY KEY (size, sink))""",
    """CREATE TABLE disclosure (commitment text COLLATE "C" PRIMARY KEY, salt bytea NOT NULL, value bytea NOT NULL)""",
)
REFUSAL = """
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END """
_MAKE_REFUSAL = f"""
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $${REFUSAL}$$
"""
_APPENDED = ("stored_events", "log_leaf", "log_commit", "log_node", "log_checkpoint", "anchor")
TABLES = (*_APPENDED, "disclosure", "log_ledger", "log_key", "log_lock")


def create_statements() -> Iterator[str]:
    """Yield the statements that make a database a ledger, in one transaction; its origin is stored by the caller."""
    yield f"SELECT pg_advisory_xact_lock({_INIT_LOCK})"
    yield _MAKE_ROLES
    yield f"CREATE SCHEMA ledger AUTHORIZATION {OWNER}"
    yield f"CREATE SCHEMA views AUTHORIZATION {OWNER}"
    yield f"SET LOCAL ROLE {OWNER}"
    yield from _MAKE_TABLES
    yield _MAKE_REFUSAL
    for table in TABLES:
        yield from _triggers(table)
    yield f"GRANT USAGE ON SCHEMA ledger, views TO {WRITER}, {AUDITOR}"
    yield f"GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO {WRITER}, {AUDITOR}"
    for table in (*_APPENDED, "disclosure"):
        yield f"GRANT INSERT ON {table} TO {WRITER}"
    yield f"GRANT UPDATE (id) ON log_lock TO {WRITER}"


def rail_of(table: str) -> tuple[str, int]:
    """Return the name of the trigger that keeps *table*, and what PostgreSQL keeps as its ``tgtype``."""
    # pg_trigger.h: before the statement 2, DELETE 8, UPDATE 16, TRUNCATE 32.
    return f"{table}_keeps", 2 + 16 + 32 + (0 if table == "disclosure" else 8)


def _triggers(table: str) -> Iterator[str]:
    refused = "UPDATE" if table == "disclosure" else "UPDATE OR DELETE"
    # For each statement: an UPDATE that would meet no row is refused as well.
    yield f"CREATE TRIGGER {table}_keeps BEFORE {refused} OR TRUNCATE ON {table} EXECUTE FUNCTION refuse()"
    yield f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_keeps"
