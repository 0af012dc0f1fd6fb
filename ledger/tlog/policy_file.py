"""How a policy is written (C2SP tlog-policy).

::

    log <vkey> [<url>]
    witness <name> <vkey> [<url>]
    group <name> all|any|<k> <member>...
    quorum <name>|none

One item a line, fields divided by spaces and tabs only; empty lines and lines whose first field
begins with ``#`` are ignored. Octets allowed: 09, 0A, 20-7E, 80-FF, so a carriage return is an
error. Witnesses and groups share one namespace of opaque octets, in which ``none`` is reserved;
a name is used after its definition only, and as a member once in the whole file. Exactly one
quorum line. Two vkeys around one public key are duplicates, whatever their names. Logs have keys
of type 0x01 or 0x06, witnesses of 0x04 or 0x06. Our limit: 1,000,000 bytes.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ledger.errors import CheckFailedError
from ledger.tlog.notation import FormatError, parse_decimal, shown, split_lines
from ledger.tlog.policy import Group, Log, Policy, Witness
from ledger.tlog.vkey import KeyType, Vkey, VkeyError

MAX_POLICY = 1_000_000

_NONE = b"none"
_FORBIDDEN = re.compile(rb"[^\t\n\x20-\x7e\x80-\xff]")
_SPACES = re.compile(rb"[ \t]+")
_LOG_TYPES = (KeyType.ED25519, KeyType.COSIGNATURE_ML_DSA_44)
_WITNESS_TYPES = (KeyType.COSIGNATURE_ED25519, KeyType.COSIGNATURE_ML_DSA_44)


class PolicyError(CheckFailedError):
    """A policy cannot be used, so whatever depends on it is undecided."""

    kind = "undecided"

    def __init__(self, reason: str, *, line: int) -> None:
        super().__init__(
            f"line {line} of the policy is wrong",
            fact=reason,
            hint="correct the policy file; its grammar is C2SP tlog-policy",
        )
        self.reason, self.line = reason, line


def parse_policy(data: bytes) -> Policy:
    """Return the policy that the file *data* states.

    Raises: PolicyError with the first wrong line and the reason.
    """
    draft = _Draft()
    if len(data) > MAX_POLICY:
        raise PolicyError(f"the file has {len(data)} bytes, more than {MAX_POLICY}", line=1)
    try:
        lines = split_lines(data)
    except FormatError as exc:
        raise PolicyError(exc.fact, line=data.count(b"\n") + 1) from exc
    for draft.line, line in enumerate(lines, start=1):
        _read_line(draft, line)
    if draft.quorum is None:
        raise PolicyError("the file ends without a quorum line", line=draft.line)
    quorum = None if draft.quorum == _NONE else draft.quorum
    return Policy(tuple(draft.logs), tuple(draft.witnesses), tuple(draft.groups), quorum)


@dataclass
class _Draft:
    """A policy while its lines are read."""

    line: int = 0
    logs: list[Log] = field(default_factory=list)
    witnesses: list[Witness] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    quorum: bytes | None = None
    names: set[bytes] = field(default_factory=set)
    members: set[bytes] = field(default_factory=set)
    public_keys: set[bytes] = field(default_factory=set)
    key_ids: set[tuple[str, bytes]] = field(default_factory=set)

    def require(self, condition: object, *, otherwise: str) -> None:
        """Refuse the present line unless *condition* holds."""
        if not condition:
            raise PolicyError(otherwise, line=self.line)


def _read_line(draft: _Draft, line: bytes) -> None:
    draft.require(not _FORBIDDEN.search(line), otherwise="it contains an octet that no policy may contain")
    item, *fields = _SPACES.split(line.strip(b" \t"))
    if item and not item.startswith(b"#"):
        read = _ITEMS.get(item, _read_unknown)
        read(draft, fields)


def _read_unknown(draft: _Draft, _fields: Sequence[bytes]) -> None:
    raise PolicyError("it is none of log, witness, group and quorum", line=draft.line)


def _read_log(draft: _Draft, fields: Sequence[bytes]) -> None:
    draft.require(len(fields) in (1, 2), otherwise="a log has a vkey and perhaps a URL")
    vkey = _read_vkey(draft, fields[0], types=_LOG_TYPES)
    draft.logs.append(Log(vkey, *fields[1:]))


def _read_witness(draft: _Draft, fields: Sequence[bytes]) -> None:
    draft.require(len(fields) in (2, 3), otherwise="a witness has a name, a vkey and perhaps a URL")
    _define(draft, fields[0])
    vkey = _read_vkey(draft, fields[1], types=_WITNESS_TYPES)
    draft.witnesses.append(Witness(fields[0], vkey, *fields[2:]))


def _read_group(draft: _Draft, fields: Sequence[bytes]) -> None:
    draft.require(len(fields) > 2, otherwise="a group has a name, a threshold and members")  # noqa: PLR2004 -- name, threshold, one member
    name, threshold, *members = fields
    for member in members:
        draft.require(member in draft.names, otherwise=f"{shown(member)} is not defined above")
        draft.require(member not in draft.members, otherwise=f"{shown(member)} is a member already")
        draft.members.add(member)
    _define(draft, name)
    draft.groups.append(Group(name, _read_threshold(draft, threshold, members=len(members)), tuple(members)))


def _read_quorum(draft: _Draft, fields: Sequence[bytes]) -> None:
    draft.require(draft.quorum is None, otherwise="there is a quorum line already")
    draft.require(len(fields) == 1, otherwise="a quorum is one name or none")
    draft.require(fields[0] in draft.names | {_NONE}, otherwise=f"{shown(fields[0])} is not defined above")
    draft.quorum = fields[0]


def _read_threshold(draft: _Draft, text: bytes, *, members: int) -> int:
    words = {b"any": 1, b"all": members}
    try:
        threshold = words[text] if text in words else parse_decimal(text)
    except FormatError as exc:
        raise PolicyError(f"the threshold {shown(text)} is not all, any or a number", line=draft.line) from exc
    draft.require(1 <= threshold <= members, otherwise=f"{threshold} of {members} members cannot be asked for")
    return threshold


def _read_vkey(draft: _Draft, text: bytes, *, types: Sequence[KeyType]) -> Vkey:
    try:
        vkey = Vkey.parse(text.decode())
    except UnicodeDecodeError as exc:
        raise PolicyError("the vkey is not UTF-8", line=draft.line) from exc
    except VkeyError as exc:
        raise PolicyError(f"{exc}: {exc.fact}", line=draft.line) from exc
    draft.require(vkey.key_type in types, otherwise=f"a key of type 0x{vkey.key_type:02x} cannot stand here")
    draft.require(vkey.public_key not in draft.public_keys, otherwise="its public key stands above already")
    draft.require((vkey.name, vkey.key_id) not in draft.key_ids, otherwise="its name and key id stand above already")
    draft.public_keys.add(vkey.public_key)
    draft.key_ids.add((vkey.name, vkey.key_id))
    return vkey


def _define(draft: _Draft, name: bytes) -> None:
    draft.require(name != _NONE, otherwise="the name none is reserved")
    draft.require(name not in draft.names, otherwise=f"{shown(name)} is defined above already")
    draft.names.add(name)


_ITEMS: Mapping[bytes, Callable[[_Draft, Sequence[bytes]], None]] = {
    b"log": _read_log,
    b"witness": _read_witness,
    b"group": _read_group,
    b"quorum": _read_quorum,
}
