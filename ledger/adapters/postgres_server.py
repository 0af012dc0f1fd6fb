"""A PostgreSQL server that keeps a ledger: how it is reached, and how a database becomes a ledger.

An address is what libpq takes, as a URL; TLS parameters, ``.pgpass``, service files and libpq's
variables work as they do everywhere. Passwords do not belong in it: a command line can be read by
every user of the host. A connection that is not told otherwise gives up after 3 seconds, and the
name of a host after 2: neither psycopg nor libpq has a limit for that, so names are looked up here.
Only the name in a service file is libpq's own affair.

Each connection takes the role that it needs (``ledger_writer`` or ``ledger_auditor``) where its
user is a member, so that a command run as a superuser has no more rights than any other.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from ledger.adapters.lookup import look_up
from ledger.adapters.postgres_errors import ConnectionLostError, NoTablesError, error_of, server_lost, translated
from ledger.adapters.postgres_schema import AUDITOR, OWNER, SCHEMA_VERSION, SEARCH_PATH, create_statements
from ledger.adapters.sqlite import DurabilityError, UnknownSchemaError
from ledger.errors import UsageError
from ledger.tlog.vkey import Vkey

CONNECT_SECONDS = "3"
_ELSEWHERE = frozenset({"PGHOSTADDR", "PGSERVICE"})
_DURABLE = frozenset({"on", "remote_apply"})
# A host that freezes inside an append must not hold up the fleet for longer.
# Under the lock each statement has to see what was committed before the lock was there.
# Every statement takes its rows by a key or streams; where the planner guesses more of them, it would compile first.
_SETTLE = (
    f"SET search_path = {SEARCH_PATH}; SET idle_in_transaction_session_timeout = '10s'; "
    "SET default_transaction_isolation = 'read committed'; SET jit = off"
)
_FACTS = (
    "SELECT current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'), "
    "to_regclass('ledger.log_ledger') IS NOT NULL, "
    "(SELECT pg_has_role(session_user, oid, 'MEMBER') FROM pg_roles WHERE rolname = %s)"
)


class AddressError(UsageError):
    """A text is no address of a PostgreSQL server."""

    def __init__(self) -> None:
        super().__init__(
            "the address of the ledger cannot be read",
            fact="libpq does not take it; it is not repeated here, for it may hold a secret",
            hint="write it as postgresql://USER@HOST:PORT/DATABASE?sslmode=verify-full",
        )


class PasswordInAddressError(UsageError):
    """The address of a server holds a password."""

    def __init__(self) -> None:
        super().__init__(
            "the address of the ledger holds a password",
            fact="a command line and its variables can be read by others, and end in histories and logs",
            hint="put it into ~/.pgpass (mode 0600) or a service file, and take it out of the address",
        )


class NotEnrolledError(UsageError):
    """The ledger does not know the key with which this host signs."""

    def __init__(self, place: str, vkey: str) -> None:
        super().__init__(
            f"this host may not record in {place} yet",
            fact=f"its key {vkey} is not enrolled; nothing was recorded",
            hint="run `release-ledger init --ledger postgresql://…` here as a user in the role ledger_owner",
        )
        self.vkey = vkey


class Connection(psycopg.Connection[Any]):
    """A connection to a ledger; *place* names it, without a secret."""

    place: str = ""


def check_address(address: str) -> str:
    """Return *address* as libpq's parameters, if it is one and holds no password.

    Raises: AddressError, PasswordInAddressError.
    """
    try:
        parameters = conninfo_to_dict(address)
    except psycopg.Error as exc:
        raise AddressError from exc
    if parameters.get("password") or parameters.get("sslpassword"):
        raise PasswordInAddressError
    parameters.setdefault("connect_timeout", CONNECT_SECONDS)
    parameters.setdefault("application_name", "release-ledger")
    return psycopg.conninfo.make_conninfo("", **parameters)


def found_address(address: str) -> str:
    """Return *address* as ``check_address`` does, with the addresses of each host that it names.

    Raises: as check_address; psycopg.OperationalError where no host has an address, or none in time.
    """
    checked = check_address(address)
    parameters = conninfo_to_dict(checked)
    hosts = str(parameters.get("host") or os.environ.get("PGHOST", "")).split(",")
    ports = str(parameters.get("port") or os.environ.get("PGPORT", "5432")).split(",")
    if "hostaddr" in parameters or "service" in parameters or not os.environ.keys().isdisjoint(_ELSEWHERE):
        return checked
    ports = ports * len(hosts) if len(ports) == 1 else ports
    if len(ports) != len(hosts) or all(map(_needs_no_name, hosts)):
        return checked
    found = tuple(_found(list(zip(hosts, ports, strict=True))))
    host, hostaddr, port = (",".join(each) for each in zip(*found, strict=True))
    return psycopg.conninfo.make_conninfo("", **parameters | {"host": host, "hostaddr": hostaddr, "port": port})


def _needs_no_name(host: str) -> bool:
    return not host or host.startswith(("/", "@"))  # a socket


def _found(hosts: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    """Yield host, address and port of each way to a server."""
    failed: list[str] = []
    for host, port in hosts:
        if _needs_no_name(host):
            yield host, "", port
            continue
        try:
            addresses = look_up(host, port or None)
        except (OSError, UnicodeError) as exc:
            failed.append(f"failed to resolve host {host!r}: {exc}")
            continue
        for *_, place in addresses:
            yield host, str(place[0]), port
    if len(failed) == len(hosts):
        raise psycopg.OperationalError("; ".join(failed))


def connect(address: str, *, role: str = AUDITOR) -> Connection:
    """Return a connection to the ledger at *address*, in auto-commit mode, with the rights of *role*.

    Raises: AddressError, PasswordInAddressError, ConnectionLostError, NoTablesError, ServerAccessError,
    DurabilityError, UnknownSchemaError, and the other errors of ``postgres_errors``.
    """
    with translated(address):
        connection = Connection.connect(found_address(address), autocommit=True)
        connection.place = address
        try:
            _settle(connection, address, role)
        except BaseException:
            connection.close()
            raise
    return connection


def _settle(connection: Connection, address: str, role: str) -> None:
    connection.execute(_SETTLE)
    ((fsync, full_pages, commits, has_tables, member),) = connection.execute(_FACTS, (role,)).fetchall()
    if not has_tables:
        raise NoTablesError(address)
    if (fsync, full_pages) != ("on", "on"):
        raise DurabilityError(address, "the server runs with fsync or full_page_writes off")
    if commits not in _DURABLE:
        connection.execute("SET synchronous_commit = on")
    if member:
        connection.execute(f"SET ROLE {role}")
    row = connection.execute("SELECT schema_version FROM log_ledger").fetchone()
    if row is None or row[0] != SCHEMA_VERSION:
        raise UnknownSchemaError(address, row[0] if row else 0)


@contextmanager
def reached(address: str, *, role: str = AUDITOR) -> Iterator[Connection]:
    """Give a connection for a short task; one that breaks is an error.

    Raises: as ``connect``, with ServerLostError for a connection that is lost, ServerFullError for one too many.
    """
    try:
        with closing(connect(address, role=role)) as connection, translated(address):
            yield connection
    except ConnectionLostError as exc:
        raise server_lost(address, str(exc)) from exc


@contextmanager
def pipelined(connection: Connection) -> Iterator[None]:
    """Let statements go out without a wait for the answers of those before; the first error leaves the block.

    psycopg's own block warns on the terminal of what still fails on the way out of an error.
    """
    broken: BaseException | None = None
    try:
        with connection.pipeline():
            try:
                yield
            except BaseException as exc:  # noqa: BLE001 # it is raised below
                broken = exc
    except psycopg.Error:
        if broken is None:
            raise
    if broken is not None:
        raise broken


def origin_at(address: str) -> str | None:
    """Return the origin of the ledger at *address*, None where the database holds none.

    Raises: as ``reached``.
    """
    try:
        with reached(address) as connection:
            return origin_of(connection)
    except NoTablesError:
        return None


def origin_of(connection: Connection) -> str:
    """Return the origin of a ledger."""
    ((origin,),) = connection.execute("SELECT origin FROM log_ledger").fetchall()
    return str(origin)


def create_ledger(address: str, *, origin: str) -> None:
    """Make the database at *address* an empty ledger with its three roles, whole or not at all.

    Raises: AddressError, PasswordInAddressError, ServerLostError, ServerAccessError, StoreError.
    """
    try:
        with closing(psycopg.connect(found_address(address), autocommit=True)) as connection, connection.transaction():
            for statement in create_statements():
                connection.execute(statement)
                if statement.startswith("SET LOCAL ROLE"):
                    connection.execute(f"SET LOCAL search_path = {SEARCH_PATH}")
            connection.execute("INSERT INTO log_ledger VALUES (1, %s, %s)", (SCHEMA_VERSION, origin))
    except psycopg.Error as exc:
        raise error_of(address, exc) from exc


def enrol(address: str, vkey: Vkey, *, host: str, at: str) -> bool:
    """Let the host with *vkey* record; False where it may already.

    Raises: as ``reached``; ServerAccessError for a user who is not in the role ledger_owner.
    """
    with reached(address, role=OWNER) as connection:
        if str(vkey) in enrolled_keys(connection):
            return False
        connection.execute(
            "INSERT INTO log_key VALUES (%s, %s, %s, %s)", (str(vkey), vkey.key_id.hex(), host[:255], at)
        )
    return True


def require_enrolled(address: str, vkey: Vkey) -> None:
    """Let the host with *vkey* go on where the ledger at *address* knows its key and bears its name.

    Raises: as ``reached``; NotEnrolledError.
    """
    with reached(address) as connection:
        found = connection.execute(
            "SELECT 1 FROM log_key, log_ledger WHERE vkey = %s AND origin = %s", (str(vkey), vkey.name)
        ).fetchone()
    if found is None:
        raise NotEnrolledError(address, str(vkey))


def enrolled_keys(connection: Connection) -> dict[str, str]:
    """Return the enrolled keys, each with the name of its host, in the order of their enrolment."""
    rows = connection.execute("SELECT vkey, host FROM log_key ORDER BY enrolled_at, vkey").fetchall()
    return dict(rows)
