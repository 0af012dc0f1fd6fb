"""Where a setting comes from: flag, environment, the ledger's file, the host's, default (PRODUCT section 11)."""

from pathlib import Path

import pytest

from cli.config import (
    LedgerAddressError,
    NoHomeError,
    SettingError,
    Settings,
    read_settings,
    state_folder,
)
from cli.errors import FileAccessError


class Host:
    """The places that settings come from."""

    def __init__(self, folder: Path) -> None:
        self.etc, self.ledger, self.shared = folder / "etc", folder / "ledger", folder / "shared"
        for place in (self.etc, self.ledger):
            place.mkdir()
        self.environ = {"HOME": str(folder / "home")}

    def settings(self, *, ledger: str | None = None, node: str | None = None) -> Settings:
        """Return the settings in force."""
        return read_settings(
            ledger=ledger, node=node, environ=self.environ, host_folder=self.etc, host_ledger=self.shared
        )


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_a_host_goes_on_alone_only_where_its_settings_say_so(host: Host) -> None:
    """Issue 9, item 6: by policy; the ledger's own settings on a host beat those of the whole host."""
    host.environ["RELEASE_LEDGER"] = str(host.ledger)

    assert host.settings().offline.value == "refuse"
    (host.etc / "config.toml").write_text('[fleet]\noffline = "spool"\n')
    assert host.settings().offline == ("spool", str(host.etc / "config.toml"))
    (host.ledger / "config.toml").write_text('[policy]\nholders = 0\n[fleet]\noffline = "refuse"\n')
    assert host.settings().offline == ("refuse", str(host.ledger / "config.toml"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[fleet]\noffline = "spol"', "unknown value of `offline` 'spol'"),
        ("[fleet]\noffline = true", "is not a text"),
        ('[fleet]\nofline = "spool"', "unknown setting"),
        ('offline = "spool"', "unknown setting"),
        ("fleet = 1", "is no table"),
    ],
)
def test_a_policy_for_being_offline_that_is_misspelt_is_refused(host: Host, text: str, told: str) -> None:
    (host.etc / "config.toml").write_text(text)

    with pytest.raises(SettingError) as caught:
        host.settings()

    assert told in str(caught.value)


def test_a_flag_beats_the_environment_which_beats_both_files(host: Host) -> None:
    places = [host.etc / "config.toml", host.ledger / "config.toml"]
    seen = []
    host.environ["RELEASE_LEDGER"] = str(host.ledger)

    for step in range(5):
        if step in {1, 2}:
            places[step - 1].write_text(f'node = "emqx@file{step}"')
        if step == 3:
            host.environ["RELEASE_LEDGER_NODE"] = "emqx@variable"
        seen.append(host.settings(node="emqx@flag" if step == 4 else None).node)

    assert [setting.value for setting in seen] == [None, "emqx@file1", "emqx@file2", "emqx@variable", "emqx@flag"]
    assert [setting.source for setting in seen] == [
        "default",
        str(places[0]),
        str(places[1]),
        "RELEASE_LEDGER_NODE",
        "--node",
    ]


def test_an_empty_variable_is_not_set(host: Host) -> None:
    host.environ |= {"RELEASE_LEDGER": str(host.ledger), "RELEASE_LEDGER_DRIVER": "", "RELEASE_LEDGER_NODE": ""}

    settings = host.settings()

    assert (settings.driver.value, settings.node.value) == ("auto", None)


def test_the_hosts_file_says_where_the_ledger_is(host: Host) -> None:
    """RULINGS 8."""
    (host.etc / "config.toml").write_text(f'ledger = "{host.ledger}"')

    assert host.settings().ledger.value == host.ledger
    assert host.settings(ledger="/elsewhere").ledger.value == Path("/elsewhere")


def test_a_policy_of_the_host_holds_for_every_ledger(host: Host) -> None:
    host.environ["RELEASE_LEDGER"] = str(host.ledger)
    (host.etc / "config.toml").write_text("[policy]\nrequire_ticket = true")

    assert host.settings().require_ticket.value is True
    assert host.settings().require_reason.value is False


def test_a_relative_ledger_is_below_the_working_folder(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(host.ledger)

    assert host.settings(ledger="mine").ledger.value == host.ledger / "mine"


def test_a_file_that_cannot_be_read_is_an_error(host: Host) -> None:
    (host.etc / "config.toml").mkdir()

    with pytest.raises(FileAccessError):
        host.settings(ledger=str(host.ledger))


def test_the_hosts_ledger_is_taken_where_it_is(host: Host) -> None:
    host.shared.mkdir()

    assert host.settings().ledger.value == host.shared


def test_a_user_without_the_hosts_ledger_has_one_of_their_own(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    own, root = host.settings().ledger.value, None
    monkeypatch.setattr("os.geteuid", lambda: 0)
    root = host.settings().ledger.value

    assert own == Path(host.environ["HOME"]) / ".local/state/release-ledger"
    assert root == host.shared


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"HOME": "/home/a"}, "/home/a/.local/state/release-ledger"),
        ({"HOME": "/home/a", "XDG_STATE_HOME": "/state"}, "/state/release-ledger"),
        ({"HOME": "/home/a", "XDG_STATE_HOME": "state"}, "/home/a/.local/state/release-ledger"),
    ],
)
def test_the_state_folder_is_that_of_the_specification(environ: dict[str, str], folder: str) -> None:
    """XDG Base Directory Specification."""
    assert state_folder(environ) == Path(folder)


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}, {"HOME": "~"}])
def test_without_a_home_there_is_no_state_folder(environ: dict[str, str]) -> None:
    with pytest.raises(NoHomeError):
        state_folder(environ)


def test_an_address_of_a_server_is_refused_without_its_secrets(host: Host) -> None:
    with pytest.raises(LedgerAddressError) as caught:
        host.settings(ledger="mysql://user:secret@db/ledger")

    assert "secret" not in f"{caught.value}{caught.value.fact}{caught.value.hint}"


def test_no_file_gives_a_reason(host: Host) -> None:
    """PRODUCT section 6: why is never inherited."""
    (host.ledger / "config.toml").write_text('reason = "always the same"')

    with pytest.raises(SettingError) as caught:
        host.settings(ledger=str(host.ledger))

    assert "unknown setting 'reason'" in str(caught.value)


def test_the_root_is_that_of_the_environment_else_of_a_file(host: Host) -> None:
    (host.ledger / "config.toml").write_text('root = "/opt/emqx"')

    from_file = host.settings(ledger=str(host.ledger)).root
    host.environ["EMQX_ROOT_DIR"] = "/srv/emqx"
    from_variable = host.settings(ledger=str(host.ledger)).root

    assert (from_file.value, from_variable.value) == (Path("/opt/emqx"), Path("/srv/emqx"))
    assert from_variable.source == "EMQX_ROOT_DIR"


def test_a_driver_that_is_none_is_refused(host: Host) -> None:
    host.environ["RELEASE_LEDGER_DRIVER"] = "telnet"

    with pytest.raises(SettingError) as caught:
        host.settings(ledger=str(host.ledger))

    assert "RELEASE_LEDGER_DRIVER" in str(caught.value)


def test_the_hosts_file_names_the_ledger_absolutely(host: Host) -> None:
    """Else it would depend on the folder in which a command runs."""
    (host.etc / "config.toml").write_text('ledger = "ledger"')

    with pytest.raises(SettingError):
        host.settings()


def test_a_user_without_a_home_reads_a_ledger_that_is_named_by_its_address(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service has none, as one that follows; it was told that no ledger was named."""
    monkeypatch.setattr("os.geteuid", lambda: 4711)
    host.environ = {"RELEASE_LEDGER": "postgresql://follower@db.example.org/emqx_fleet"}

    found = host.settings()

    assert (found.ledger.value / "base").read_text() == f"{host.shared}\n"
