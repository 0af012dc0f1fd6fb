"""Witnesses, from the command line: both sides of the protocol (docs/witness.md)."""

import json
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from cli import bootstrap
from cli.config import HOST_LEDGER, NoHomeError, state_folder
from cli.plain_text import plain
from cli.session import Session
from ledger.application.anchoring import unheld
from ledger.errors import CheckFailedError, UsageError
from ledger.tlog.vkey import Vkey, VkeyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.application.anchoring import Holders, Late, Unheld

SCHEMA = "release-ledger/holders/1"
WITNESS_FOLDER = "release-ledger-witness"


class NotSubmittedError(CheckFailedError):
    """Not every holder holds the newest events."""

    kind = "undecided"

    def __init__(self, late: "tuple[Late, ...]") -> None:
        first = late[0].error
        super().__init__(
            f"not held by {', '.join(holder.sink for holder in late)}", fact=f"{first}: {first.fact}", hint=first.hint
        )
        self.late = late


class NoHoldersError(UsageError):
    """No outside holder is configured."""

    def __init__(self) -> None:
        super().__init__(
            "no outside holder is configured",
            fact="`anchors` in the settings is empty, and there is no witness",
            hint="add one: `release-ledger witness add NAME VKEY URL`, or `anchors` under [policy] in config.toml",
        )


class NoWitnessFolderError(UsageError):
    """There is no place for what a witness of one's own remembers."""

    def __init__(self) -> None:
        super().__init__(
            "no folder of the witness was named, and this user has no home folder",
            fact="--state is not given; HOME and XDG_STATE_HOME name no folder",
            hint="name it: --state FOLDER",
        )


class VkeyArgumentError(UsageError):
    """What was typed is not a vkey."""

    def __init__(self, cause: VkeyError) -> None:
        super().__init__(str(cause), fact=cause.fact, hint="copy it whole: NAME+8 hex digits+base64, one word")


def add_witness(name: str, vkey: str, url: str, *, session: Session) -> int:
    """Let a witness hold the ledger from now on; return the exit code.

    Raises: VkeyArgumentError, and what the list of witnesses raises.
    """
    key = _vkey(vkey)
    with bootstrap.open_holders(session.settings) as holders:
        added = holders.witnesses.add(name, vkey=key, url=url)
        session.terminal.say(f"Witness {name}: {'added' if added else 'there already'}")
    # A fleet has a key for each host: the witness must know the one that signed what it is shown.
    for log in bootstrap.own_policy(session.settings.ledger.value).logs:
        session.terminal.say(f"Give its operator the key of this log: {log.vkey}")
    return 0


def remove_witness(name: str, *, session: Session) -> int:
    """Hand nothing more to a witness; return the exit code.

    Raises: what the list of witnesses raises.
    """
    with bootstrap.open_holders(session.settings) as holders:
        holders.witnesses.remove(name)
    session.terminal.say(f"Witness {plain(name)}: removed; what it holds stays with it")
    return 0


def submit(*, session: Session) -> int:
    """Hand the newest checkpoint to every holder and say what each holds; return the exit code.

    Raises: NoHoldersError; EvidenceError for an alarm; NotSubmittedError.
    """
    with bootstrap.open_holders(session.settings) as holders:
        if not holders.anchors:
            raise NoHoldersError
        holders.outside.hand_over(patient=True)
        for alarm in holders.outside.alarms:
            raise alarm
        _tell(holders, session)
        if holders.outside.late:
            raise NotSubmittedError(holders.outside.late)
    return 0


def list_holders(*, session: Session) -> int:
    """Say what each holder holds, asking none of them; return the exit code.

    Raises: SignatureError, HeldHistoryError for a receipt that does not hold.
    """
    with bootstrap.open_holders(session.settings) as holders:
        _tell(holders, session)
    return 0


def trust_log(vkey: str, *, state: str | None, session: Session) -> int:
    """Let the witness on this host cosign for a log; return the exit code.

    Raises: VkeyArgumentError, NoWitnessFolderError, NotALogKeyError, and what opening a witness raises.
    """
    key = _vkey(vkey)
    with bootstrap.open_witness(_state(state)) as place:
        new = place.state.trust(key)
    session.terminal.say(f"Log {plain(key.name)}: {'witnessed from now on' if new else 'known already'}")
    return 0


def serve(*, state: str | None, name: str | None, host: str, port: int, session: Session) -> int:
    """Serve the witness on this host until it is stopped; return the exit code.

    Raises: NoWitnessFolderError, ListenError, and what opening a witness raises.
    """
    with (
        bootstrap.open_witness(_state(state), name=name) as place,
        bootstrap.witness_server(place, host=host, port=port) as server,
        suppress(KeyboardInterrupt),
    ):
        signal.signal(signal.SIGTERM, _stop)
        session.terminal.say(f"Key: {server.witness.vkey}")
        session.terminal.say(f"Listening: {server.url}")
        server.serve_forever()
    return 0


def _stop(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _state(named: str | None) -> Path:
    if named is not None:
        return Path(named).absolute()
    try:
        base = HOST_LEDGER if os.geteuid() == 0 else state_folder(os.environ)
    except NoHomeError as exc:
        raise NoWitnessFolderError from exc
    return base.with_name(WITNESS_FOLDER)


def _vkey(text: str) -> Vkey:
    try:
        return Vkey.parse(text)
    except VkeyError as exc:
        raise VkeyArgumentError(exc) from exc


def _tell(holders: "Holders", session: Session) -> None:
    state = unheld(holders.anchors, store=holders.store)
    if session.json:
        session.terminal.write(_as_json(holders, state))
        return
    for line in _lines(holders, state):
        session.terminal.say(line)


def _lines(holders: "Holders", state: "Unheld") -> "Iterator[str]":
    sizes = {held.sink: held.size for held in state.holders}
    yield f"Log: {holders.vkey}"
    for anchor in holders.anchors:
        yield f"{anchor.name}: {sizes.get(anchor.name, 0)} of {state.size}"
    yield from (f"Alarm: {alarm} ({alarm.file})" for alarm in holders.standing)
    yield str(state)


def _as_json(holders: "Holders", state: "Unheld") -> str:
    sizes = {held.sink: held.size for held in state.holders}
    record: dict[str, object] = {
        "schema": SCHEMA,
        "vkey": str(holders.vkey),
        "tree_size": state.size,
        "held": state.held,
        "unheld": state.count,
        "holders": [{"name": anchor.name, "held": sizes.get(anchor.name, 0)} for anchor in holders.anchors],
    }
    if holders.standing:
        record["alarms"] = [
            {"holder": alarm.sink, "said": alarm.said, "file": alarm.file} for alarm in holders.standing
        ]
    if state.since is not None:
        record["unheld_since"] = state.since
    return json.dumps(record, separators=(",", ":")) + "\n"
