"""A page that was damaged on its way: no byte of its data and no end that is missing goes unseen."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.lab import Lab

from .browser import Browser
from .records import Altered, evidence_of, evidence_text, history, record, report

_MASKS = (0x01, 0x20)  # another character; the other case of a letter
_TRY_ALL = """
const [mask, step, key, done] = arguments;
const holder = document.getElementById('evidence');
const box = document.getElementById('verdict');
const whole = holder.textContent;
const bad = () => [...document.querySelectorAll('#rows tr.bad')].map((row) => Number(row.id.slice(6)));
const turn = () => new Promise((next) => {
  const channel = new MessageChannel();
  channel.port1.onmessage = next;
  channel.port2.postMessage(0);
});
async function judged(text) {
  holder.textContent = text;
  document.getElementById('own-key-text').value = key;
  document.getElementById('own-key').requestSubmit();
  const end = performance.now() + 120000;
  while (!box.dataset.verdict && performance.now() < end) await turn();
  await turn();
  return [box.dataset.verdict || "stuck", document.getElementById('verdict-text').textContent, bad()];
}
(async () => {
  const found = [];
  for (let at = 0; at < whole.length; at += step) {
    const other = String.fromCharCode(whole.charCodeAt(at) ^ mask);
    if (mask === 0x20 && !/[a-zA-Z]/.test(other)) continue;
    found.push([at, ...(await judged(whole.slice(0, at) + other + whole.slice(at + 1)))]);
  }
  found.push([-1, ...(await judged(whole))]);
  holder.textContent = whole;
  done(found);
})();
"""


class Tried(NamedTuple):
    """What a page with another byte at *at* says."""

    at: int
    verdict: str
    text: str
    rows: list[int]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    return report(record(folder / "host", history(2)[:2]), folder / "small.html", "--sample", "1", "--seed", "s")


@pytest.fixture(scope="module")
def some(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report(lab, tmp_path_factory.mktemp("some") / "some.html", "--since", "8", "--until", "11")


@pytest.mark.parametrize("mask", _MASKS)
def test_no_byte_of_the_data_changes_unseen_and_that_of_an_event_names_it(
    browser: Browser, small: Path, mask: int
) -> None:
    tried = _try_all(browser, small, mask)
    lines = _line_of_each_byte(evidence_text(small))
    numbers = len(evidence_of(small)["events"])

    good = tried.pop()

    assert good.verdict == "verified"
    assert [each for each in tried if each.verdict != "failed"] == []
    for each in tried:
        line = lines[each.at]
        if 1 <= line <= numbers:
            assert re.match(rf"First difference: event {line - 1}: ", each.text), each
            assert line - 1 in each.rows, each
        assert "atob" not in each.text
        assert "JSON" not in each.text


def test_bytes_of_a_page_of_some_events_do_not_change_unseen(browser: Browser, some: Path) -> None:
    """One in seven, because this page is longer."""
    tried = _try_all(browser, some, 0x01, step=7)

    assert tried.pop().verdict == "verified"
    assert [each for each in tried if each.verdict != "failed"] == []


def test_a_page_that_is_opened_with_a_changed_byte_says_the_same(browser: Browser, small: Path, tmp_path: Path) -> None:
    """The page as a file, digest and all: what the trial above does in one page."""
    text = evidence_text(small)
    for at in range(0, len(text), len(text) // 24):
        damaged = text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]
        target = tmp_path / "damaged.html"
        target.write_text(small.read_text(encoding="utf-8").replace(text, damaged), encoding="utf-8")

        browser.open(target)

        assert browser.verdict() == "failed", at


def test_damaged_base64_is_said_in_a_plain_sentence(browser: Browser, page: Path, tmp_path: Path) -> None:
    def damage(evidence: dict[str, list[list[str]]]) -> None:
        evidence["checkpoints"][7][2] = "!" + evidence["checkpoints"][7][2][1:]

    browser.open(Altered(page).by(damage, tmp_path / "damaged.html"))

    assert browser.verdict() == "failed"
    assert browser.text("#verdict-text") == (
        "First difference: the checkpoint of 8 events: a part of it is not base64 as it was written."
    )


def test_a_file_that_is_cut_short_says_that_it_is_not_checked(browser: Browser, small: Path, tmp_path: Path) -> None:
    """At any byte: before its script ends, nothing runs; behind that, nothing is missing but closing tags."""
    whole = small.read_bytes()
    verdict, end = whole.index(b'<section id="verdict"'), whole.rindex(b"</script>") + len(b"</script>")
    marks = (b"</style>", b'id="evidence"', b"</script>", b'"use strict"', b"main();\n})();")
    near = {whole.index(mark) + step for mark in marks for step in (-1, 0, 1, len(mark))}
    cut = tmp_path / "cut.html"
    for length in sorted({*range(1000, len(whole), len(whole) // 48), *near, end - 1, end, len(whole) - 1}):
        cut.write_bytes(whole[:length])

        browser.driver.get(cut.as_uri())
        said = browser.run("const w = document.getElementById('verdict-word'); return w && w.textContent")

        if length < verdict + 200:
            assert said in (None, "", "? Not checked"), length
        elif length < end:
            assert said == "? Not checked", length
        else:
            browser.wait("return document.documentElement.dataset.ready === 'yes'")
            assert browser.verdict() == "verified", length
    browser.complaints()  # a style that was cut has another digest than the policy allows


def test_without_scripts_the_page_says_that_it_is_not_checked(browser: Browser, page: Path) -> None:
    driver = browser.driver
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver.get(page.as_uri())
        root = driver.execute_cdp_cmd("DOM.getDocument", {"depth": 0})["root"]["nodeId"]
        node = driver.execute_cdp_cmd("DOM.querySelector", {"nodeId": root, "selector": "#verdict"})["nodeId"]
        text = driver.execute_cdp_cmd("DOM.getOuterHTML", {"nodeId": node})["outerHTML"]
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})

    words = Words()
    words.feed(text)

    assert words.text.split()[:3] == ["?", "Not", "checked"]
    assert "scripts are off" in words.text


class Words(HTMLParser):
    """The text of some HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def handle_data(self, data: str) -> None:
        self.text += data


def _try_all(browser: Browser, page: Path, mask: int, *, step: int = 1) -> list[Tried]:
    browser.open(page)
    browser.driver.set_script_timeout(600)
    found = browser.driver.execute_async_script(_TRY_ALL, mask, step, evidence_of(page)["vkey"])
    return [Tried(*each) for each in found]


def _line_of_each_byte(text: str) -> list[int]:
    lines, line = [], 0
    for character in text:
        lines.append(line)
        line += character == "\n"
    return lines
