"""The population for sampling auditors: how many changes there were, and a sample that can be drawn again.

A change is an attempt that was asked for, whether it was done, failed or was refused; its first
event stands for it. The sample is drawn as ``export --sample`` draws one.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from ledger.application.bundle import choose_sample
from ledger.dataclass import dataclass
from projections.attempts import Attempt
from projections.history import Line


@dataclass(frozen=True, kw_only=True)
class Population:
    """The changes among the events of a report; *sample* are the first events of those drawn with *seed*."""

    changes: int
    outcomes: Mapping[str, int]
    first: int | None
    last: int | None
    restarts: int
    drifts: int
    sample: tuple[Line, ...]
    seed: str | None


def population_of(
    lines: Sequence[Line], *, attempts: Mapping[str, Attempt], sample: int | None, seed: str | None
) -> Population:
    """Return the population in *lines*; *sample* of its changes are drawn with *seed*."""
    asked = {line.number: line for line in lines if line.type in {"operation_requested", "operation_refused"}}
    # A refusal is an attempt of one event; an intent and its outcome are one attempt.
    changes = {n: line for n, line in asked.items() if _is_first(line, attempts)}
    drawn = choose_sample(tuple(changes), count=sample, seed=seed or "") if sample else ()
    outcomes = Counter(_outcome(line, attempts) for line in changes.values())
    return Population(
        changes=len(changes),
        outcomes=dict(sorted(outcomes.items())),
        first=min((line.number for line in lines), default=None),
        last=max((line.number for line in lines), default=None),
        restarts=sum(line.type == "node_restarted" for line in lines),
        drifts=sum(line.type == "drift_observed" for line in lines),
        sample=tuple(changes[number] for number in drawn),
        seed=seed if sample else None,
    )


def _is_first(line: Line, attempts: Mapping[str, Attempt]) -> bool:
    attempt = attempts.get(line.attempt or "")
    return attempt is None or attempt.first_event == line.number


def _outcome(line: Line, attempts: Mapping[str, Attempt]) -> str:
    attempt = attempts.get(line.attempt or "")
    return "refused" if attempt is None else attempt.outcome.replace("_", " ")
