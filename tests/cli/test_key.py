"""The key by which others verify."""

import jsonschema

from ledger.tlog.vkey import Vkey
from tests.cli.lab import Lab
from tests.cli.schemas import schema_of


def test_key_list_prints_the_vkey(lab: Lab) -> None:
    """PRODUCT 4: `key …`: the vkey is what an auditor needs."""
    answer = lab.run("key", "list")

    assert answer.code == 0
    assert str(Vkey.parse(answer.out.strip())) == answer.out.strip()
    found = lab.run("key", "list", "--json").json
    jsonschema.validate(found, schema_of("keys"))
    assert found["log"] == [answer.out.strip()]


def test_a_lost_vkey_is_written_again_by_init(lab: Lab) -> None:
    """It follows from the key; until then `verify` is undecided, and says what helps."""
    vkey = lab.ledger / "log.vkey"
    before = vkey.read_bytes()
    vkey.unlink()
    lost = lab.run("verify")

    lab.init()

    assert lost.code == 3
    assert "`release-ledger init` writes it again" in lost.err
    assert vkey.read_bytes() == before
    assert lab.run("verify").code == 0


def test_a_lost_signing_key_stops_changes_and_says_what_is_left(lab: Lab) -> None:
    (lab.ledger / "log.key").unlink()

    change, check = lab.run("upgrade", "4.4.16"), lab.run("check")

    assert change.code == 1
    assert "without it nothing is recorded" in change.err
    assert "docs/backup.md" in change.err
    assert "or put its key back" in check.out
    assert lab.run("verify").code == 0


def test_a_key_that_cannot_be_read_is_said(lab: Lab) -> None:
    (lab.ledger / "log.vkey").write_text("nonsense\n")

    answer = lab.run("key", "list")

    assert answer.code == 1
    assert "hint: " in answer.err
    assert "log.vkey" in answer.err
