"""A page with events of another ledger: told in their own words, and checked in the place where they stand."""

import json
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from zlib import compress

import pytest

from ledger.domain.events import EventImported
from projections.catch_up import catch_up
from projections.history import HistoryFilter
from projections.read import open_ledger
from projections.sqlite import SqliteView
from projections.sqlite_store import views_in_memory
from tests.cli.lab import Lab
from tests.projections.imports import LOG, ORIGIN, import_of
from tests.projections.ledgers import make_ledger

from .browser import Browser
from .records import Altered, Evidence, long_history, record, report

OWN = 8
DEFLATED = 5


@pytest.fixture(scope="module")
def receiving(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Return a host whose ledger has some events of its own, and then those of another."""
    events = [*long_history(OWN), *import_of(LOG, version=1)]
    carrier = events[OWN + 1 + DEFLATED]
    assert isinstance(carrier, EventImported)
    packed = b64encode(compress(LOG[DEFLATED].state)).decode()
    events[OWN + 1 + DEFLATED] = replace(carrier, leaf=(), leaf_deflated=(packed[:40], packed[40:]))
    return record(tmp_path_factory.mktemp("receiving"), events)


@pytest.fixture(scope="module")
def page(receiving: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report(receiving, tmp_path_factory.mktemp("page") / "report.html")


def test_it_verifies_and_says_what_happened_in_the_words_of_the_other_ledger(
    browser: Browser, page: Path, tmp_path: Path
) -> None:
    browser.open(page)

    rows = browser.cells("#rows")
    marks = [f"imported: event {number} of {ORIGIN}" for number in range(len(LOG))]
    assert (browser.verdict(), browser.bad_rows()) == ("verified", [])
    found = [row[3].partition("imported: ") for row in rows[OWN + 1 :]]
    assert [f"imported: {mark}" for _, _, mark in found] == marks
    assert [words.removesuffix("not done") for words, _, _ in found] == words_of(tmp_path)
    assert f"imported: {len(LOG)} of {len(rows)} events were recorded in {ORIGIN}" in browser.text("#gaps")


def words_of(folder: Path) -> list[str]:
    """Return what the other ledger itself says of its events."""
    with open_ledger(make_ledger(folder / "other", LOG)) as ledger, closing(views_in_memory()) as views:
        catch_up(views, ledger)
        return [line.words for line in SqliteView(views).lines(HistoryFilter(), oldest_first=True)]


def test_a_time_before_the_ledger_began_shows_the_tables_of_then(browser: Browser, page: Path) -> None:
    """The nodes of the other ledger had them before they came here."""
    moment = json.loads(LOG[6].state)["recorded_at"]
    browser.open(page)

    browser.run(
        "document.getElementById('at-text').value = arguments[0]; document.getElementById('at').requestSubmit()", moment
    )

    assert {node for node, *_ in browser.cells("#at-rows")} <= {"emqx@c", "emqx@d (rehearsal)"}
    assert browser.cells("#at-rows")


@pytest.mark.parametrize("filters", [("--node", "emqx@c"), ("--origin", ORIGIN), ("--since", "3", "--until", "20")])
def test_a_page_of_some_of_them_verifies(
    browser: Browser, receiving: Lab, tmp_path: Path, filters: tuple[str, ...]
) -> None:
    part = report(receiving, tmp_path / "part.html", *filters)

    browser.open(part)

    assert browser.verdict() == "verified", browser.text("#verdict-text")


def other_words(evidence: Evidence) -> None:
    evidence["events"][OWN + 3][2]["data"]["leaf"]["actor"]["id"] = "os:0815"


def other_log(evidence: Evidence) -> None:
    evidence["events"][OWN + 3][2]["data"]["origin"] = "example.com/forged"


def other_stream(evidence: Evidence) -> None:
    evidence["events"][OWN + 3][2]["data"]["leaf"]["stream"] = "release:nobody"


@pytest.mark.parametrize("change", [other_words, other_log, other_stream])
def test_an_altered_one_is_named(
    browser: Browser, page: Path, tmp_path: Path, change: Callable[[Evidence], None]
) -> None:
    altered = Altered(page).by(change, tmp_path / "altered.html")

    browser.open(altered)

    assert (browser.verdict(), browser.bad_rows()) == ("failed", [OWN + 3])
