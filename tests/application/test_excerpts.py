"""Words of others in a record: what is very long is cut, and the event can be recorded."""

from ledger.application.excerpts import recordable, recordable_paths, recordable_removal
from ledger.domain.canonical import canonical_json
from ledger.domain.envelope import SIZE_LIMIT
from ledger.domain.outcomes import Removed
from ledger.domain.reason import Reason, Rule

LONG = tuple(f'lib/{"a" * 500}-"{number}"/ebin' for number in range(150))


def test_three_lists_of_long_paths_fit_one_event() -> None:
    """The release is gone by then: an event that is too large would leave the attempt open."""
    removal = recordable_removal(Removed(removed=LONG, stays=LONG, missing=LONG))

    lists = (removal.removed, removal.stays, removal.missing)
    assert sum(len(canonical_json(list(each))) for each in lists) < SIZE_LIMIT * 3 // 4
    assert all(each[:-1] == LONG[: len(each) - 1] for each in lists)
    assert [each[-1] for each in lists] == [f"and {150 - len(each) + 1} more" for each in lists]


def test_many_long_reasons_fit_one_event() -> None:
    reasons = [Reason(Rule.PACKAGE, "m" * 900, f'{number} "{"f" * 900}"', "h" * 900) for number in range(30)]

    kept = recordable(reasons)

    told = [[reason.message, reason.fact, reason.hint] for reason in kept]
    assert len(canonical_json(told)) < SIZE_LIMIT // 3
    assert kept[:-1] == tuple(reasons[: len(kept) - 1])
    assert kept[-1].message == f"and {30 - len(kept) + 1} more reasons"


def test_a_list_of_plain_paths_is_whole() -> None:
    paths = tuple(f"lib/emqx_plugin_{number}-4.4.1/ebin/emqx_plugin_app.beam" for number in range(200))

    assert recordable_paths(paths) == paths
