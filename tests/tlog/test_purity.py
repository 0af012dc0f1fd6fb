"""The tree speaks bytes only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import ledger.tlog

PURE = {
    "base64",
    "collections.abc",
    "dataclasses",
    "enum",
    "functools",
    "hashlib",
    "re",
    "typing",
    "ledger.dataclass",
    "ledger.errors",
}


def test_the_tree_imports_nothing_that_reads_writes_or_knows_a_release() -> None:
    """STYLE: never a release, an event or a row; no clock, no file, no cryptography but SHA-256."""
    (folder,) = map(Path, ledger.tlog.__path__)

    for path in folder.glob("*.py"):
        for module in imports_of(path):
            assert module in PURE or module.startswith("ledger.tlog."), (path, module)


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)
