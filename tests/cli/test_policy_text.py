"""Settings of policy read without a reader of TOML say what that reader says."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from cli import ledger_place
from cli.policy_text import policy_in

PIECES = st.sampled_from(
    (
        "[policy]",
        "[other]",
        "require_reason",
        "require_ticket",
        "holders",
        "anchors",
        "node",
        "=",
        " = ",
        "true",
        "false",
    )
) | st.sampled_from(
    (
        "0",
        "2",
        "07",
        "10",
        "[]",
        '["syslog"]',
        '["a", "b"]',
        '["a","b"]',
        '"x"',
        "# note",
        " ",
        "\n",
        "\t",
        "\\",
        ",",
        "é",
    )
)
LINES = st.sampled_from(
    (
        "[policy]",
        "require_reason = true",
        "holders = 2",
        'anchors = ["file:/x", "syslog"]',
        "# note",
        "",
        " holders=0 # n",
    )
)


@given(
    st.one_of(st.lists(PIECES).map("".join), st.lists(st.one_of(LINES, st.lists(PIECES).map("".join))).map("\n".join))
)
def test_what_is_read_is_what_a_reader_of_toml_reads(text: str) -> None:
    policy = policy_in(text)

    if policy is not None:
        record = tomllib.loads(text)
        assert record.pop("policy", {}) == policy
        assert record == {}


def test_what_init_writes_needs_no_reader_of_toml() -> None:
    assert policy_in(ledger_place._CONFIG.decode()) == tomllib.loads(ledger_place._CONFIG.decode())["policy"]
