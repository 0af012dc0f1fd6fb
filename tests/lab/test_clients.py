"""What a running broker is for: its clients stay connected, its state and settings survive."""

import pytest

from ledger.adapters.erlang_terms import Atom, Term
from tests.lab.node import LabBench
from tests.lab.releases import BANNER, PASSWORD

pytestmark = pytest.mark.erlang

_SETTINGS = """\
B = fun unicode:characters_to_binary/1,
{ok, P} = application:get_env(emqx, lab_password), {ok, T} = application:get_env(emqx, banner), {B(P), B(T)}"""


def test_a_client_stays_connected_through_trial_upgrade_and_downgrade(bench: LabBench) -> None:
    with bench.node.client() as client:
        answers = [client.ask()]
        bench.install("4.4.1")
        answers.append(client.ask())
        bench.handler.install_release("4.4.0")
        answers.append(client.ask())
        bench.upgrade("4.4.16")
        answers.append(client.ask())
        bench.handler.install_release("4.4.0")
        bench.handler.make_permanent("4.4.0")
        answers.append(client.ask())
        bench.handler.remove_release("4.4.16")
        status = ask(bench, "gen_server:call(emqx_lab, status)")

    assert answers == [(1, "4.4.0"), (2, "4.4.1"), (3, "4.4.0"), (4, "4.4.16"), (5, "4.4.0")]
    # The count went on, no client was lost, and code_change/3 ran four times.
    assert status == ("4.4.0", 5, 0, 4)


def test_an_install_names_the_settings_that_it_changed_and_keeps_the_others(bench: LabBench) -> None:
    """native-driver.md section 10: one setting with a character above 127 must not cost all of them."""
    bench.unpack("4.4.1")

    installed = bench.handler.install_release("4.4.1")

    assert installed.settings == ("emqx/since_4.4.1 added",)
    assert ask(bench, _SETTINGS) == (PASSWORD.encode(), BANNER.encode())


def test_arguments_and_settings_are_written_for_the_node_alone(bench: LabBench) -> None:
    """native-driver.md section 10: they hold the cookie and passwords."""
    bench.install("4.4.1")

    written = {name: bench.root / "releases/4.4.1" / name for name in ("vm.args", "sys.config")}
    assert {path.stat().st_mode & 0o777 for path in written.values()} == {0o640}
    newest = bench.files.newest_vm_args()
    assert newest is not None
    assert written["vm.args"].read_bytes() == newest.read_bytes()
    assert BANNER in written["sys.config"].read_text(encoding="utf-8")
    assert not list(bench.root.glob("releases/*/.*.ledger-tmp"))


def test_a_refused_install_writes_neither(bench: LabBench) -> None:
    """native-driver.md section 4: natively they are written after the check."""
    bench.unpack("4.4.17")

    with pytest.raises(Exception, match="check_install_release"):
        bench.handler.install_release("4.4.17")

    assert not (bench.root / "releases/4.4.17/sys.config").exists()


def ask(bench: LabBench, expression: str) -> Term:
    """Return what the node answers."""
    answer = bench.node.connection().call(expression, seconds=5)
    assert answer != Atom("error")
    return answer
