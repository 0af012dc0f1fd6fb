"""What a reader of the page sees and saves: rows, CSV, the table at a moment, hostile texts, 5,000 events."""

import json
import re
import time
from pathlib import Path

import pytest

from projections.history import WORDS
from tests.cli.lab import Lab

from .browser import Browser
from .records import HOSTILE, Altered, Evidence, evidence_of, long_history, longest_history, record, report

FILTERS: tuple[tuple[dict[str, str | bool], tuple[str, ...]], ...] = (
    ({}, ()),
    ({"type": "installed"}, ("--type", "installed")),
    ({"node": "emqx@a"}, ("--node", "emqx@a")),
    ({"vsn": "4.4.16"}, ("--vsn", "4.4.16")),
    ({"actor": "os:2"}, ("--actor", "os:2")),
    ({"ticket": "CHG-3"}, ("--ticket", "CHG-3")),
    ({"failed": True}, ("--failed",)),
    ({"since": "12", "until": "90"}, ("--since", "12", "--until", "90")),
    ({"failed": True, "since": "2026-09-21T14:30:00Z"}, ("--failed", "--since", "2026-09-21T14:30:00Z")),
)
MOMENTS = ("0", "7", "23", "41", "60", "88", "2026-09-21T14:20:00Z", "2026-09-21T14:40:30Z", "2026-09-21T15:10Z", "101")


def exported(lab: Lab, *options: str) -> str:
    """Return what ``export --format csv`` prints."""
    done = lab.process("export", "--format", "csv", *options)
    assert done.code == 0, done.err
    return done.out


def test_the_words_of_every_type_of_event_are_among_those_compared(page: Path) -> None:
    """The page says them in a language of its own, so the comparison below must meet them all."""
    types = {event[2]["type"] for event in evidence_of(page)["events"] if not event[2]["type"].startswith("~")}
    types |= {text for text in evidence_of(page)["strings"] if text.startswith("emqx.")}

    assert {name.split(".")[-2] for name in types} == set(WORDS)


def test_the_csv_of_each_filter_is_that_of_export(browser: Browser, lab: Lab, page: Path) -> None:
    browser.open(page)
    for filters, options in FILTERS:
        browser.run("document.querySelector('#filters [type=reset]').click()")
        browser.wait("return document.getElementById('f-until').value === ''")
        browser.fill(**filters)

        saved = browser.save("#csv", "events.csv").decode()

        assert saved == exported(lab, *options).replace("\r\n", "\n").replace("\n", "\r\n"), options
        assert saved.count("\n") > 1, options


@pytest.mark.parametrize("options", [options for _, options in FILTERS[1:]], ids=" ".join)
def test_the_csv_of_a_page_of_some_events_is_that_of_export_with_its_filters(
    browser: Browser, lab: Lab, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Also where the intent of an attempt, or the event before a clock that fell, is not in the page."""
    browser.open(report(lab, tmp_path / "some.html", *options))

    saved = browser.save("#csv", "events.csv").decode()

    assert browser.verdict() == "verified"
    assert saved.replace("\r\n", "\n") == exported(lab, *options).replace("\r\n", "\n")


def test_the_cursor_reads_the_table_that_versions_gives(browser: Browser, lab: Lab, page: Path) -> None:
    """Ten moments, by number and by time; the clock was set back between them."""
    browser.open(page)
    for moment in MOMENTS:
        answer = lab.run("versions", "--at", moment)
        rows = [line.removeprefix("* ").split("\t") for line in answer.out.splitlines()[1:]]
        nodes = {row[2] for row in rows if len(row) > 2}

        browser.run(
            "document.getElementById('at-text').value = arguments[0]; document.getElementById('at').requestSubmit()",
            moment,
        )

        read = [[vsn, status, node] for node, vsn, status in browser.cells("#at-rows")]
        assert (read if nodes else [row[:2] for row in read]) == rows, moment
        assert answer.code == 0


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ("999999", "There is no event 999999"),
        ("2026-02-31", "Name an event number"),
        ("2026-13-45T00:00:00Z", "Name an event number"),
        ("2026-09-21T24:00:00Z", "Name an event number"),
        ("2020-01-01", "That lies before the first event"),
    ],
)
def test_a_moment_that_versions_refuses_has_no_table(
    browser: Browser, lab: Lab, page: Path, moment: str, said: str
) -> None:
    browser.open(page)
    _ask(browser, moment)

    assert lab.run("versions", "--at", moment).code == 1
    assert browser.text("#at-answer").startswith(said)
    assert browser.cells("#at-rows") == []


def test_a_page_of_some_events_has_no_table_behind_its_last(browser: Browser, lab: Lab, tmp_path: Path) -> None:
    """Events behind it may have changed the tables."""
    browser.open(report(lab, tmp_path / "some.html", "--since", "8", "--until", "20"))
    answers = []
    for moment in ("8", "20", "21", "2030-01-01"):
        _ask(browser, moment)
        answers.append((browser.text("#at-answer"), bool(browser.cells("#at-rows"))))

    assert answers[0] == ("Up to then no table changed after event 8, the first of this page.", True)
    assert answers[1][1]
    assert answers[2:] == [("That lies behind event 20, the last of this page.", False)] * 2


def _ask(browser: Browser, moment: str) -> None:
    browser.run(
        "document.getElementById('at-text').value = arguments[0]; document.getElementById('at').requestSubmit()", moment
    )


def test_the_slider_steps_through_the_changes(browser: Browser, lab: Lab, page: Path) -> None:
    browser.open(page)
    browser.run(
        "const step = document.getElementById('at-step'); step.value = 4; step.dispatchEvent(new Event('input'))"
    )
    number = browser.run("return document.getElementById('at-text').value")

    rows = [
        line.removeprefix("* ").split("\t")[:2] for line in lab.run("versions", "--at", number).out.splitlines()[1:]
    ]

    assert [row[1:] for row in browser.cells("#at-rows")] == rows


def test_a_part_of_the_period_is_drawn_and_the_whole_again(browser: Browser, page: Path) -> None:
    """By time, by number, and by going on from there."""
    browser.open(page)
    browser.run("document.getElementById('whole').click()")
    drawn = "return document.querySelectorAll('#lanes .bar').length"
    whole = browser.run(drawn)
    browser.run(
        "document.getElementById('zoom-from').value = '2026-09-21T14:50:00Z';"
        "document.getElementById('zoom-to').value = '80';"
        "document.getElementById('zoom').requestSubmit()"
    )
    part, said = browser.run(drawn), browser.text("#view")
    browser.run("document.getElementById('earlier').click()")
    earlier = browser.text("#view")
    browser.run("document.getElementById('whole').click()")

    assert 0 < part < whole
    assert re.search(r"^[0-9]+ of [0-9]+ columns: events [0-9]+ to (7[0-9]|80), 2026-09-21 14:5", said)
    assert earlier != said
    assert browser.run(drawn) == whole
    assert browser.text("#view").startswith("All ")


def test_columns_sort_and_say_so(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.run("document.querySelector('#events th[data-column=index] button').click()")

    numbers = [int(row[0]) for row in browser.cells("#rows")]

    assert numbers == sorted(numbers, reverse=True)
    assert browser.run("return document.querySelector('#events th').getAttribute('aria-sort')") == "descending"


def test_hostile_texts_are_shown_and_do_nothing(browser: Browser, page: Path) -> None:
    """Reasons, package names and paths that would be markup, scripts or formulas elsewhere."""
    browser.open(page)

    reasons = {row[5] for row in browser.cells("#rows") if len(row) > 5}
    made = browser.run("return document.querySelectorAll('img, iframe, object, main script, main style').length")
    width = browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")

    assert set(HOSTILE) <= reasons
    assert (made, width) == (0, 0)
    assert "owned" not in browser.driver.title


def test_hostile_texts_are_guarded_in_the_csv(browser: Browser, page: Path) -> None:
    browser.open(page)

    saved = browser.save("#csv", "events.csv").decode()

    assert ",'=cmd|' /C calc'!A0," in saved
    assert ",=cmd" not in saved


def test_characters_that_mislead_are_shown_as_escapes(browser: Browser, page: Path, tmp_path: Path) -> None:
    """The ledger refuses them (evidence.md 1.1), so only an altered page holds them: in rows, verdict and choices."""

    def mislead(evidence: Evidence) -> None:
        evidence["events"][7][2]["reason"] = "\u202eevil\u2028\u200b"
        evidence["events"][8][2]["node"] = "emqx@\u202ea"

    browser.open(Altered(page).by(mislead, tmp_path / "altered.html"))

    shown = {cell for row in browser.cells("#rows") for cell in row}
    assert browser.verdict() == "failed"
    assert "\\u202eevil\\u2028\\u200b" in shown
    assert any(cell.startswith("emqx@\\u202ea") for cell in shown)
    assert "\\u202ea" in browser.text("#f-node")
    assert not re.search("[\u202a-\u202e\u2028\u200b]", browser.text("main"))


@pytest.mark.parametrize("reason", ["x" * 10_000, "\u202eevil", "one\u2028two"], ids=["long", "bidi", "separator"])
def test_what_no_record_takes_is_refused_and_printed_harmlessly(lab: Lab, reason: str) -> None:
    done = lab.run("note", "0", reason, "--reason", reason)

    assert done.code == 1
    assert len(done.err) < 2000
    assert all(line.isprintable() for line in done.err.splitlines())


def test_notes_and_corrections_stand_beside_the_event_that_they_are_about(browser: Browser, tmp_path: Path) -> None:
    """Nothing is ever edited: who reads the original finds what sets it right, and the other way round."""
    lab = record(tmp_path / "host", longest_history(12))
    assert lab.run("note", "3", "seen by the owner").code == 0
    assert lab.run("note", "3", "it was the other host", "--corrects").code == 0

    browser.open(report(lab, tmp_path / "page.html"))
    links = {
        row: browser.run(f"return [...document.querySelectorAll('#event-{row} a.tag')].map((a) => a.textContent)")
        for row in (2, 3, 12, 13)
    }

    assert browser.verdict() == "verified"
    assert links == {2: [], 3: ["note: event 12", "correction: event 13"], 12: ["about event 3"], 13: ["about event 3"]}


def test_each_event_gives_its_bytes(browser: Browser, lab: Lab, page: Path) -> None:
    browser.open(page)
    browser.run("document.querySelector('#event-3 button').click()")
    browser.wait("return document.querySelector('.proof')")

    saved = browser.save("tr.detail button", "3.json")

    envelope = json.loads(lab.run("show", "3", "--json").out.splitlines()[0])
    assert saved.decode() == browser.text(".raw")
    assert json.loads(saved)["stream"] == envelope["stream"]


def test_the_page_fits_a_narrow_screen(browser: Browser, page: Path) -> None:
    """320 pixels: WCAG 2.1, 1.4.10 Reflow; tables and picture scroll in their own boxes."""
    browser.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": False}
    )
    browser.open(page)

    width = browser.run("return document.documentElement.scrollWidth")
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    assert 0 < width <= 320


def test_every_control_has_a_name_and_every_table_a_heading(browser: Browser, page: Path) -> None:
    browser.open(page)

    nameless = browser.run(
        "return [...document.querySelectorAll('input, select, button')]"
        ".filter((e) => !(e.labels && e.labels.length) && !e.textContent.trim() && !e.ariaLabel)"
        ".map((e) => e.outerHTML)"
    )
    headless = browser.run(
        "return [...document.querySelectorAll('table')].filter((t) => !t.querySelector('thead th[scope=col]')).length"
    )

    assert (nameless, headless) == ([], 0)
    assert browser.run("return document.documentElement.lang") == "en"


# A loop that takes a hundred milliseconds on the machine that the limits below are meant for.
SPIN = """
const began = performance.now();
let x = 0;
for (let i = 0; i < 2e7; i++) x = (x * 31 + i) | 0;
return Math.max(1, (performance.now() - began) / 100) + 0 * x;
"""


def least(browser: Browser, page: Path, measured: str, *, limit: int) -> int:
    """Open *page* until what is measured stays below *limit*, and return it in milliseconds of that machine.

    Other programs run beside the browser, so it is tried for two minutes.
    """
    end, found = time.monotonic() + 120, list[float]()
    while not found or (min(found) >= limit and time.monotonic() < end):
        slower = browser.run(SPIN)
        browser.open(page)
        found.append(float(browser.run(measured)) / slower)
    return round(min(found))


def test_a_thousand_events_are_small_and_checked_within_a_second(
    browser: Browser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """PRODUCT 9: 1,000 events under 1.5 MB and verified in the page under 1 s."""
    large = report(record(tmp_path / "host", long_history(1000), commit=2), tmp_path / "large.html")

    took = least(browser, large, "return document.getElementById('verdict').dataset.milliseconds", limit=1000)

    with capsys.disabled():
        print(f"\n1,000 events: {large.stat().st_size:,} bytes, verified in {took} ms")  # noqa: T201 # the figures of the issue
    assert browser.verdict() == "verified"
    assert large.stat().st_size < 1_500_000
    assert took < 1000


LONG_TASKS = """
globalThis.longest = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) globalThis.longest = Math.max(globalThis.longest, entry.duration);
}).observe({ type: 'longtask', buffered: true });
"""


def test_five_thousand_events_are_checked_and_more_are_refused(
    browser: Browser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without freezing: no task of the page holds its reader up for long (PRODUCT 9)."""
    lab = record(tmp_path / "host", longest_history(5_001), commit=50)
    refused = lab.run("report", "-o", str(tmp_path / "refused.html"))
    most = report(lab, tmp_path / "most.html", "-n", "5000")
    added = browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": LONG_TASKS})

    longest = least(browser, most, "return globalThis.longest", limit=200)
    browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)

    with capsys.disabled():
        took = browser.run("return document.getElementById('verdict').dataset.milliseconds")
        print(f"\n5,000 events: {most.stat().st_size:,} bytes, verified in {took} ms, longest task {longest} ms")  # noqa: T201 # the figures of the issue
    assert (refused.code, refused.out) == (1, "")
    assert "5001 events are too many" in refused.err
    assert "--since and --until" in refused.err
    assert browser.verdict() == "verified", browser.text("#verdict-text")
    assert browser.run("return document.querySelectorAll('#rows tr').length") == 200
    assert "5000 events of 5000 in this page match" in browser.text("#shown")
    assert longest < 200
