"""How a command declares its options and arguments: plain facts, without Typer.

They stand in ``Annotated`` beside the type, with the names and meanings that Typer gives them.
``spread.py`` makes Typer's own of them where Typer parses; ``straight.py`` reads a simple
command line by them alone; completion and manual pages are made of them.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, dataclass_transform


class Option:
    """An option; *check* raises ValueError for a value that the type alone would let through."""

    def __init__(
        self,
        *names: str,
        help: str = "",  # noqa: A002 # Typer's word
        metavar: str | None = None,
        min: float | None = None,  # noqa: A002 # as above
        max: float | None = None,  # noqa: A002 # as above
        check: Callable[[Any], Any] | None = None,
        hidden: bool = False,
    ) -> None:
        self.names, self.help, self.metavar, self.hidden = names, help, metavar, hidden
        self.min, self.max, self.check = min, max, check


class Argument:
    """A positional argument."""

    def __init__(self, *, help: str, metavar: str) -> None:  # noqa: A002 # Typer's word
        self.help, self.metavar = help, metavar


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Group:
    """Options that commands share: its subclasses name them, with their defaults.

    *changes* says of a subclass that its commands call a node and change an installation.

    What a frozen dataclass would be, without the cost of making one: nine of them took more of a
    start than reading the log.
    """

    changes: ClassVar[bool] = False

    def __init__(self, **values: object) -> None:
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} is frozen")

    def items(self) -> Mapping[str, Any]:
        """Return the values of all its options, by their names."""
        return {name: getattr(self, name) for name in type(self).__annotations__}
