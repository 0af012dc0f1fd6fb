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


def test_a_key_that_cannot_be_read_is_said(lab: Lab) -> None:
    (lab.ledger / "log.vkey").write_text("nonsense\n")

    answer = lab.run("key", "list")

    assert answer.code == 1
    assert "hint: " in answer.err
    assert "log.vkey" in answer.err
