"""The page for those who print it, use a keyboard, or hear it."""

import base64
import re
from dataclasses import replace
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from .browser import Browser
from .records import Altered, long_history, record, report

_PAGE = re.compile(rb"/Type\s*/Page\b(?!s)")
_FOCUSED = """
const e = document.activeElement;
const style = getComputedStyle(e);
return [e.id || e.textContent.trim(), style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2];
"""


def printed(browser: Browser, page: Path) -> int:
    """Return the number of pages on paper."""
    browser.open(page)
    pdf = browser.driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"]
    return len(_PAGE.findall(base64.b64decode(pdf)))


def test_one_long_reason_does_not_fill_pages(browser: Browser, tmp_path: Path) -> None:
    """4,096 bytes are the longest text that a ledger takes (evidence.md 1.1)."""
    events = long_history(16)
    long = replace(events[1], context=replace(events[1].context, reason="why " * 1024))
    short = printed(browser, report(record(tmp_path / "a", events), tmp_path / "a.html"))

    pages = printed(browser, report(record(tmp_path / "b", (events[0], long, *events[2:])), tmp_path / "b.html"))

    assert short <= 7
    assert pages <= short + 1


def test_no_row_is_printed_over_another(browser: Browser, page: Path) -> None:
    """With the print style: what a cell shows ends within its row."""
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    browser.open(page)
    over = browser.run(
        "return [...document.querySelectorAll('#rows td, #attempt-rows td')].filter((cell) =>"
        " [...cell.children].some((part) =>"
        " part.getBoundingClientRect().bottom > cell.parentElement.getBoundingClientRect().bottom + 1)).length"
    )
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})

    assert over == 0


def test_paper_shows_the_whole_picture_in_strips(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.run("document.getElementById('zoom-from').value = '90'; document.getElementById('zoom').requestSubmit()")
    browser.run("dispatchEvent(new Event('beforeprint'))")
    strips = browser.run("return document.querySelectorAll('#strips svg').length")
    said = set(browser.run(_TITLES, "#strips"))
    browser.run("dispatchEvent(new Event('afterprint')); document.getElementById('whole').click()")
    whole = set(browser.run(_TITLES, "#lanes"))

    assert strips > 1
    assert said == whole
    assert browser.run("return document.querySelectorAll('#strips svg').length") == 0


_TITLES = (
    "return [...document.querySelectorAll(`${arguments[0]} .bar title, ${arguments[0]} .mark title`)]"
    ".map((title) => title.textContent)"
)


def test_marks_do_not_lie_on_each_other_however_uneven_the_times(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.run("document.getElementById('zoom-from').value = '0'; document.getElementById('zoom-to').value = '70';")
    browser.run("document.getElementById('zoom').requestSubmit()")

    places = browser.run(
        "return [...document.querySelectorAll('#lanes .mark')].map((mark) => mark.getAttribute('transform'))"
    )

    assert len(places) > 10
    assert len(set(places)) == len(places)


def test_a_day_or_more_between_two_columns_is_a_dashed_line(browser: Browser, tmp_path: Path) -> None:
    lab = record(tmp_path / "host", long_history(16), leap=5)

    browser.open(report(lab, tmp_path / "page.html"))

    days = {line.split(",")[1][:10] for line in lab.process("export", "--format", "csv").out.splitlines()[1:]}
    assert browser.run("return document.querySelectorAll('#lanes .break').length") == len(days) - 1 == 3
    assert len(browser.run("return [...document.querySelectorAll('#lanes .tick')].map((t) => t.textContent)")) >= 8


def test_every_control_is_reached_by_the_tab_key_and_shows_it(browser: Browser, page: Path) -> None:
    browser.open(page)
    due = [
        *("Skip to the events", "own-key-text", "drawing", "zoom-from", "at-step", "at-text"),
        *("f-text", "f-type", "f-failed", "csv", "event", "when"),
    ]
    reached: list[tuple[str, bool]] = []
    while len(reached) < 400 and not {name for name, _ in reached} >= set(due):
        ActionChains(browser.driver).send_keys(Keys.TAB).perform()
        name, shown = browser.run(_FOCUSED)
        reached.append((name, shown))

    order = [name for name, _ in reached if name in due]

    assert list(dict.fromkeys(order)) == due
    assert [name for name, shown in reached if not shown] == []


def test_arrow_keys_move_the_cursor_and_say_where_it_is(browser: Browser, page: Path) -> None:
    browser.open(page)
    before = browser.run(f"return [document.getElementById('at-text').value, {_X}]")
    browser.run("document.getElementById('at-step').focus()")
    ActionChains(browser.driver).send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT).perform()

    number, x = browser.run(f"return [document.getElementById('at-text').value, {_X}]")
    said = browser.run("return document.getElementById('at-step').getAttribute('aria-valuetext')")

    assert int(number) < int(before[0])
    assert float(x) < float(before[1])
    assert said.startswith(f"event {number}, 2026-")


_X = "document.getElementById('cursor').getAttribute('x1')"


def test_sorting_and_opening_work_by_the_keyboard(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.run("document.querySelector('#events th[data-column=recorded_at] button').focus()")
    ActionChains(browser.driver).send_keys(Keys.ENTER).perform()
    once = browser.run("return document.querySelector('#events th[data-column=recorded_at]').ariaSort")
    ActionChains(browser.driver).send_keys(Keys.ENTER).perform()
    twice = browser.run("return document.querySelector('#events th[data-column=recorded_at]').ariaSort")
    browser.run("document.querySelector('#rows button').focus()")
    ActionChains(browser.driver).send_keys(Keys.ENTER).perform()
    browser.wait("return document.querySelector('.proof')")

    assert (once, twice) == ("ascending", "descending")
    assert browser.run("return document.querySelector('#rows button').ariaExpanded") == "true"


def test_a_screen_reader_finds_landmarks_names_and_the_verdict(browser: Browser, page: Path) -> None:
    """By Chromium's own tree of what assistive software gets."""
    browser.open(page)

    nodes = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named = [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in nodes if not n["ignored"]]
    roles = {role for role, _ in named}
    verdict = browser.run("return document.getElementById('verdict').getAttribute('aria-live')")
    pictures = [name for role, name in named if role in {"image", "img", "graphics-document"} and "Status" in name]

    assert {"main", "navigation", "banner", "region", "table", "columnheader", "status", "slider"} <= roles
    assert [
        role for role, name in named if role in {"region", "table", "button", "textbox", "slider"} and not name
    ] == []
    assert ("region", "✓ Verified") in named
    assert verdict == "polite"
    assert len(pictures) == 1
    assert browser.run("return document.querySelector('#lanes > desc').textContent") != ""


def test_one_is_one_and_not_ones(browser: Browser, tmp_path: Path) -> None:
    page = report(record(tmp_path / "host", long_history(6)), tmp_path / "page.html", "--sample", "1", "--seed", "s")

    browser.open(page)

    text = browser.text("main")
    assert "1 change was asked for" in text
    assert browser.verdict() == "verified"
    assert not re.search(r"\b1 (changes|restarts|times|events|checkpoints|attempts|nodes|rows|columns)\b", text)


def test_words_of_the_sample_are_not_cut_on_a_narrow_screen(browser: Browser, page: Path) -> None:
    browser.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": False}
    )
    browser.open(page)
    right = browser.run("return document.getElementById('sample-rule').getBoundingClientRect().right")
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    assert right <= 320


# Colours that stay within a pixel: text against the nearest background that is not transparent.
CONTRASTS = r"""
const light = (channels) => {
  const [r, g, b] = channels.map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
const behind = (node) => {
  for (let at = node; at; at = at.parentElement) {
    const [r, g, b, alpha = 1] = numbers(getComputedStyle(at).backgroundColor);
    if (alpha) return [r, g, b];
  }
  return [255, 0, 255];
};
const found = {};
for (const node of document.querySelectorAll('body *')) {
  const says = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
  if (!node.getClientRects().length || !(says || /^(input|select)$/.test(node.localName))) continue;
  const style = getComputedStyle(node);
  const ink = numbers(node.namespaceURI.endsWith('svg') ? style.fill : style.color).slice(0, 3);
  const [high, low] = [light(ink), light(behind(node))].sort((a, b) => b - a);
  found[`${node.localName}.${node.getAttribute('class')} ${ink}`] = (high + 0.05) / (low + 0.05);
}
return found;
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("damaged", [False, True], ids=["good", "damaged"])
def test_every_text_stands_out_from_its_ground(
    browser: Browser, page: Path, tmp_path: Path, scheme: str, *, damaged: bool
) -> None:
    """WCAG 2.1, 1.4.3: 4.5 to 1, red rows, labels of lanes, fields and buttons too."""
    shown = Altered(page).by(lambda evidence: evidence["events"].pop(7), tmp_path / "bad.html") if damaged else page
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.open(shown)
    browser.bad_rows()

    contrasts: dict[str, float] = browser.run(CONTRASTS)
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})

    assert len(contrasts) > 20
    assert {name: ratio for name, ratio in contrasts.items() if ratio < 4.5} == {}
