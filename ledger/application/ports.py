"""What the use cases need from outside, in OTP's own words.

``ReleaseHandler`` is the port of the drivers; all of them pass one contract suite and give the
same events. ``Installation`` reads one root and never changes it. Sizes are bytes.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from ledger.dataclass import dataclass
from ledger.domain.events import AnyReleaseEvent
from ledger.domain.observation import Observation
from ledger.domain.outcomes import Installed, Removed, StagedPackage, Unpacked
from ledger.domain.package_facts import PackageFacts
from ledger.domain.reason import Reason
from ledger.domain.records import Driver
from ledger.domain.releases import NodeReleases
from ledger.domain.relup import Relup
from ledger.domain.version import Vsn
from ledger.domain.whereabouts import Whereabouts
from ledger.errors import CheckFailedError, FailedError, UsageError

Progress = Callable[[int, int], None]


class NodeDownError(UsageError):
    """No node answers for this installation; *words* is EMQX's own line."""

    words = ("Node is not running!",)

    def __init__(self, node: str, *, fact: str) -> None:
        super().__init__(
            f"node {node} is not running",
            fact=fact,
            hint="start the node; or rehearse on a copy of it: --driver embedded with a ledger of its own",
        )
        self.node = node


class NodeUnusableError(UsageError):
    """The node of this installation runs, or should, and cannot be worked with; the parent of such errors."""


_OTP_CALLS = frozenset({"set_unpacked", "unpack_release", "install_release", "make_permanent", "remove_release"})


class CheckRefusedError(CheckFailedError):
    """``check_install_release`` refused, with OTP's own reason; what runs is unchanged."""

    def __init__(self, vsn: str, otp_reason: str) -> None:
        super().__init__(
            f"release_handler:check_install_release of {vsn} failed",
            fact=otp_reason,
            hint="nothing that runs was changed; see `release-ledger show last`",
        )
        self.vsn, self.otp_reason = vsn, otp_reason


class StepFailedError(FailedError):
    """A call of the release handler, or what stands for one, failed on the way; the node may have changed."""

    def __init__(self, call: str, vsn: str, otp_reason: str) -> None:
        super().__init__(
            f"{f'release_handler:{call}' if call in _OTP_CALLS else call} of {vsn} failed",
            fact=otp_reason,
            hint="look at `release-ledger versions` and `release-ledger check`, then repeat the command",
        )
        self.call, self.vsn, self.otp_reason = call, vsn, otp_reason


class RelupCrashedError(StepFailedError):
    """A relup crashed past the point of no return, and the node restarted what was permanent.

    *down_ms* is how long it was without service, in milliseconds.
    """

    def __init__(self, vsn: str, otp_reason: str, *, how: str, down_ms: int) -> None:
        super().__init__("install_release", vsn, otp_reason)
        self.fact = f"{otp_reason}; the node restarted {how}, {down_ms / 1000:.1f} seconds without service"
        self.hint = f"clients were disconnected; do not repeat it with this package of {vsn}"
        self.down_ms = down_ms


class ReleaseHandler(Protocol):
    """The release handler of one node (release_handler(3))."""

    @property
    def driver(self) -> Driver:
        """The driver that this is."""
        ...

    def observe(self) -> Observation:
        """Return what node and disk show now.

        Raises: NodeDownError where no node answers.
        """
        ...

    def stage_release(self, package: PackageFacts, *, attempt: str, progress: Progress) -> StagedPackage:
        """Lay *package* out beside the installation, checking all of its content.

        What lies in the way of a release that the node does not know is named; ``unpack_release``
        sets it aside under *attempt*, when the record has it. Nothing of the installation is changed,
        and nothing stays behind when it fails, so that a retry is a real retry.

        Raises: PackageUnsoundError with all that is wrong; FailedError where writing failed.
        """
        ...

    def discard_staged(self, staged: StagedPackage) -> None:
        """Undo ``stage_release``: what is laid out goes.

        Raises: FailedError where writing failed; ``recover`` clears what is left.
        """
        ...

    def unpack_release(self, staged: StagedPackage) -> Unpacked:
        """Place what is staged; its release is then known as ``unpacked``, first in the list.

        Repeated on a release that is ``unpacked`` it puts back what is missing.

        Raises: FailedError where writing failed; what was placed stays, and it can be repeated.
        """
        ...

    def install_release(self, vsn: str) -> Installed:
        """Check and install release *vsn*: it runs then, and is not yet permanent.

        Raises: CheckRefusedError where the check refuses; StepFailedError where the install breaks off,
        RelupCrashedError where that restarted the node.
        """
        ...

    def make_permanent(self, vsn: str) -> None:
        """Make release *vsn* permanent, in memory and in all boot files.

        Raises: StepFailedError where a file cannot be written.
        """
        ...

    def remove_release(self, vsn: str) -> Removed:
        """Remove release *vsn*: what no other release uses goes, the rest stays (otp.md 7)."""
        ...

    def restart(self) -> None:
        """Restart the node: it boots the last REL_VSN and reads its table from disk."""
        ...

    def revive(self) -> tuple[str, ...]:
        """Make a node observable again whose memory cannot be read; return what was done, in words."""
        ...

    def disagreements(self, vsn: str, *, scripts: bool) -> tuple[str, ...]:
        """Return, in words, each place that does not name *vsn* permanent; *scripts* looks at ``bin/`` too."""
        ...

    def agree_on(self, vsn: str, *, scripts: bool) -> tuple[str, ...]:
        """Make memory and boot files name *vsn* permanent, from memory or saved copies (otp.md 6.2).

        Raises: OpenAttemptError where nothing tells what belongs into a file.
        """
        ...


@runtime_checkable
class Talkative(Protocol):
    """A driver that works through somebody else's tool, whose words are kept as a digest and an excerpt."""

    def said(self) -> tuple[str, ...]:
        """Return the lines that the tool has said through this driver, without secrets."""
        ...


@dataclass(frozen=True)
class LeftOver:
    """Something that a broken-off command left: *path* under the root, what it is and what to do, in words."""

    path: str
    what: str
    todo: str = "clear"


class LeftOvers(Protocol):
    """What broken-off commands left under one root."""

    def find(self, known: frozenset[str]) -> tuple[LeftOver, ...]:
        """Return what no release of *known* needs: staging, temporary files, folders of unknown releases."""
        ...

    def clear(self, left_over: LeftOver, *, attempt: str) -> str:
        """Remove what is ours, set aside under *attempt* what may be somebody's; return what was done.

        What was set aside is found again until ``settle``: the record may not have it yet.
        """
        ...

    def settle(self) -> None:
        """Take note that all that was set aside is recorded."""
        ...


class Installation(Protocol):
    """What can be read of one root before anything is touched."""

    def find_package(self, vsn: Vsn) -> PackageFacts | tuple[Reason, ...]:
        """Return the one package of *vsn*, or the reasons why there is none."""
        ...

    def package_line(self, package: PackageFacts) -> str | None:
        """Return the path to name in the words of unpacking, None for the one the user guide names."""
        ...

    def missing_parts(self, vsn: str) -> tuple[str, ...]:
        """Return the parts of a known release that are not there, relative to the root."""
        ...

    def relup(self, vsn: str) -> Relup | str | None:
        """Return the relup of a release on disk, the fault of one that cannot be read, None without a file."""
        ...

    def owner(self) -> str:
        """Return the user to whom the installation belongs."""
        ...

    def foreign_paths(self) -> tuple[str, ...]:
        """Return what this process or the owner cannot write among the paths that a change writes."""
        ...

    def free_bytes(self) -> int:
        """Return the free space under the root for the user who writes."""
        ...


class InstallationLock(Protocol):
    """One change at a time on an installation; the lock dies with its process."""

    def hold(self, what: str, *, wait: float) -> AbstractContextManager[None]:
        """Hold the lock for *what*, waiting up to *wait* seconds.

        Raises: LockedError naming who holds it.
        """
        ...


class ReleaseRecord(Protocol):
    """The record of the releases: append and fold."""

    def record(self, events: Sequence[AnyReleaseEvent]) -> tuple[int, ...]:
        """Append *events* in one commit and return their leaf indexes, from 0."""
        ...

    def verify_tail(self) -> None:
        """Hold the newest events against what was signed (PRODUCT section 8).

        Raises: EvidenceError: nothing may be appended to a broken tail.
        """
        ...

    def releases(self, stream: str) -> NodeReleases:
        """Return the fold of a stream."""
        ...

    def whereabouts(self) -> Sequence[Whereabouts]:
        """Return where each installation is, in the order of their first event."""
        ...
