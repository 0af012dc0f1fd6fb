"""The walls of the house that import-linter cannot see, held over the syntax trees.

A contract cannot name a module inside an external package, so which room imports which module of
the library is written here (RULINGS 31); the other contracts stand in ``pyproject.toml``. The
sizes and names are those of STYLE.
"""

import ast
import re
import tokenize
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[1]
PRODUCT = ("ledger", "projections", "cli")
LIBRARY = "eventsourcing"
# One room a line: what stands nowhere here does not know the library. Reading commands start fast
# because nothing of cli/, and of projections/ only the follower, is here (RULINGS 32).
ROOMS: Mapping[str, frozenset[str]] = {
    "ledger/application/record_ports.py": frozenset({"domain", "persistence"}),
    "ledger/application/release_ledger.py": frozenset({"application", "domain", "persistence", "utils"}),
    "ledger/adapters/fleet_tip.py": frozenset({"persistence"}),
    "ledger/adapters/mapper.py": frozenset({"domain", "persistence"}),
    "ledger/adapters/postgres.py": frozenset({"persistence", "postgres"}),
    "ledger/adapters/postgres_append.py": frozenset({"persistence"}),
    "ledger/adapters/postgres_errors.py": frozenset({"persistence"}),
    "ledger/adapters/postgres_feed.py": frozenset({"postgres"}),
    "ledger/adapters/refill.py": frozenset({"persistence"}),
    "ledger/adapters/sqlite.py": frozenset({"persistence", "sqlite"}),
    "ledger/adapters/sqlite_errors.py": frozenset({"persistence"}),
    "ledger/adapters/sqlite_tree.py": frozenset({"sqlite"}),
    "projections/follower.py": frozenset({"application", "persistence", "projection", "utils"}),
}
NEVER_IMPORTED = {
    "click": "Typer brings its own",
    "pydantic": "a start of the program would take twice as long",
    "pickle": "stored data must not name code",
    "logging": "the core never logs, and the command line speaks through its terminal",
}
NO_NOUNS = {"utils", "helpers", "common", "base", "manager", "service", "misc"}
MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 50
AN_IGNORE = re.compile(r"#\s*(?:type:\s*ignore\[[^\]]+\]|noqa:\s*[A-Z0-9]+(?:,\s*[A-Z0-9]+)*)\s+(?:#|--?|\()\s*\S")
MEANT_TO_IGNORE = re.compile(r"#\s*(?:type:\s*ignore|noqa)\b")


def product_files() -> tuple[Path, ...]:
    """Return the modules of the product."""
    return tuple(sorted(path for package in PRODUCT for path in (PROJECT / package).rglob("*.py")))


def all_files() -> Iterator[Path]:
    """Yield every module, tests too."""
    yield from product_files()
    for folder in ("demo", "benchmarks", "tests"):
        yield from sorted((PROJECT / folder).rglob("*.py"))


def imports_of(path: Path) -> frozenset[str]:
    """Return the modules that *path* imports, at its top or inside a function."""
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # ``from eventsourcing import domain`` imports the submodule as well.
            found |= {node.module} if "." in node.module else {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def name_of(path: Path) -> str:
    """Return the path of a module as the tables above write it."""
    return path.relative_to(PROJECT).as_posix()


def test_each_room_imports_only_its_modules_of_the_library() -> None:
    """RULINGS 31."""
    found = {
        name_of(path): frozenset(
            module.removeprefix(f"{LIBRARY}.").partition(".")[0]
            for module in imports_of(path)
            if module.partition(".")[0] == LIBRARY
        )
        for path in product_files()
    }

    assert {room: modules for room, modules in found.items() if modules} == ROOMS


@pytest.mark.parametrize("module", NEVER_IMPORTED)
def test_nobody_imports(module: str) -> None:
    guilty = [name_of(path) for path in product_files() if module in {m.partition(".")[0] for m in imports_of(path)}]

    assert guilty == [], NEVER_IMPORTED[module]


def test_imports_are_absolute() -> None:
    """A module that moves must not change what it means."""
    relative = [
        name_of(path)
        for path in product_files()
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.ImportFrom) and node.level
    ]

    assert relative == []


def test_modules_and_functions_fit_on_a_screen_or_a_few() -> None:
    """STYLE, "Modules"."""
    too_long = [f"{name_of(path)}: {lines}" for path in product_files() if (lines := _lines(path)) > MOST_LINES]
    for path in product_files():
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MOST_LINES_OF_A_FUNCTION:
                    too_long.append(f"{name_of(path)}: {node.name}: {lines}")

    assert too_long == []


def test_every_module_says_what_it_is_and_has_a_noun_for_a_name() -> None:
    """STYLE, "Modules" and "Docstrings"."""
    silent = [name_of(path) for path in product_files() if ast.get_docstring(ast.parse(path.read_bytes())) is None]
    nameless = [name_of(path) for path in product_files() if path.stem in NO_NOUNS]

    assert (silent, nameless) == ([], [])


def test_every_ignore_gives_its_reason() -> None:
    """STYLE, "Types": on the same line, or in a comment right above it."""
    bare = list[str]()
    for path in all_files():
        above = 0
        for token in _comments(path):
            line = token.start[0]
            if MEANT_TO_IGNORE.match(token.string) and not AN_IGNORE.match(token.string) and above != line - 1:
                bare.append(f"{name_of(path)}:{line}")
            above = line

    assert bare == []


def test_the_wheel_has_every_file_of_the_product_and_no_test() -> None:
    """What setuptools is not told of is missing where the product was installed, and only there."""
    setuptools = _pyproject()["tool"]["setuptools"]
    packed = {
        path
        for package, patterns in setuptools["package-data"].items()
        for pattern in patterns
        for path in (PROJECT / package).glob(pattern)
    }
    found = {path for package in PRODUCT for path in (PROJECT / package).rglob("*") if path.is_file()}
    data = {path for path in found if path.suffix != ".py" and path.parent.name != "__pycache__"}

    assert data - packed == set()
    assert setuptools["packages"]["find"]["include"] == [f"{package}*" for package in PRODUCT]
    assert all((path.parent / "__init__.py").is_file() for path in product_files())


def _pyproject() -> dict[str, Any]:
    return tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def _comments(path: Path) -> Iterator[tokenize.TokenInfo]:
    with path.open("rb") as source:
        yield from (token for token in tokenize.tokenize(source.readline) if token.type == tokenize.COMMENT)
