"""Settings of the whole suite: the same on every machine.

Examples of a property have no deadline, and drawing them none either: two workers share the machine
with whatever else runs.
In CI they are derandomised, so that a red run is red again. The caller's ledger, settings and kind
of terminal do not get in.

Which lines of the domain run is not measured in the rooms that are there for disks, nodes, servers and
browsers: it takes as long as the lines do, and the others must meet all of them.
"""

import os
import signal
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from tests.tracing import untraced

# How long it takes to draw examples says how busy the machine is.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

_OWN = "RELEASE_LEDGER_ALL_FAULTS"  # asks the suite itself for more
for name in [name for name in os.environ if name.startswith(("RELEASE_LEDGER", "EMQX_")) or name == "NO_COLOR"]:
    if name != _OWN:
        del os.environ[name]
os.environ["TERM"] = "xterm"

# What a shell starts in the background ignores an interrupt, and so would each command that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_UNMEASURED = frozenset(
    {"adapters", "anchors", "conformance", "demo", "evidence_export", "faults", "lab", "postgres", "report"}
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run a test, with its fixtures; in some rooms nothing looks on."""
    if item.path.parent.name not in _UNMEASURED:
        return (yield)
    with untraced():
        return (yield)
