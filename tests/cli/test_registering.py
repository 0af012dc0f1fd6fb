"""``init`` and ``register``: what is made, what is said, and what is never made twice."""

import shutil
import stat
from pathlib import Path

import pytest

from cli import bootstrap, drivers, ledger_place
from ledger.adapters.embedded_node import EmbeddedNode
from ledger.application.registration import Claim, register
from ledger.domain.records import Driver, InstallationFacts
from tests.cli.lab import STATED, Lab
from tests.cli.test_bad_input import is_told
from tests.cli.test_reading import events_of


class NodeLike(EmbeddedNode):
    """An embedded node that passes for a real one, as long as no driver for real ones is here."""

    @property
    def driver(self) -> Driver:
        return Driver.NODE


@pytest.fixture
def live(bare: Lab) -> Lab:
    """Return a host whose installation is registered as live."""
    bare.offer("4.4.1")
    ledger_place.make_ledger(bare.ledger, origin=None, tip_guard=None)
    with bootstrap.open_record(bare.ledger) as (record, identity):
        register(
            Claim(stream="release:emqx@h1", root=str(bare.root), facts=InstallationFacts()),
            record=record,
            handler=NodeLike(bare.root, boot_id=boot_id(), now=lambda: "2026-11-24T12:00:00.000000Z"),
            lock=drivers.installation_lock(bare.root),
            contexts=bootstrap.contexts_of(identity, node="emqx@h1", reason=None, ticket=None),
        )
    return bare


def boot_id() -> str:
    """Return the id of this boot of the host."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_init_says_what_it_made_and_where(bare: Lab) -> None:
    answer = bare.init("--node", "emqx@10.0.0.7", "--name", "h1.example/release-ledger/lab")

    assert (answer.code, answer.err) == (0, "")
    lines = dict(line.split(": ", 1) for line in answer.out.splitlines())
    assert lines["Ledger"] == f"{bare.ledger} (made)"
    assert lines["Origin"] == "h1.example/release-ledger/lab"
    assert lines["Installation"] == str(bare.root)
    assert lines["Node"] == "emqx@10.0.0.7, a rehearsal (event 0)"
    assert lines["Public key"] == (bare.ledger / "log.vkey").read_text().strip()
    assert (lines["OTP"], lines["Architecture"]) == ("24.1.5-3", "amd64")
    assert "--edition ce|ee" in lines["Edition"]
    assert "--os ubuntu20.04" in lines["OS"]


def test_the_files_of_a_new_ledger_are_closed_to_others(bare: Lab) -> None:
    bare.init()

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (bare.ledger, *bare.ledger.iterdir())}

    assert modes["ledger"] == 0o700
    assert {modes[name] for name in ("ledger.db", "views.db", "log.key", "config.toml")} == {0o600}


def test_the_installation_names_its_ledger(bare: Lab) -> None:
    """RULINGS 8."""
    bare.init()

    assert (bare.root / "releases/.release-ledger").read_text() == f"{bare.ledger}\n"
    assert (bare.root / "releases/.release-ledger.lock").exists()


def test_another_ledger_is_warned_of(bare: Lab) -> None:
    bare.init()

    answer = bare.having(RELEASE_LEDGER=str(bare.folder / "second")).init()

    assert answer.code == 0
    assert f"warning: this installation named another ledger before: {bare.ledger}\n" == answer.err


def test_init_twice_changes_nothing(bare: Lab) -> None:
    bare.init()
    (bare.ledger / "config.toml").write_text("[policy]\nrequire_reason = false\n")
    before = {path.name: path.read_bytes() for path in bare.ledger.iterdir()}

    again = bare.init()

    after = {path.name: path.read_bytes() for path in bare.ledger.iterdir()}
    assert (again.code, again.err) == (0, "")
    assert "(there already)" in again.out
    assert "(registered already)" in again.out
    assert {name: after[name] for name in ("ledger.db", "log.key", "log.vkey", "config.toml")} == {
        name: before[name] for name in ("ledger.db", "log.key", "log.vkey", "config.toml")
    }


def test_init_finds_the_root_in_the_environment(bare: Lab) -> None:
    """PRODUCT section 11."""
    answer = bare.having(EMQX_ROOT_DIR=str(bare.root)).run("init")

    assert answer.code == 0


def test_a_root_behind_a_link_is_registered_by_its_real_path(bare: Lab) -> None:
    (bare.folder / "link").symlink_to(bare.root)

    answer = bare.run("init", "--root", str(bare.folder / "link"), *STATED)

    assert f"Installation: {bare.root}\n" in answer.out


def test_a_ledger_keeps_its_origin(bare: Lab) -> None:
    bare.init("--name", "h1/first")

    answer = bare.init("--name", "h1/second")

    assert is_told(answer)
    assert "h1/first" in answer.err


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\nb", "x" * 500])
def test_an_origin_that_is_none_is_refused(bare: Lab, origin: str) -> None:
    answer = bare.init("--name", origin)

    assert is_told(answer) or (origin == "" and answer.code == 0)


def test_a_folder_of_something_else_is_not_taken(bare: Lab) -> None:
    bare.ledger.mkdir()
    (bare.ledger / "letters.txt").write_text("private")

    answer = bare.init()

    assert is_told(answer)
    assert "letters.txt" in answer.err


def test_register_needs_a_ledger(bare: Lab) -> None:
    answer = bare.run("register", "--root", str(bare.root))

    assert is_told(answer)
    assert "release-ledger init" in answer.err
    assert not bare.ledger.exists()


def test_a_live_node_that_is_down_is_said_so(live: Lab) -> None:
    for verb in (("upgrade", "4.4.1"), ("restart",), ("recover",)):
        answer = live.having(RELEASE_LEDGER_DRIVER="").run(*verb)

        assert (answer.code, answer.out) == (1, "Node is not running!\n")
        assert "start the node" in answer.err
        assert "--driver embedded" in answer.err
    assert len(events_of(live)) == 1


def test_a_live_node_is_listed_while_it_is_down(live: Lab) -> None:
    """RULINGS 24."""
    assert live.having(RELEASE_LEDGER_DRIVER="").run("versions").out == "Installed versions:\n* 4.4.0\tpermanent\n"


def test_a_live_installation_is_not_changed_by_a_rehearsal(live: Lab) -> None:
    """RULINGS 2."""
    refused = live.run("upgrade", "4.4.1")
    without_reason = live.run("upgrade", "4.4.1", "--allow", "offline")
    allowed = live.run("upgrade", "4.4.1", "--allow", "offline", "--reason", "image building")

    assert (refused.code, refused.out, without_reason.code, allowed.code) == (2, "", 1, 0)
    assert "registered as live" in refused.err
    assert {event["data"]["driver"] for event in events_of(live)[:-1]} == {"embedded"}  # type: ignore[index] # an object


def test_a_rehearsal_of_a_live_installation_has_a_stream_of_its_own(live: Lab) -> None:
    """RULINGS 2."""
    live.init("--node", "emqx@h1")

    table = live.run("versions").out.splitlines()

    assert table[1:] == ["* 4.4.0\tpermanent\temqx@h1", "* 4.4.0\tpermanent\temqx@h1 (rehearsal)"]
    ambiguous = live.run("root_dir", "--node", "emqx@h1")
    assert "release:emqx@h1:rehearsal:" in ambiguous.err
    assert live.run("root_dir", "--node", "release:emqx@h1").code == 0


def test_a_live_installation_is_recovered_offline_where_that_is_allowed(live: Lab) -> None:
    refused = live.run("recover")
    without_reason = live.run("recover", "--allow", "offline")
    allowed = live.run("recover", "--allow", "offline", "--reason", "image building")

    assert (refused.code, without_reason.code, allowed.code) == (2, 1, 0)


@pytest.mark.parametrize("name", ["two\nlines", "a\tb", "\x1b[2J", "\u202ereversed", "no\udcfftext"])
def test_a_root_that_cannot_be_recorded_is_refused_and_nothing_stays(bare: Lab, name: str) -> None:
    """RULINGS 17: a refusal leaves the root unchanged; evidence.md 1.1 says what a record takes."""
    root = bare.folder / name
    shutil.copytree(bare.root, root)
    before = sorted(bare.folder.rglob("*"))

    answer = bare.run("init", "--root", str(root), *STATED)

    assert answer.code == 1
    assert "the path of the root cannot be recorded" in answer.err
    assert sorted(bare.folder.rglob("*")) == before


@pytest.mark.parametrize("option", ["--reason", "--ticket"])
def test_a_reason_that_cannot_be_recorded_is_refused_before_a_ledger_is_made(bare: Lab, option: str) -> None:
    before = sorted(bare.folder.rglob("*"))

    answer = bare.init(*STATED, option, "two\nlines")

    assert answer.code == 1
    assert sorted(bare.folder.rglob("*")) == before


def test_of_several_who_register_at_once_one_does_and_all_succeed(bare: Lab) -> None:
    """Two operators, or a tool that repeats itself: running it twice changes nothing, at the same moment too."""
    started = [bare.start("init", "--root", str(bare.root)) for _ in range(4)]

    ended = [(process.communicate(timeout=300), process.returncode) for process in started]

    assert [code for _, code in ended] == [0] * 4, ended
    assert sum(b"(made)" in out for (out, _), _ in ended) == 1
    assert len(bare.run("log", "--oneline").out.splitlines()) == 1
