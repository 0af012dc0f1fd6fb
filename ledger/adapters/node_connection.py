"""A connection to the node of one installation, and what its silence means (native-driver.md 2, 8).

``erl_call`` fails with one text for a node that is down, for a refused cookie and for a node in
shutdown. A plain TCP connect and the processes under the root tell them apart:

* refused, and no program runs from the root but epmd, which outlives its nodes: down;
* refused, and one does: restarting; it is asked again until *patience* ends;
* accepted, and the call fails at once, again and again: the cookie is refused;
* accepted, and no reply comes: hung. Nothing is started then.

A release command of EMQX at work is nobody's to interrupt. Before this command has done anything it
is waited for as long as the operator says, later as long as for a node that restarts.
"""

import time
from collections.abc import Callable
from pathlib import Path

from ledger.adapters.erl_call import CallFailedError, CallFault, ErlCall, ErlCallMissingError, RaisedError
from ledger.adapters.erlang_terms import Term
from ledger.adapters.installation import Installation
from ledger.adapters.node_place import (
    CookieMissingError,
    DistributionError,
    NoErlCallError,
    find_address,
    find_cookie,
    find_program,
    find_runner,
    listens,
    refuse_other_distributions,
)
from ledger.adapters.node_recipes import OBSERVE
from ledger.adapters.node_view import NodeView, view_of
from ledger.adapters.running import running_under
from ledger.adapters.script_at_work import ScriptAtWorkError, scripts_at_work
from ledger.application.ports import NodeDownError, NodeUnusableError
from ledger.errors import LedgerError, LockedError

LOOK_SECONDS = 5
PATIENCE = 60.0
_MOMENT = 0.25
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_MOST_REFUSALS = 6
_TELL_SECONDS = 1.0
_OUTLIVES = frozenset({"epmd"})


class CookieRefusedError(NodeUnusableError):
    """The node listens and does not take the cookie."""

    def __init__(self, node: str, source: Path) -> None:
        super().__init__(
            f"node {node} refuses the cookie",
            fact=f"it listens, and the cookie comes from {source}",
            hint="the node was started with another cookie or by another installation; look at how it was started",
        )
        self.node, self.source = node, source


class NodeHungError(NodeUnusableError):
    """The node accepts connections and does not reply."""

    def __init__(self, node: str, pids: tuple[int, ...]) -> None:
        word = "process is" if len(pids) == 1 else "processes are"
        who = f"; its {word} {', '.join(map(str, pids))}" if pids else ""
        super().__init__(
            f"node {node} does not reply",
            fact=f"it accepts connections, and no reply came within {LOOK_SECONDS} seconds{who}",
            hint="look at the process and its load; nothing was started",
        )
        self.node, self.pids = node, pids


class NodeRestartingError(NodeUnusableError):
    """The node starts or stops, and was not up when patience ended."""

    def __init__(self, node: str, *, state: str, seconds: float) -> None:
        super().__init__(
            f"node {node} is not up",
            fact=f"it is {state}, for more than {seconds:.0f} seconds",
            hint="wait until it is up, then run the command again",
        )
        self.node = node


class NodeBusyError(LockedError):
    """Somebody else's command, or one that was killed, is still at work in the node."""

    def __init__(self, node: str, *, seconds: float) -> None:
        super().__init__(
            f"the release handler of {node} is at work",
            fact=f"it has been so for more than {seconds:.0f} seconds; a command that was killed goes on in the node",
            hint="run the command again when it is done",
        )
        self.node = node


class ForeignNodeError(NodeUnusableError):
    """The node that answers runs from another installation."""

    def __init__(self, node: str, root: str, ours: Path) -> None:
        super().__init__(
            f"the node that answers as {node} runs from another installation",
            fact=f"its root is {root}, not {ours}",
            hint="stop that node, or give the nodes of this host names with different numbers",
        )
        self.node, self.root = node, root


class NodeConnection:
    """Calls to the node of *files*.

    Both in seconds: *wait* for a release command of EMQX before anything is done, and *patience* for
    whatever else takes its time, which is no less. *tell* hears once what is waited for.
    """

    def __init__(
        self,
        files: Installation,
        *,
        patience: float = PATIENCE,
        wait: float = 0.0,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._files = files
        self._patience = max(patience, wait)
        self._wait_for_scripts = wait
        self._tell = tell
        self._last: tuple[float, NodeView] | None = None

    @property
    def name(self) -> str:
        """The name of the node by its files."""
        return self._files.node_name_on_disk() or "emqx@127.0.0.1"

    def call(self, expression: str, *, seconds: int, waiting: Callable[[], None] | None = None) -> Term:
        """Return what *expression* returns.

        Raises: CallFailedError; RaisedError; ExpressionError; CookieMissingError; DistributionError; NoErlCallError.
        """
        self._last = None
        refuse_other_distributions(self._files)
        program, runner = find_program(self._files), find_runner(self._files)
        erl_call = ErlCall(program, address=find_address(self.name), cookie=find_cookie(self._files), runner=runner)
        return erl_call.call(expression, seconds=seconds, waiting=waiting)

    def look(self) -> NodeView:
        """Return one look at the node, whatever it does.

        Raises: CallFailedError; CookieMissingError; NoErlCallError; ForeignNodeError.
        """
        view = view_of(self.call(OBSERVE, seconds=LOOK_SECONDS))
        if Path(view.root).resolve() != self._files.root:
            raise ForeignNodeError(view.node, view.root, self._files.root)
        return view

    def look_of_now(self) -> NodeView:
        """Return the last look when idle, where it was just made and nothing was called since, else a new one.

        Raises: what `look_when_idle` raises.
        """
        if self._last is not None and time.monotonic() - self._last[0] <= _MOMENT:
            return self._last[1]
        return self.look_when_idle()

    def look_when_idle(self) -> NodeView:
        """Return a look at the node while it is up and nobody is at work on its releases.

        Raises: NodeDownError, CookieRefusedError, NodeHungError; NodeRestartingError, NodeBusyError and
        ScriptAtWorkError when patience ends; what `look` raises otherwise.
        """
        begun, pause, refusals, told = time.monotonic(), _FIRST_PAUSE, 0, False
        pids: tuple[int, ...] = ()
        while True:
            state = ""
            try:
                view = self.look()
                if view.is_up and view.releases is not None and not (pids := scripts_at_work(self._files.root)):
                    self._wait_for_scripts = self._patience  # what follows is on the way of this command
                    self._last = (time.monotonic(), view)
                    return view
                state = "starting or stopping" if not view.is_up else _BUSY if view.releases is None else _SCRIPT
            except RaisedError:
                state = "starting or stopping"
            except (CookieMissingError, DistributionError, NoErlCallError, ErlCallMissingError) as exc:
                # A node that is down needs none of them.
                self._refuse_down(exc)
                raise
            except CallFailedError as exc:
                state = self._silence(exc)
            refusals = refusals + 1 if state == _REFUSES else 0
            if refusals >= _MOST_REFUSALS:
                raise CookieRefusedError(self.name, find_cookie(self._files).source)
            self._wait(begun, pause, state, pids)
            if not told and time.monotonic() - begun > _TELL_SECONDS:
                self._tell(f"waiting for {self.name}, which is {state}; for {self._limit(state):.0f} seconds at most")
                told = True
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _silence(self, exc: CallFailedError) -> str:
        """Return what a call without a reply means, where asking again can help.

        Raises: NodeDownError; NodeHungError.
        """
        if exc.fault is CallFault.TIMED_OUT:
            raise NodeHungError(self.name, running_under(self._files.root, beside=_OUTLIVES)) from exc
        self._refuse_down(exc)
        refuses = exc.fault is CallFault.UNREACHED and listens(find_address(self.name))
        return _REFUSES if refuses else "starting or stopping"

    def _refuse_down(self, cause: LedgerError) -> None:
        """Raise NodeDownError where nothing listens and no program runs from the root."""
        address = find_address(self.name)
        if not listens(address) and not running_under(self._files.root, beside=_OUTLIVES):
            raise NodeDownError(self.name, fact=f"nothing listens at {address}") from cause

    def _wait(self, begun: float, pause: float, state: str, pids: tuple[int, ...]) -> None:
        limit = self._limit(state)
        if time.monotonic() - begun + pause > limit:
            if state == _SCRIPT:
                raise ScriptAtWorkError(pids)
            if state == _BUSY:
                raise NodeBusyError(self.name, seconds=limit)
            raise NodeRestartingError(self.name, state=state, seconds=limit)
        time.sleep(pause)

    def _limit(self, state: str) -> float:
        return self._wait_for_scripts if state == _SCRIPT else self._patience


_REFUSES, _BUSY, _SCRIPT = "refusing the connection", "busy", "changed by a script"
