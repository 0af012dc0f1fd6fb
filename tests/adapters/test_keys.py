"""The signing key and its file."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.adapters.keys import (
    KeyAccessError,
    KeyFormatError,
    KeyLostError,
    KeyModeError,
    LogKey,
    create_key,
    read_key,
)
from ledger.errors import LedgerError
from ledger.tlog.checkpoint import OriginError
from ledger.tlog.vkey import Vkey

ORIGIN = "broker1.example.com/release-ledger/0badcafe"
SEED = bytes(range(32))


def test_a_key_signs_as_rfc_8032_says() -> None:
    """RFC 8032, section 7.1, test 1: the empty message."""
    key = LogKey(ORIGIN, bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))

    assert key.public_key.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert key.sign(b"").hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b"
    )


def test_a_key_that_was_made_is_read_back(tmp_path: Path) -> None:
    made = create_key(tmp_path / "log.key", origin=ORIGIN, seed=SEED)

    assert read_key(tmp_path / "log.key") == made == LogKey(ORIGIN, SEED)


def test_the_file_has_the_form_of_go_and_is_for_its_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        create_key(tmp_path / "log.key", origin=ORIGIN, seed=SEED)
    finally:
        os.umask(before)

    text = (tmp_path / "log.key").read_text()
    assert text == f"PRIVATE+KEY+{ORIGIN}+9daaa24d+AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"
    assert stat.S_IMODE((tmp_path / "log.key").stat().st_mode) == 0o600


def test_the_vkey_is_what_an_auditor_reads(tmp_path: Path) -> None:
    """evidence.md 3.2."""
    key = create_key(tmp_path / "log.key", origin=ORIGIN, seed=SEED)

    assert Vkey.parse(str(key.vkey)) == key.vkey
    assert key.vkey.public_key == key.public_key
    assert key.vkey.name == key.name == ORIGIN
    assert key.key_id == key.vkey.key_id


def test_the_seed_is_in_no_text(tmp_path: Path) -> None:
    """PRODUCT section 6: secrets never reach a log or an error."""
    key = create_key(tmp_path / "log.key", origin=ORIGIN, seed=SEED)

    assert "seed" not in repr(key)
    assert SEED.hex() not in repr(vars(key).get("origin"))


def test_an_existing_key_is_never_replaced(tmp_path: Path) -> None:
    create_key(tmp_path / "log.key", origin=ORIGIN, seed=SEED)

    with pytest.raises(KeyAccessError):
        create_key(tmp_path / "log.key", origin=ORIGIN, seed=bytes(32))

    assert read_key(tmp_path / "log.key").seed == SEED


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644])
def test_a_key_that_is_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    create_key(tmp_path / "log.key", origin=ORIGIN, seed=SEED)
    (tmp_path / "log.key").chmod(mode)

    with pytest.raises(KeyModeError) as caught:
        read_key(tmp_path / "log.key")

    assert f"{mode:04o}" in caught.value.fact
    assert "chmod 600" in caught.value.hint


def test_a_missing_key_and_a_link_are_refused(tmp_path: Path) -> None:
    create_key(tmp_path / "log.key", origin=ORIGIN, seed=SEED)
    (tmp_path / "link").symlink_to(tmp_path / "log.key")

    with pytest.raises(KeyLostError):
        read_key(tmp_path / "none")
    with pytest.raises(KeyAccessError):
        read_key(tmp_path / "link")


@pytest.mark.parametrize("origin", ["", "host", "Host/x", "host/ x", "host/+", "host/", "h" * 250 + "/ledger"])
def test_a_name_that_is_no_origin_is_refused(tmp_path: Path, origin: str) -> None:
    """evidence.md 3.3."""
    with pytest.raises(OriginError):
        create_key(tmp_path / "log.key", origin=origin, seed=SEED)

    assert list(tmp_path.iterdir()) == []


@given(st.data())
def test_a_changed_byte_of_a_key_file_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("key") / "log.key"
    create_key(path, origin=ORIGIN, seed=SEED)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)

    with pytest.raises(KeyFormatError):
        read_key(path)


@given(st.binary(max_size=120))
def test_arbitrary_bytes_are_no_key(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("key") / "log.key"
    path.touch(mode=0o600)
    path.write_bytes(content)

    with pytest.raises(LedgerError):
        read_key(path)
