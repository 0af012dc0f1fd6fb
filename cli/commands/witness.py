"""Let others hold the history, or hold that of others."""

from typing import Annotated

from cli import witnessing
from cli.declared import Argument, Option
from cli.session import Session

EXAMPLE = "witness list"
StateOption = Annotated[
    str | None,
    Option("--state", metavar="FOLDER", help="Where the witness on this host keeps its key and its memory."),
]


def add(
    name: Annotated[str, Argument(metavar="NAME", help="What you call it, for example w1.")],
    vkey: Annotated[str, Argument(metavar="VKEY", help="Its key, as `witness serve` prints it.")],
    url: Annotated[str, Argument(metavar="URL", help="Where it is reached, http or https.")],
    *,
    session: Session,
) -> int:
    """Let a witness hold this ledger from now on."""
    return witnessing.add_witness(name, vkey, url, session=session)


def remove(
    name: Annotated[str, Argument(metavar="NAME", help="What you called it when you added it.")],
    *,
    session: Session,
) -> int:
    """Hand nothing more to a witness."""
    return witnessing.remove_witness(name, session=session)


def submit(*, session: Session) -> int:
    """Hand the newest checkpoint to every outside holder now."""
    return witnessing.submit(session=session)


def list_(*, session: Session) -> int:
    """List the outside holders and what each one holds."""
    return witnessing.list_holders(session=session)


def log(
    vkey: Annotated[str, Argument(metavar="VKEY", help="The log's key, as `witness list` prints it there.")],
    *,
    state: StateOption = None,
    session: Session,
) -> int:
    """Let the witness on this host cosign for a log."""
    return witnessing.trust_log(vkey, state=state, session=session)


def serve(
    *,
    state: StateOption = None,
    name: Annotated[
        str | None, Option("--name", metavar="NAME", help="The name of a new witness, as in w.example.org/w1.")
    ] = None,
    host: Annotated[str, Option("--host", metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[
        int, Option("--port", metavar="PORT", min=0, max=65535, help="Where to listen; 0 takes a free one.")
    ] = 8461,
    session: Session,
) -> int:
    """Witness the logs of other hosts, over HTTP, until stopped."""
    return witnessing.serve(state=state, name=name, host=host, port=port, session=session)


SUBCOMMANDS = {
    "add": (add, "witness add w1 w.example.org/w1+9b3cd1e0+BAbc... https://w.example.org/"),
    "remove": (remove, "witness remove w1"),
    "submit": (submit, "witness submit"),
    "list": (list_, "witness list"),
    "log": (log, "witness log db1.example.org/emqx+530d903a+AeKy..."),
    "serve": (serve, "witness serve --name w.example.org/w1"),
}
