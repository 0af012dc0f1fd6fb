"""The witnesses of a ledger: the file ``witnesses`` in its folder, a policy of C2SP tlog-policy.

It names the log's own key, each witness with its key and its URL, and no quorum, so an auditor
may take it as the draft of a policy of his own. Lines that the operator wrote stay as they are.
Every change asks for the witnesses and few ledgers have any, so what reads the file is imported
where there is one.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from ledger.dataclass import dataclass
from ledger.errors import UsageError
from ledger.tlog.vkey import KeyType, Vkey

if TYPE_CHECKING:
    from ledger.tlog.policy import Witness

_NAME = r"[A-Za-z0-9._-]{1,60}"
_QUORUM = rb"(?m)^[ \t]*quorum[ \t]"
_SHARED_FOLDER = 0o050  # its group may list and search it
_SHARED_FILE, _OWN_FILE = 0o640, 0o600


class WitnessNameError(UsageError):
    """A text cannot name a witness here."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name[:60]!a} cannot name a witness",
            fact="a name is 1 to 60 letters, digits, dots, hyphens and underscores; `none` is taken",
            hint="choose a short name of your own, like `w1`",
        )
        self.name = name


class NotAWitnessKeyError(UsageError):
    """A vkey is not that of a witness."""

    def __init__(self, vkey: Vkey) -> None:
        super().__init__(
            f"the key of {vkey.name} is not that of a witness",
            fact=f"it is of type 0x{vkey.key_type:02x}, a witness cosigns with 0x04",
            hint="take the vkey that `release-ledger witness serve` prints on the witness's host",
        )
        self.vkey = vkey


class WitnessKnownError(UsageError):
    """A witness of this name or key is there already, and differs."""

    def __init__(self, known: "Witness", path: Path) -> None:
        super().__init__(
            f"the witness {known.name.decode()} is there already",
            fact=f"its key is {known.vkey}, its URL {(known.url or b'none').decode()}",
            hint=f"edit {path} to change it, or choose another name",
        )
        self.known = known


class WitnessUnknownError(UsageError):
    """There is no witness of this name."""

    def __init__(self, name: str, path: Path) -> None:
        super().__init__(
            f"there is no witness {name[:60]!a}",
            fact=f"{path} does not name it",
            hint="`release-ledger witness list` shows them",
        )
        self.name = name


class WitnessNeededError(UsageError):
    """The operator's own lines of the list build on a witness."""

    def __init__(self, name: str, path: Path) -> None:
        super().__init__(
            f"the witness {name} is not removed",
            fact=f"a group or the quorum in {path} names it",
            hint=f"edit {path}: take it out there too",
        )
        self.name = name


class WitnessListError(UsageError):
    """The list of witnesses cannot be read."""

    def __init__(self, path: Path, fact: str) -> None:
        super().__init__(
            f"the witnesses in {path} cannot be read", fact=fact, hint="run as the user who owns the ledger"
        )
        self.path = path


@dataclass(frozen=True)
class WitnessList:
    """The witnesses in the file *path*, for the log with the key *log*."""

    path: Path
    log: Vkey

    def read(self) -> "tuple[Witness, ...]":
        """Return the witnesses, none where there is no file.

        Raises: PolicyError, WitnessListError.
        """
        text = self._text()
        if text is None:
            return ()
        from ledger.tlog.policy_file import parse_policy  # noqa: PLC0415 # as the module says

        return parse_policy(text).witnesses

    def add(self, name: str, *, vkey: Vkey, url: str) -> bool:
        """Add a witness; return False where it is there already.

        Raises: WitnessNameError, NotAWitnessKeyError, WitnessUrlError, WitnessKnownError, PolicyError,
        WitnessListError, WriteFailedError.
        """
        import re  # noqa: PLC0415 # as the module says

        from ledger.adapters.anchors.witness_url import split_url  # noqa: PLC0415 # as above
        from ledger.adapters.durable import replace_file  # noqa: PLC0415 # as above
        from ledger.adapters.signatures import verifier  # noqa: PLC0415 # as above
        from ledger.tlog.policy import Witness  # noqa: PLC0415 # as above
        from ledger.tlog.policy_file import parse_policy  # noqa: PLC0415 # as above

        if not re.fullmatch(_NAME, name) or name == "none":
            raise WitnessNameError(name)
        if vkey.key_type is not KeyType.COSIGNATURE_ED25519:
            raise NotAWitnessKeyError(vkey)
        verifier(vkey)
        split_url(url)
        witness = Witness(name.encode(), vkey, url.encode())
        found = self._text()
        text = f"log {self.log}\nquorum none\n".encode() if found is None else found
        for known in parse_policy(text).witnesses:
            if known == witness:
                return False
            if known.name == witness.name or known.vkey.public_key == vkey.public_key:
                raise WitnessKnownError(known, self.path)
        line = f"witness {name} {vkey} {url}\n".encode()
        # A name is used after its definition only, and the quorum line uses names.
        changed = re.sub(_QUORUM, lambda found: line + found.group(), text, count=1)
        parse_policy(changed)
        replace_file(self.path, changed, mode=self._new_mode() if found is None else None)
        return True

    def remove(self, name: str) -> None:
        """Take a witness out; what it holds stays with it, and its receipts stay in the ledger.

        Raises: WitnessUnknownError, WitnessNeededError, PolicyError, WitnessListError, WriteFailedError.
        """
        import re  # noqa: PLC0415 # as the module says

        from ledger.adapters.durable import replace_file  # noqa: PLC0415 # as above
        from ledger.tlog.policy_file import PolicyError, parse_policy  # noqa: PLC0415 # as above

        text, named = self._text() or b"", name.encode(errors="surrogateescape")
        if not any(witness.name == named for witness in self.read()):
            raise WitnessUnknownError(name, self.path)
        changed = re.sub(rb"(?m)^[ \t]*witness[ \t]+%s[ \t].*\n" % re.escape(named), b"", text)
        try:
            parse_policy(changed)
        except PolicyError as exc:
            raise WitnessNeededError(name, self.path) from exc
        replace_file(self.path, changed)

    def _new_mode(self) -> int:
        # Whoever may read the ledger needs the witnesses to judge it.
        return _SHARED_FILE if self.path.parent.stat().st_mode & _SHARED_FOLDER == _SHARED_FOLDER else _OWN_FILE

    def _text(self) -> bytes | None:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise WitnessListError(self.path, exc.strerror or str(exc)) from exc
