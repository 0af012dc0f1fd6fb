"""The outside holders of one ledger, as its settings name them.

Sinks stand under ``anchors`` in the settings, as ``file:/PATH``, ``syslog`` (the local log) or
``syslog:/SOCKET``; witnesses stand in the file ``witnesses`` of the ledger's folder. What
speaks to a holder is imported where one is configured: a change pays for what it uses.

A host of a fleet names its own holders, and hands over the newest note of whichever host. In the
table that all share, a file or log of a host is known by the id of that host's key, a witness by
the id of its own: two hosts may mean different ones by one name.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ledger.adapters.anchor_store import SqliteAnchorStore
from ledger.adapters.anchors.alarm_file import keep_alarm, standing_alarms
from ledger.adapters.clock import format_time
from ledger.adapters.durable import WriteFailedError
from ledger.adapters.ledger_folder import LedgerFolder
from ledger.adapters.witness_list import WitnessList
from ledger.application.anchor_ports import Anchor, LogKeys
from ledger.application.anchoring import Holders, Outside
from ledger.errors import EvidenceError, UsageError
from ledger.tlog.vkey import Vkey

if TYPE_CHECKING:
    from ledger.adapters.postgres_tree import FleetSigner
    from ledger.tlog.policy import Witness


class AnchorSettingError(UsageError):
    """A setting does not name an outside holder."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:200]!a} names no outside holder",
            fact="known are file:/PATH, syslog and syslog:/SOCKET, with absolute paths, each once",
            hint="mend `anchors` in the settings; a witness is added with `release-ledger witness add`",
        )
        self.text = text


@contextmanager
def open_holders(places: LedgerFolder, *, settings: Sequence[str]) -> Iterator[Holders]:
    """Give the outside holders of the ledger in *places*; nothing is asked of them yet.

    Raises: AnchorSettingError, WitnessUrlError, PolicyError, VkeyError, GuardAccessError; the errors of the key.
    """
    vkey = places.read_key().vkey
    witnesses = WitnessList(places.witnesses, vkey)
    host = f"@{vkey.key_id.hex()}" if places.address else ""
    store, keys = _ledger_of(places, vkey)
    with closing(store):
        clients = (_client(witness, keys, shared=bool(host)) for witness in witnesses.read() if witness.url)
        anchors = (*_sinks(settings, keys, host), *clients)

        def keep(sink: str, size: int, error: EvidenceError) -> None:
            # What cannot be kept is still told, with exit 6.
            with suppress(WriteFailedError):
                keep_alarm(places.tip, sink=sink, size=size, error=error, at=_now())

        outside = Outside(anchors, store=store, seconds=time.monotonic, keep_alarm=keep)
        yield Holders(outside, anchors, store, witnesses, vkey, standing_alarms(places.tip))


def _ledger_of(places: LedgerFolder, vkey: Vkey) -> tuple[SqliteAnchorStore, LogKeys]:
    """Return what is committed in the ledger, and the keys that sign there."""
    if places.address is None:
        from ledger.adapters.log_keys import ListedKeys  # noqa: PLC0415 # as the module says

        return SqliteAnchorStore(places.database, now=_now), ListedKeys([vkey])
    from ledger.adapters.anchor_served import ServedAnchorStore  # noqa: PLC0415 # a ledger in a folder needs no libpq

    served = ServedAnchorStore(places.address, signer=cast("FleetSigner", places.read_signer()), now=_now)
    return served, served.keys


def _sinks(settings: Sequence[str], log: LogKeys, host: str) -> Iterator[Anchor]:
    known = set()
    for text in settings:
        anchor = _sink(text, log, host)
        if anchor.name in known:
            raise AnchorSettingError(text)
        known.add(anchor.name)
        yield anchor


def _sink(text: str, log: LogKeys, host: str) -> Anchor:
    kind, _, place = text.partition(":")
    path = Path(place)
    if kind == "file" and path.is_absolute() and "\0" not in place:
        from ledger.adapters.anchors.file import FileAnchor  # noqa: PLC0415 # as above

        return FileAnchor(path, log, mark=host)
    if kind == "syslog" and (text == "syslog" or (path.is_absolute() and "\0" not in place)):
        from ledger.adapters.anchors.syslog import DEFAULT_SOCKET, SyslogAnchor  # noqa: PLC0415 # as above

        return SyslogAnchor(log, path if place else DEFAULT_SOCKET, mark=host)
    raise AnchorSettingError(text)


def _client(witness: "Witness", log: LogKeys, *, shared: bool) -> Anchor:
    from ledger.adapters.anchors.witness_client import WitnessClient  # noqa: PLC0415 # as the module says
    from ledger.adapters.signatures import verifier  # noqa: PLC0415 # as above

    name, url = (part.decode("utf-8", "backslashreplace") for part in (witness.name, witness.url or b""))
    mark = f"@{witness.vkey.key_id.hex()}" if shared else ""
    return WitnessClient(name, verifier(witness.vkey), url, log, mark=mark)


def _now() -> str:
    return format_time(time.time_ns() // 1000)
