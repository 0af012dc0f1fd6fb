"""What the pages say is so: every console block runs, every link leads somewhere, numbers are the code's.

The README shows a part of the demo's walk; the blocks of another page are one session on a fresh
installation of the demo. Blocks beside a running node are in ``tests/lab/test_live_page.py``.
"""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cli.exit_codes import MEANINGS
from demo.__main__ import make_demo
from demo.session import Run, Session, parse_transcript
from demo.walk import STEPS, main, walk
from tests.transcripts import agrees, runs_on_page

PROJECT = Path(__file__).parents[1]
README = PROJECT / "README.md"
PAGES = tuple(sorted((PROJECT / "docs").rglob("*.md")))
WITH_SESSION = tuple(page for page in PAGES if "```console\n" in page.read_text(encoding="utf-8"))
A_LINK = re.compile(r"\]\((?!https?:)([^)#]+)[^)]*\)")
A_PATH = re.compile(r"`((?:docs|demo|ledger|cli|projections|tests|benchmarks)/[a-z0-9_/.-]+\.(?:md|py))`")
MOST_LINES = 80


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of the demo's walk."""
    return tmp_path_factory.mktemp("walk")


@pytest.fixture(scope="module")
def walked(folder: Path) -> tuple[Run, ...]:
    """Give the runs of the demo's walk."""
    return tuple(run for _, run in walk(folder))


def test_each_command_of_the_walk_ends_as_it_should(walked: tuple[Run, ...]) -> None:
    expected = [(step.command, step.code) for step in STEPS]

    assert [(run.command, run.code) for run in walked] == expected, walked[-1].lines


def test_the_transcript_of_the_readme_is_part_of_the_walk(walked: tuple[Run, ...]) -> None:
    """STYLE, "README": every console block runs."""
    shown, rest = runs_on_page(README), iter(walked)

    missed = [run.lines for run in shown if not any(agrees(run, real) for real in rest)]

    assert shown
    assert missed == []


@pytest.mark.usefixtures("walked")
@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "docs/trust.md"])
def test_a_page_says_that_commits_are_not_signed_as_long_as_they_are_not(name: str, folder: Path) -> None:
    """STYLE, "README": no claim without what shows it, and no limit that is gone."""
    with closing(sqlite3.connect(folder / "ledger/ledger.db")) as ledger:
        ((notes,),) = ledger.execute("SELECT count(*) FROM log_checkpoint")

    assert ("not signed yet" in _text(name)) is (notes == 0)


@pytest.mark.parametrize("page", WITH_SESSION, ids=lambda page: page.name)
def test_the_session_of_a_page_goes_as_it_shows(page: Path, tmp_path: Path) -> None:
    make_demo(tmp_path)
    session = Session(tmp_path)

    for shown in runs_on_page(page):
        real = session.run(shown.command)

        assert agrees(shown, real), "\n".join(("the page:", *shown.lines, "really:", *real.lines))


def test_the_readme_is_short() -> None:
    """STYLE: whom it is for, one transcript, what it does not do, who is trusted with what."""
    text = README.read_text(encoding="utf-8")

    assert text.count("\n") <= MOST_LINES
    assert "\n## What it does not do\n" in text
    assert "\n## Whom you trust with what\n" in text


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.name)
def test_links_and_paths_of_a_page_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = [page.parent / link for link in A_LINK.findall(text)] + [PROJECT / path for path in A_PATH.findall(text)]

    assert [str(target) for target in targets if not target.exists()] == []


def test_the_page_of_exit_codes_lists_each_code_with_its_meaning() -> None:
    text = (PROJECT / "docs/exit-codes.md").read_text(encoding="utf-8")
    rows = {int(code): meaning for code, meaning in re.findall(r"^\| (\d+) \| ([^|]+) \|", text, flags=re.MULTILINE)}

    assert rows == dict(MEANINGS)


def test_each_dependency_has_its_reason() -> None:
    """Every name in pyproject.toml stands on the page, and in constraints.txt with one version."""
    named = re.findall(
        r'^    "([A-Za-z0-9-]+)(?:\[[a-z,]+\])?(?:[<>=].*)?",$', _text("pyproject.toml"), flags=re.MULTILINE
    )
    page, pins = _text("docs/dependencies.md"), _text("constraints.txt").lower().replace("_", "-")

    assert named
    assert [name for name in named if f"| `{name}` |" not in page] == []
    assert [name for name in named if f"\n{name.lower()}==" not in pins] == []


@pytest.mark.parametrize("page", sorted((PROJECT / "docs/decisions").glob("[0-9]*.md")), ids=lambda page: page.name[:4])
def test_a_decision_has_context_options_choice_and_price(page: Path) -> None:
    """STYLE, "Commits and changelog"."""
    headings = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)

    assert headings == ["Context", "Options", "Choice", "Price"]
    assert f"]({page.name})" in _text("docs/decisions/README.md")


def test_nothing_names_an_index_of_packages() -> None:
    """Where packages come from is the machine's own setting."""
    texts = {name: _text(name) for name in ("constraints.txt", "pyproject.toml", "Makefile", ".ci/run")}

    assert [name for name, text in texts.items() if re.search(r"https?://|--hash|index-url|find-links", text)] == []


def test_the_walk_says_where_its_files_lie(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "taken"
    (folder / "emqx").mkdir(parents=True)

    code = main([str(folder)])

    assert code == 1
    assert capsys.readouterr().err == f"{folder / 'emqx'} exists: name another folder or delete it first\n"


def test_a_transcript_is_read_as_it_is_written() -> None:
    runs = (Run("a b", ("out", "more"), 2), Run("c", (), 0), Run("d", ("[x]",), 0))
    lines = [line for run in runs for line in run.lines]

    assert tuple(parse_transcript(iter(lines))) == runs


@pytest.mark.parametrize(
    ("shown", "real", "same"),
    [
        (("a…c",), ("abc",), True),
        (("a…c",), ("abd",), False),
        (("…", "z"), ("x", "y", "z"), True),
        (("…", "z"), ("x", "y"), False),
        (("…",), (), True),
        ((), ("x",), False),
        (("a",), (), False),
    ],
)
def test_dots_stand_for_any_text_or_any_lines(shown: tuple[str, ...], real: tuple[str, ...], same: bool) -> None:  # noqa: FBT001 # a column of the table above
    assert agrees(Run("c", shown, 0), Run("c", real, 0)) is same


def _text(name: str) -> str:
    return (PROJECT / name).read_text(encoding="utf-8")
