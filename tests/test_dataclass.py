"""Our dataclasses against those of the standard module: what the same class does, made by each."""

import copy
import dataclasses
import pickle
import pkgutil
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cli
import ledger
import projections
from ledger import dataclass as ours

Make = Callable[..., Any]
MAKERS = (dataclasses, ours)


class _UnluckyError(ValueError):
    """What a class says against its values."""


def _family(module: Any) -> tuple[type[Any], ...]:  # noqa: ANN401 # one of two modules with the same names
    @module.dataclass(frozen=True)
    class Place:
        """Fields by position, one with a default, one that does not count."""

        RANK: ClassVar[int] = 3

        level: int
        name: str = "here"
        note: str = module.field(default="", compare=False, repr=False)

        def __post_init__(self) -> None:
            if self.level == 13:
                raise _UnluckyError(self.level)

    @module.dataclass(frozen=True, kw_only=True)
    class Event:
        """Fields by name alone."""

        TOPIC: ClassVar[str]

        number: int = 7
        context: str

    @module.dataclass(frozen=True, kw_only=True)
    class Unpacked(Event):
        """More of them, and another default for one that it inherits."""

        TOPIC = "unpacked"

        files: dict[str, int] = module.field(default_factory=dict)
        number: int = 8

    @module.dataclass(frozen=True)
    class Whole(Place):
        """By position after those that it inherits; its own words and its own sameness."""

        rest: tuple[int, ...] = ()

        def __repr__(self) -> str:
            return f"whole of {self.level}"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, type(self)) and self.level == other.level

        def __hash__(self) -> int:
            return self.level

    @module.dataclass(frozen=True)
    class Single:
        """One field."""

        value: object

    @module.dataclass(frozen=True)
    class Empty:
        """None."""

    return Place, Event, Unpacked, Whole, Single, Empty


STANDARD, OURS = (_family(module) for module in MAKERS)
PAIRS = tuple(zip(STANDARD, OURS, strict=True))
NAMES = ("level", "name", "note", "number", "context", "files", "rest", "value", "other")

values: st.SearchStrategy[Any] = st.one_of(
    st.integers(12, 14), st.sampled_from(["", "here"]), st.just(()), st.just(float("nan")), st.builds(list)
)
calls = st.tuples(st.lists(values, max_size=4), st.dictionaries(st.sampled_from(NAMES), values, max_size=4))


def _outcome(do: Callable[[], object]) -> tuple[type[Any], object]:
    """Return the type and value of what *do* gives, or the type of what it raises."""
    try:
        given = do()
    except Exception as exc:  # noqa: BLE001 # whatever it is, both must raise it
        return type(exc), None
    return object, given


def _told(made: Any) -> object:  # noqa: ANN401 # an instance of any of the classes
    return repr(made).rpartition(".")[2], {name: made.__dict__[name] for name in sorted(made.__dict__)}


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[0].__name__)
@given(call=calls)
def test_a_call_gives_what_the_standard_gives(pair: tuple[type[Any], type[Any]], call: tuple[list[Any], Any]) -> None:
    args, by_name = call

    def told(kind: type[Any]) -> object:
        return _told(kind(*args, **by_name))

    standard, own = (_outcome(partial(told, kind)) for kind in pair)

    assert (own[0], repr(own[1])) == (standard[0], repr(standard[1]))


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[0].__name__)
@given(calls=st.tuples(calls, calls))
def test_two_instances_are_the_same_where_the_standard_says_so(
    pair: tuple[type[Any], type[Any]], calls: tuple[Any, Any]
) -> None:
    def compared(kind: type[Any]) -> object:
        first, second = (kind(*args, **by_name) for args, by_name in calls)
        return first == second, first != second, hash(first) == hash(second)

    standard, own = (_outcome(partial(compared, kind)) for kind in pair)

    assert own == standard


@given(number=st.integers(), files=st.dictionaries(st.text(), st.integers()))
def test_a_copy_with_changes_is_that_of_the_standard(number: int, files: dict[str, int]) -> None:
    _, _, unpacked, *_ = OURS
    first = unpacked(context="a", files=files)

    changed = [replace(first, number=number) for replace in (dataclasses.replace, ours.replace)]

    assert changed == [unpacked(context="a", files=files, number=number)] * 2
    assert (first.number, changed[0].files) == (8, files)
    with pytest.raises(TypeError):
        ours.replace(first, other=1)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[0].__name__)
def test_fields_and_patterns_are_those_of_the_standard(pair: tuple[type[Any], type[Any]]) -> None:
    standard, own = pair
    words = ("name", "type", "default", "default_factory", "kw_only", "repr", "compare")

    def said(field: Any, word: str) -> object:  # noqa: ANN401 # a field of either module
        value = getattr(field, word)
        return "missing" if value is dataclasses.MISSING or value is ours.MISSING else value

    told = [
        [tuple(said(field, word) for word in words) for field in fields(kind)]
        for kind, fields in ((standard, dataclasses.fields), (own, dataclasses.fields), (own, ours.fields))
    ]

    assert told[1:] == [told[0]] * 2
    assert own.__match_args__ == standard.__match_args__
    assert {name for name in vars(own) if not name.startswith("__")} == {
        name for name in vars(standard) if not name.startswith("__")
    }


def test_the_functions_of_the_standard_module_take_an_instance() -> None:
    _, _, unpacked, *_ = OURS
    made: Any = unpacked(context="a", files={"b": 1})

    assert dataclasses.is_dataclass(unpacked)
    assert dataclasses.asdict(made) == {"number": 8, "context": "a", "files": {"b": 1}}
    assert copy.copy(made) == copy.deepcopy(made) == made


def test_an_instance_goes_to_another_process_and_back() -> None:
    from ledger.domain.version import Vsn  # noqa: PLC0415 # any class that pickle can find by its name

    vsn = Vsn.parse("4.4.16")

    assert pickle.loads(pickle.dumps(vsn)) == vsn  # noqa: S301 # written on this line


@pytest.mark.parametrize("module", MAKERS)
def test_an_instance_is_frozen(module: Any) -> None:  # noqa: ANN401 # one of two modules with the same names
    place, *_ = _family(module)
    made = place(1)

    with pytest.raises(dataclasses.FrozenInstanceError):
        made.level = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        del made.level
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.other = 2

    assert (made.level, vars(made)) == (1, {"level": 1, "name": "here", "note": ""})


def test_a_wrong_call_names_what_is_missing_and_what_was_not_expected() -> None:
    _, _, unpacked, *_ = OURS

    with pytest.raises(TypeError) as caught:
        unpacked("a", other=1)

    assert str(caught.value) == (
        "Unpacked() takes 0 positional arguments and got 1; missing: context; not expected: other"
    )


def test_a_class_that_is_not_frozen_is_refused() -> None:
    with pytest.raises(TypeError):
        ours.dataclass(frozen=False)


def test_no_family_is_made_half_here_and_half_there() -> None:
    """The methods of either module know the fields of their own classes only."""
    mixed = [
        f"{made.__module__}.{made.__qualname__}"
        for made in set(_classes())
        if len({"__dataclass_params__" in vars(kind) for kind in made.__mro__ if "__match_args__" in vars(kind)}) > 1
    ]

    assert mixed == []


def _classes() -> Iterator[type[Any]]:
    for package in (ledger, projections, cli):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if found.name.endswith("__main__") or "postgres" in found.name:
                continue
            yield from (value for value in vars(import_module(found.name)).values() if isinstance(value, type))
