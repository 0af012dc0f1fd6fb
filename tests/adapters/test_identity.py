"""Who and where from (RULINGS 4, 5; evidence.md 1.5)."""

import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest

from ledger.adapters.identity import Surroundings, commit_to, identify, look_around, new_id
from ledger.domain.canonical import canonical_json, parse_canonical

ALICE = Surroundings(
    login_uid=1000,
    effective_uid=0,
    login_name="alice",
    terminal="/dev/pts/3",
    address="192.0.2.7",
    machine="0123456789abcdef0123456789abcdef",
)
TOOL = "release-ledger/0.1.0"


def test_the_actor_is_the_login_behind_sudo() -> None:
    identity = identify(ALICE, tool=TOOL)

    assert (identity.actor.id, identity.actor.login_uid) == ("os:1000", 1000)
    assert (identity.actor.kind, identity.actor.auth) == ("human", "os")


def test_without_a_login_the_actor_is_the_effective_user() -> None:
    identity = identify(replace(ALICE, login_uid=None, effective_uid=33), tool=TOOL)

    assert (identity.actor.id, identity.actor.login_uid) == ("os:33", None)
    assert identity.actor.kind == "human"


def test_a_process_without_login_and_terminal_is_a_service() -> None:
    assert identify(replace(ALICE, login_uid=None, terminal=None), tool=TOOL).actor.kind == "service"


def test_personal_fields_are_salted_commitments() -> None:
    """evidence.md 1.5: hex of H(salt || JCS(value)), 32 random bytes of salt."""
    identity = identify(ALICE, tool=TOOL)

    commits = [identity.actor.name_commit, identity.source.tty_commit, identity.source.address_commit]
    assert [disclosure.commitment for disclosure in identity.disclosures] == commits
    assert [disclosure.value for disclosure in identity.disclosures] == [b'"alice"', b'"/dev/pts/3"', b'"192.0.2.7"']
    for disclosure in identity.disclosures:
        assert len(disclosure.salt) == 32
        assert disclosure.commitment == sha256(disclosure.salt + disclosure.value).hexdigest()


def test_no_personal_value_is_in_the_record() -> None:
    identity = identify(ALICE, tool=TOOL)

    stored = canonical_json({"actor": identity.actor.to_record(), "source": identity.source.to_record()})

    for value in (b"alice", b"pts", b"192.0.2.7", b"0123456789abcdef0123456789abcdef"):
        assert value not in stored
    assert parse_canonical(stored)["source"]["tool"] == TOOL


def test_the_same_value_has_another_commitment_each_time() -> None:
    assert commit_to("alice").commitment != commit_to("alice").commitment


def test_what_is_not_known_is_left_out() -> None:
    identity = identify(replace(ALICE, login_name=None, terminal=None, address=None), tool=TOOL)

    assert identity.disclosures == ()
    assert set(identity.actor.to_record()) == {"id", "kind", "auth", "login_uid"}
    assert set(identity.source.to_record()) == {"host_id", "tool"}


def test_a_host_is_known_by_its_machine_id_without_telling_it() -> None:
    """RULINGS 4: sha256 of ``release-ledger`` and machine-id."""
    expected = sha256(b"release-ledger\n0123456789abcdef0123456789abcdef").hexdigest()

    assert identify(ALICE, tool=TOOL).source.host_id == expected


def test_a_hostile_name_can_be_recorded() -> None:
    identity = identify(replace(ALICE, login_name="al\x1b[2Jice\n\u202e"), tool=TOOL)

    assert identity.disclosures[0].value == '"al\ufffd[2Jice\ufffd\ufffd"'.encode()


@pytest.mark.parametrize("content", ["", "4294967295", "-1", "x", "1_0", "٣"])
def test_a_login_uid_that_is_none_is_not_taken(tmp_path: Path, content: str) -> None:
    """proc(5): 4294967295 is "unset"."""
    (tmp_path / "loginuid").write_text(content, "utf-8")

    around = look_around({}, login_uid_file=tmp_path / "loginuid", machine_id_file=tmp_path / "none")

    assert around.login_uid is None
    assert around.effective_uid == os.geteuid()
    assert around.machine == f"host name {os.uname().nodename}"
    assert around.address is None


def test_the_system_is_asked_for_login_name_and_address(tmp_path: Path) -> None:
    (tmp_path / "loginuid").write_text("0")
    (tmp_path / "machine-id").write_text("abc\n")

    around = look_around(
        {"SSH_CONNECTION": "192.0.2.7 50022 192.0.2.1 22"},
        login_uid_file=tmp_path / "loginuid",
        machine_id_file=tmp_path / "machine-id",
    )

    assert (around.login_uid, around.login_name, around.address, around.machine) == (0, "root", "192.0.2.7", "abc")


def test_a_user_without_a_name_has_none(tmp_path: Path) -> None:
    (tmp_path / "loginuid").write_text("4000000000")

    assert look_around({}, login_uid_file=tmp_path / "loginuid").login_name is None


def test_a_new_id_is_a_uuid_of_version_7() -> None:
    """evidence.md 1.1, row "id"."""
    first, second = new_id(), new_id()

    assert UUID(first).version == 7
    assert first != second
