"""Frozen dataclasses that cost next to nothing to make.

``from ledger.dataclass import dataclass, field, fields, replace`` gives what the standard module
of that name gives, and to a type checker it is that module. When the program runs, all classes
share one set of methods, and each has a small table of its fields, which is made when a first
instance asks for it: a command makes instances of a third of the classes that it loads. The
standard decorator writes six methods as text for every class and compiles them: for the classes that one change loads,
that took ten times the instructions of ``python -c pass`` (RULINGS 32; docs/decisions/0021).

What is narrower: every class is frozen, its annotations are no strings where they say ClassVar,
and a family of classes is made here or there, never mixed. ``fields``, ``replace``, ``asdict``
and ``is_dataclass`` of the standard module work on these classes too.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

if TYPE_CHECKING:
    import dataclasses
    from dataclasses import MISSING, dataclass, field, fields, replace
else:

    class MISSING:
        """Stands where a field has no default."""


__all__ = ["MISSING", "dataclass", "field", "fields", "replace"]

_Class = TypeVar("_Class", bound=type[Any])
_Instance = TypeVar("_Instance")


class _Declared(NamedTuple):
    """What ``field`` says of a field."""

    default: Any = MISSING
    default_factory: Any = MISSING
    repr: bool = True
    compare: bool = True


class _Field(NamedTuple):
    """A field, in the words of ``dataclasses.Field``."""

    name: str
    type: Any
    kw_only: bool
    default: Any
    default_factory: Any
    repr: bool
    compare: bool


class _Shape:
    """The fields of one class, as the methods need them; *checked*: it has a ``__post_init__``."""

    __slots__ = ("checked", "defaults", "factories", "fields", "key", "names", "positional", "required")

    def __init__(self, fields: Mapping[str, _Field], *, checked: bool) -> None:
        self.fields, self.checked = fields, checked
        self.names = fields.keys()
        self.defaults = {name: field.default for name, field in fields.items() if field.default is not MISSING}
        self.factories = [
            (name, field.default_factory) for name, field in fields.items() if field.default_factory is not MISSING
        ]
        self.required = self.names - self.defaults.keys() - {name for name, _ in self.factories}
        self.positional = [name for name, field in fields.items() if not field.kw_only]
        self.key = _key_of([name for name, field in fields.items() if field.compare])


def _key_of(names: Sequence[str]) -> Callable[[object], object]:
    """Return what gives the values that two instances are compared by."""
    if not names:
        return lambda _: ()
    # Of a single name attrgetter gives the bare value: the same name twice makes it a tuple.
    return attrgetter(*names) if len(names) > 1 else attrgetter(names[0], names[0])


class _Shaped:
    """The methods of all classes, which takes them over one by one; itself never a base."""

    __shape__: ClassVar[_Shape]

    def __init__(self, /, *args: object, **given: object) -> None:
        shape = self.__shape__
        values = self.__dict__
        if args:
            values.update(zip(shape.positional, args, strict=False))
        values.update(given)
        # Fewer where there are too many by position, or one by position and by name.
        if len(values) < len(args) + len(given):
            raise TypeError(_mismatch(self, args, given))
        if values.keys() != shape.names:
            if not shape.required <= values.keys() <= shape.names:
                raise TypeError(_mismatch(self, args, given))
            made = {name: factory() for name, factory in shape.factories if name not in values}
            values.update(shape.defaults | made | values)
        if shape.checked:
            self.__post_init__()  # type: ignore[attr-defined] # the shape says that there is one

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        key = self.__shape__.key
        return key(self) == key(other)

    def __hash__(self) -> int:
        return hash(self.__shape__.key(self))

    def __repr__(self) -> str:
        shown = [f"{name}={getattr(self, name)!r}" for name, field in self.__shape__.fields.items() if field.repr]
        return f"{self.__class__.__qualname__}({', '.join(shown)})"

    def __setattr__(self, name: str, value: object) -> None:
        raise _standard_module().FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise _standard_module().FrozenInstanceError(f"cannot delete field {name!r}")


_METHODS = {
    name: _Shaped.__dict__[name]
    for name in ("__init__", "__eq__", "__hash__", "__repr__", "__setattr__", "__delattr__")
}


class _ShapeLater:
    """Stands for the shape of a class until it is asked for; *declared* is what ``field`` said."""

    def __init__(self, made: type[Any], declared: Mapping[str, _Declared], *, kw_only: bool) -> None:
        self._made, self._declared, self._kw_only = made, declared, kw_only

    def __get__(self, _: object, __: type[Any]) -> _Shape:
        made, own, found = self._made, self._made.__dict__, dict[str, _Field]()
        bases: Sequence[Any] = made.__mro__[:0:-1]
        for base in bases:
            if "__shape__" in base.__dict__:
                found |= base.__shape__.fields
        for name, hint in own.get("__annotations__", {}).items():
            if getattr(hint, "__origin__", hint) is not ClassVar:
                said = self._declared.get(name) or _Declared(own.get(name, MISSING))
                found[name] = _Field(name, hint, self._kw_only, *said)
        shape = made.__shape__ = _Shape(found, checked=hasattr(made, "__post_init__"))
        return shape


class _MatchedLater:
    """Stands for the names of the fields that a pattern matches by position, until one does."""

    def __get__(self, _: object, owner: type[_Shaped]) -> tuple[str, ...]:
        return tuple(owner.__shape__.positional)


_MATCHED_LATER = _MatchedLater()


class _StandardFields:
    """What the functions of the standard module look for, made when one of them looks."""

    def __get__(self, _: object, owner: type[_Shaped]) -> "Mapping[str, dataclasses.Field[Any]]":
        standard, shape = _standard_module(), owner.__shape__
        named = [(field.name, field.type, _standard(field)) for field in shape.fields.values()]
        # Without these methods there is nothing to compile.
        twin = standard.make_dataclass(
            owner.__name__, named, namespace={"__doc__": owner.__doc__}, init=False, repr=False, eq=False
        )
        found = {field.name: field for field in standard.fields(twin)}
        setattr(owner, "__dataclass_fields__", found)  # noqa: B010 # no member that a type checker knows
        return found


_STANDARD_FIELDS = _StandardFields()


def _dataclass(*, frozen: bool, kw_only: bool = False) -> Callable[[_Class], _Class]:
    """Return what makes a class a frozen dataclass."""
    if not frozen:
        raise TypeError("a dataclass that is not frozen is made by the standard module")
    return lambda made: _shaped(made, kw_only=kw_only)


def _field(
    *,
    default: object = MISSING,
    default_factory: object = MISSING,
    repr: bool = True,  # noqa: A002 # the word of the standard module
    compare: bool = True,
) -> _Declared:
    """Return the declaration of a field; each word means what it means in the standard module."""
    return _Declared(default, default_factory, repr, compare)


def _fields(of: type[_Shaped] | _Shaped) -> tuple[_Field, ...]:
    """Return the fields of a class or of an instance, in the order of their definition."""
    return tuple(of.__shape__.fields.values())


def _replace(instance: _Instance, /, **changes: object) -> _Instance:
    """Return a copy of *instance* with *changes*."""
    shape: _Shape = instance.__shape__  # type: ignore[attr-defined] # only instances of our classes are given
    values = instance.__dict__
    return type(instance)(**{name: values[name] for name in shape.names} | changes)


if not TYPE_CHECKING:
    dataclass, field, fields, replace = _dataclass, _field, _fields, _replace


def _shaped(made: _Class, *, kw_only: bool) -> _Class:
    own = made.__dict__
    declared = {name: said for name, said in own.items() if said.__class__ is _Declared}
    for name, said in declared.items():
        # A default stays an attribute of the class, as in the standard.
        if said.default is MISSING:
            delattr(made, name)
        else:
            setattr(made, name, said.default)
    for name, method in _METHODS.items():
        # Where a class has its own ``__eq__``, Python has put a None for the hash.
        if getattr(made, name) is not method and own.get(name) is None:
            setattr(made, name, method)
    if "__match_args__" not in own:
        setattr(made, "__match_args__", _MATCHED_LATER)  # noqa: B010 # a type checker takes it for constant
    made.__shape__ = _ShapeLater(made, declared, kw_only=kw_only)
    made.__dataclass_fields__ = _STANDARD_FIELDS
    return made


def _standard_module() -> Any:  # noqa: ANN401 # a module
    """Return the module ``dataclasses``, which costs a read more than all that is here, and which it does not need."""
    import dataclasses  # noqa: PLC0415 # as said above

    return dataclasses


def _standard(field: _Field) -> Any:  # noqa: ANN401 # what field() of the standard module returns, whatever its type
    said = {word: value for word, value in field._asdict().items() if word not in {"name", "type"}}
    return _standard_module().field(**{word: value for word, value in said.items() if value is not MISSING})


def _mismatch(instance: _Shaped, args: Sequence[object], given: Mapping[str, object]) -> str:
    shape = instance.__shape__
    known = [*shape.positional[len(args) :], *(name for name, field in shape.fields.items() if field.kw_only)]
    missing = sorted(shape.required & set(known) - given.keys())
    excess = sorted(given.keys() - set(known))
    return (
        f"{type(instance).__name__}() takes {len(shape.positional)} positional arguments and got {len(args)}; "
        f"missing: {', '.join(missing) or 'none'}; not expected: {', '.join(excess) or 'none'}"
    )
