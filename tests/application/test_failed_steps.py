"""Steps that fail: the attempt is closed with the cause, the words of OTP and what was seen afterwards."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ledger.adapters.embedded_node import BootImpossibleError, EmbeddedNode
from ledger.application.attempt import MissingPackageError, OutOfSightError, StepUndoneError, UnexpectedStateError
from ledger.application.ports import CheckRefusedError, NodeDownError, RelupCrashedError, StepFailedError
from ledger.domain.events import NodeRestarted, OperationFailed, OperationRequested, ReleaseInstalled
from ledger.domain.outcomes import Installed, Removed
from ledger.domain.records import Verb
from ledger.errors import LedgerError
from tests.fakes.desk import BOOT_ID, Desk


class Broken(EmbeddedNode):
    """A node whose steps break off after the first thing that they do, or have no effect."""

    def __init__(self, desk: Desk, error: LedgerError | None, *, after_effect: bool = False) -> None:
        super().__init__(desk.root, boot_id=BOOT_ID, now=lambda: "2026-03-01T12:00:00.000000Z")
        self._error = error
        self._after_effect = after_effect

    def install_release(self, vsn: str) -> Installed:
        """Install or not, then raise or not."""
        if self._after_effect:
            super().install_release(vsn)
        if self._error is not None:
            raise self._error
        return Installed()

    def make_permanent(self, vsn: str) -> None:
        """Do nothing for *vsn*."""

    def remove_release(self, vsn: str) -> Removed:
        """Remove nothing of *vsn*."""
        return Removed(removed=(f"releases/{vsn}",))


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let the system refuse a larger file, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def failed(desk: Desk) -> OperationFailed:
    """Return the outcome of the last attempt."""
    event = desk.events[-1]
    assert isinstance(event, OperationFailed)
    return event


def test_a_check_that_refuses_closes_the_attempt_and_leaves_the_release_unpacked(desk: Desk) -> None:
    """PRODUCT section 10: 3, what runs is unchanged, an unpacked version may stay."""
    desk.offer("4.4.16")
    desk.handler = Broken(desk, CheckRefusedError("4.4.16", "{old_processes,emqx}"))

    with pytest.raises(CheckRefusedError):
        desk.change(Verb.UPGRADE, "4.4.16")

    event = failed(desk)
    assert desk.names == ["operation_requested", "unpacked", "operation_failed"]
    assert (event.step, event.vsn, event.code, event.verb) == ("install", "4.4.16", 3, "upgrade")
    assert event.cause == "release_handler:check_install_release of 4.4.16 failed"
    assert event.output.excerpt == "{old_processes,emqx}"
    assert event.tables == desk.node.tables == desk.handler.observe().tables
    assert desk.node.open_attempt is None
    assert desk.listener.said[-1] == 'Unpacked successfully: "4.4.16"'


def test_an_install_that_breaks_off_records_what_is_there_afterwards(desk: Desk) -> None:
    """PRODUCT section 10: 4, the node may have changed."""
    desk.offer("4.4.16")
    error = StepFailedError("install_release", "4.4.16", "{'EXIT',{boom,[]}}")
    desk.handler = Broken(desk, error, after_effect=True)

    with pytest.raises(StepFailedError):
        desk.change(Verb.UPGRADE, "4.4.16")

    assert (failed(desk).code, failed(desk).hint) == (4, error.hint)
    assert desk.node.tables.running == failed(desk).tables.running == "4.4.16"


@pytest.mark.parametrize("step", ["install", "make_permanent", "remove"])
def test_a_step_without_its_effect_has_failed_whatever_it_answered(desk: Desk, step: str) -> None:
    """otp.md section 12: success is decided by state."""
    desk.offer("4.4.16")
    if step == "install":
        desk.handler = Broken(desk, None)
    else:
        desk.change(Verb.INSTALL if step == "make_permanent" else Verb.UNPACK, "4.4.16", permanent=False)
        desk.handler = Broken(desk, None, after_effect=True)
    verb = {"install": Verb.UPGRADE, "make_permanent": Verb.PERMANENT, "remove": Verb.UNINSTALL}[step]

    with pytest.raises(UnexpectedStateError) as caught:
        desk.change(verb, "4.4.16")

    assert (failed(desk).step, failed(desk).code, caught.value.code) == (step, 4, 4)
    assert caught.value.fact.startswith("expected 4.4.")
    assert desk.node.tables == desk.handler.observe().tables


def test_a_disk_that_is_full_while_a_package_is_laid_out_is_an_intent_and_a_failure(desk: Desk) -> None:
    """otp.md 6.9: nothing stays behind, so that a retry is a real retry."""
    desk.offer("4.4.16")

    with pytest.raises(StepUndoneError), file_size_limit(10_000):
        desk.change(Verb.UPGRADE, "4.4.16")
    left = sorted(path.name for path in (desk.root / "releases").glob(".ledger-4*"))
    desk.change(Verb.UPGRADE, "4.4.16")

    assert desk.names[:2] == ["operation_requested", "operation_failed"]
    first, second = desk.events[:2]
    assert isinstance(first, OperationRequested)
    assert first.package is not None
    assert first.staged is None
    assert isinstance(second, OperationFailed)
    assert (second.step, second.code) == ("unpack", 3)
    assert left == []
    assert desk.names[-1] == "operation_completed"


def test_a_restart_that_would_not_come_up_closes_the_attempt(desk: Desk) -> None:
    (desk.root / "releases/4.4.0/start.boot").unlink()

    with pytest.raises(BootImpossibleError):
        desk.change(Verb.RESTART)

    assert desk.names == ["operation_requested", "operation_failed"]
    assert (failed(desk).step, failed(desk).code) == ("restart", 3)


def test_a_missing_package_says_what_to_do() -> None:
    error = MissingPackageError("4.4.16")

    assert (error.code, error.vsn) == (2, "4.4.16")
    assert error.hint


def test_a_relup_that_crashes_is_a_restart_and_a_failure(desk: Desk) -> None:
    """native-driver.md section 8: record failure and restart, with the seconds without service."""
    desk.offer("4.4.16")

    class Crashing(Broken):
        def install_release(self, vsn: str) -> Installed:
            self.restart()
            return super().install_release(vsn)

    desk.handler = Crashing(desk, RelupCrashedError("4.4.16", "{'EXIT',boom}", how="inside its process", down_ms=1700))
    before = desk.node.run

    with pytest.raises(RelupCrashedError):
        desk.change(Verb.UPGRADE, "4.4.16")

    assert desk.names == ["operation_requested", "unpacked", "node_restarted", "operation_failed"]
    restarted = desk.events[-2]
    assert isinstance(restarted, NodeRestarted)
    assert (restarted.cause, restarted.down_ms, restarted.reverted) == ("failed", 1700, ())
    assert restarted.run == desk.node.run == failed(desk).run != before
    assert desk.node.open_attempt is None


def test_settings_that_an_install_changed_are_named_in_its_event(desk: Desk) -> None:
    desk.offer("4.4.16")

    class Changing(EmbeddedNode):
        def install_release(self, vsn: str) -> Installed:
            super().install_release(vsn)
            return Installed(settings=("emqx/limit changed",))

    desk.handler = Changing(desk.root, boot_id=BOOT_ID, now=lambda: "2026-03-01T12:00:00.000000Z")

    desk.change(Verb.UPGRADE, "4.4.16")

    installed = next(event for event in desk.events if isinstance(event, ReleaseInstalled))
    assert installed.settings == ("emqx/limit changed",)


def test_a_node_that_goes_out_of_sight_in_a_step_leaves_the_attempt_open(desk: Desk) -> None:
    """PRODUCT section 10: 4, the node may have changed; the intent stands until `recover`."""
    desk.offer("4.4.16")
    desk.handler = Broken(desk, NodeDownError("emqx@h1", fact="nothing listens"))

    with pytest.raises(OutOfSightError) as caught:
        desk.change(Verb.UPGRADE, "4.4.16")

    assert caught.value.code == 4
    assert "release-ledger recover" in caught.value.hint
    assert desk.names == ["operation_requested", "unpacked"]
    assert desk.node.open_attempt is not None


@pytest.mark.parametrize(
    ("call", "told"),
    [("install_release", "release_handler:install_release of 4.4.16 failed"), ("restart", "restart of 4.4.16 failed")],
)
def test_only_what_otp_did_is_said_to_be_its_call(call: str, told: str) -> None:
    """A restart is that of `bin/emqx`; who looks for a function of that name finds none."""
    assert str(StepFailedError(call, "4.4.16", "enoent")) == told
