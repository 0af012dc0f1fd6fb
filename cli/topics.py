"""What ``help TOPIC`` explains, made from the tables that the program itself goes by.

The same texts stand in the manual page.
"""

from collections.abc import Callable, Mapping

from cli.command_table import COMMANDS
from ledger.errors import UsageError


class UnknownTopicError(UsageError):
    """There is no such topic and no such command."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name!a} is neither a topic nor a command",
            fact=f"topics: {', '.join(TOPICS)}",
            hint="see `release-ledger help` for the topics, `release-ledger --help` for the commands",
        )


def exit_codes() -> str:
    """Return what each exit code means."""
    from cli.exit_codes import MEANINGS  # noqa: PLC0415 # each topic loads only its own table

    return _table("Exit codes:", {str(code): meaning for code, meaning in sorted(MEANINGS.items())})


def events() -> str:
    """Return the types of events."""
    from ledger.domain.event_codec import TOPICS as CLASSES  # noqa: PLC0415 # as above

    rows = {topic.split(".")[-2]: (event.__doc__ or "").partition("\n")[0] for topic, event in CLASSES.items()}
    names = (
        "An event is named by its number, last, last~2, a time (2h ago), or the first four digits of its id or more.\n"
        "So is the moment of --at, which versions, nodes, root_dir, log and show take: they answer as they did then.\n"
        "replay has --to, and diff compares two moments. check, packages and --live look at what is there now.\n"
    )
    return _table("Types of events, for `log --type`:", rows) + names


def json() -> str:
    """Return how JSON is written."""
    return (
        "With --json every command prints one JSON object a line on stdout; an error is one object on stderr.\n"
        'Each object has a member "schema", such as "release-ledger/versions/1". A schema of the same number never\n'
        "loses a member and never changes the meaning of one; new members may come. What is not known is a missing\n"
        "member. The schemas are published as JSON Schema in docs/schemas/. Times are UTC, numbers are integers.\n"
    )


def config() -> str:
    """Return the settings and where they come from."""
    return (
        "An option beats the environment, that beats config.toml beside the ledger, that beats\n"
        "/etc/release-ledger/config.toml, and that a default. `check` prints each value and its source.\n\n"
    ) + _table(
        "Environment:",
        {
            "RELEASE_LEDGER": "the ledger: a folder, or postgresql://USER@HOST/DATABASE",
            "RELEASE_LEDGER_NODE": "the node that is meant",
            "RELEASE_LEDGER_DRIVER": "how to reach the node",
            "RELEASE_LEDGER_REASON": "why, for each change",
            "RELEASE_LEDGER_TICKET": "the ticket, for each change",
            "RELEASE_LEDGER_DEBUG": "1 prints the details of a program that broke off",
            "EMQX_ROOT_DIR": "the root of the installation, for init and register",
            "NO_COLOR": "anything but an empty text: no colours",
            "PAGER": "shows long lists on a terminal",
        },
    )


def trust() -> str:
    """Return what the history rests on."""
    return (
        "Each event is a leaf of a Merkle tree (RFC 6962); each commit signs the root of the tree with log.key.\n"
        "Whoever can write ledger.db, the tip guard beside it and read log.key can write another history; only a\n"
        "note that somebody outside holds contradicts it: see `help witness`. `verify` recomputes all of it and\n"
        "says how far it is held outside. Who acted is what the operating system said; the time is the host's.\n"
        "docs/trust.md says of each file who can change it, and what follows.\n"
    )


def recovery() -> str:
    """Return what to do about an attempt that broke off."""
    return (
        "A change is an attempt: its intent is recorded before anything is touched, each step when it is done.\n"
        "Where it breaks off, the intent stands; every later change exits 5, and reading goes on working.\n"
        "`release-ledger recover` looks at node and disk, says what it found, and finishes, takes back or marks\n"
        "the attempt as failed. It also mends boot files that disagree on what is permanent. It repairs the\n"
        "installation, never the record. docs/recovery.md has every case.\n"
    )


TOPICS: Mapping[str, Callable[[], str]] = {
    "exit-codes": exit_codes,
    "events": events,
    "json": json,
    "config": config,
    "trust": trust,
    "recovery": recovery,
}
_ABOUT: Mapping[str, str] = {
    "exit-codes": "what each exit code means",
    "events": "the types of events, and how one is named",
    "json": "what --json promises",
    "config": "where settings come from",
    "trust": "what the history rests on",
    "recovery": "what to do about an attempt that broke off",
}


def list_of_topics() -> str:
    """Return the topics and the commands, a line each."""
    return _table("Topics:", _ABOUT) + "\n" + _table("Commands:", COMMANDS)


def _table(title: str, rows: Mapping[str, str]) -> str:
    width = max(map(len, rows))
    return f"{title}\n" + "".join(f"  {name:<{width}}  {text}".rstrip() + "\n" for name, text in rows.items())
