"""The record against what node and disk show, and words of others in a record."""

from dataclasses import replace
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from ledger.application.excerpts import captured, recordable, recordable_paths
from ledger.application.reconcile import as_text, differences_between, fold, notice
from ledger.domain.canonical import canonical_json
from ledger.domain.events import DriftObserved, NodeRestarted
from ledger.domain.reason import Reason, Rule
from ledger.domain.tables import Tables
from tests.domain.nodes import BY, NEXT_RUN, node_with, seen, tables_of
from tests.domain.strategies import memories, patch_vsns, tables

LOST = Tables(memory=(), disk=None, start_erl=None, rel_vsn=None)


def test_nothing_is_noticed_where_nothing_happened() -> None:
    node = node_with("4.4.16 current", "4.4.0 permanent")

    assert notice(node, seen(node.tables), by=BY) == ()


def test_a_restart_alone_explains_what_it_changes() -> None:
    """PRODUCT section 7."""
    node = node_with("4.4.16 current", "4.4.1 old", "4.4.0 permanent")

    (event,) = notice(node, seen(node.tables.restarted(), run=NEXT_RUN), by=BY)

    assert isinstance(event, NodeRestarted)
    assert (event.cause, event.reverted) == ("noticed", ("4.4.16",))


def test_what_a_restart_does_not_explain_is_a_second_event() -> None:
    """RULINGS 14."""
    node = node_with("4.4.16 current", "4.4.0 permanent")
    found = seen(tables_of("4.4.0 permanent"), run=NEXT_RUN)

    first, second = notice(node, found, by=BY)

    assert isinstance(first, NodeRestarted)
    assert isinstance(second, DriftObserved)
    assert second.recorded == first.after
    assert fold(node, (first, second)).tables == found.tables


@given(tables, st.none() | patch_vsns, st.booleans())
def test_after_what_was_noticed_record_and_node_agree(found: Tables, booted: str | None, restarted: bool) -> None:  # noqa: FBT001 # hypothesis passes by position
    node = node_with("4.4.16 current", "4.4.0 permanent")
    observed = replace(seen(found, booted=booted or "4.4.0"), run=NEXT_RUN if restarted else node.run)

    agreed = fold(node, notice(node, observed, by=BY))

    assert list(differences_between(agreed, observed)) == []
    assert notice(agreed, observed, by=BY) == ()


def test_each_difference_is_told_in_words() -> None:
    node = node_with("4.4.0 permanent")

    assert list(differences_between(node, seen(LOST, booted="4.4.1"))) == [
        "memory: recorded 4.4.0 permanent; found no release",
        "RELEASES: recorded 4.4.0 permanent; found no readable file",
        "start_erl.data: recorded 4.4.0; found nothing",
        "emqx_vars: recorded 4.4.0; found nothing",
        "booted release: recorded 4.4.0; found 4.4.1",
    ]
    assert as_text(tables_of("4.4.1 old", "4.4.0 permanent")) == "4.4.1 old, 4.4.0 permanent"


@given(memories())
def test_an_order_that_changed_is_a_difference(memory: tuple[tuple[str, str], ...]) -> None:
    """otp.md section 1: the order of the list means something."""
    node = node_with(*(f"{vsn} {status}" for vsn, status in memory))
    turned = replace(node.tables, memory=node.tables.memory[::-1])

    assert bool(list(differences_between(node, seen(turned, booted=node.booted)))) is (len(memory) > 1)


def test_captured_words_have_the_digest_of_all_and_the_start_as_excerpt() -> None:
    """evidence.md 1.1."""
    lines = ("x" * 3000, "end")

    output = captured(lines)

    whole = "".join(f"{line}\n" for line in lines).encode()
    assert (output.output_sha256, output.output_bytes) == (sha256(whole).hexdigest(), len(whole))
    assert output.excerpt == "x" * 2048


def test_no_words_have_no_excerpt() -> None:
    assert (captured(()).output_bytes, captured(()).excerpt) == (0, None)


@given(st.lists(st.text(max_size=40), max_size=4))
def test_whatever_was_said_can_be_recorded(lines: list[str]) -> None:
    reasons = [Reason(Rule.PACKAGE, line, line, line) for line in lines]

    canonical_json({"paths": list(recordable_paths(lines)), "output": captured(lines).to_record()})
    canonical_json([[reason.message, reason.fact, reason.hint] for reason in recordable(reasons)])


def test_a_very_long_list_of_reasons_is_cut_and_says_so() -> None:
    reasons = [Reason(Rule.PACKAGE, f"reason {number}", "fact", "hint") for number in range(33)]

    kept = recordable(reasons)

    assert len(kept) == 31
    assert kept[:30] == tuple(reasons[:30])
    assert kept[-1].message == "and 3 more reasons"


def test_a_very_long_list_of_paths_is_cut_and_says_so() -> None:
    paths = tuple(f"lib/{number}" for number in range(203))

    assert recordable_paths(paths)[-2:] == ("lib/199", "and 3 more")
    assert recordable_paths(paths[:200]) == paths[:200]


def test_a_name_that_is_no_unicode_is_recorded_all_the_same() -> None:
    """Names on a disk are bytes: Python gives the stray ones as surrogates."""
    assert recordable_paths(("lib/\udcff", "")) == ("lib/\ufffd", "-")
