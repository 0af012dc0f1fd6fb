"""Pages whose data and text no longer say the same: the data was altered with care, or the text was."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.lab import Lab

from .browser import Browser
from .records import Altered, Evidence, evidence_of, impossible_history, record, report


def cut_all(evidence: Evidence) -> None:
    """Cut the tail and everything that would show it."""
    del evidence["events"][-3:]
    evidence["size"] -= 3
    evidence["checkpoints"] = [each for each in evidence["checkpoints"] if each[0] <= evidence["size"]]


def remove_earlier_checkpoint(evidence: Evidence) -> None:
    del evidence["checkpoints"][7]


def keep_newest_checkpoint(evidence: Evidence) -> None:
    del evidence["checkpoints"][:-1]


def change_seed(evidence: Evidence) -> None:
    evidence["sample"][1] = "Q2"


def change_origin(evidence: Evidence) -> None:
    evidence["origin"] += "x"


FORGED: dict[Callable[[Evidence], None], str] = {
    cut_all: "the text of this page: it states the number of events here as {size}, and the events give {cut}",
    remove_earlier_checkpoint: "the checkpoint of 8 events: it is missing: a commit ended there",
    keep_newest_checkpoint: "the checkpoint of 1 event: it is missing: a commit ended there",
    change_seed: "the text of this page: it states the sample as Q1, and the events give Q2",
    change_origin: "the checkpoint of 1 event: ",
}


@pytest.mark.parametrize("change", FORGED, ids=lambda change: change.__name__)
def test_data_that_agree_with_themselves_must_agree_with_the_text(
    browser: Browser, page: Path, tmp_path: Path, change: Callable[[Evidence], None]
) -> None:
    size = evidence_of(page)["size"]

    browser.open(Altered(page).by(change, tmp_path / "forged.html"))

    assert browser.verdict() == "failed"
    assert f"First difference: {FORGED[change].format(size=size, cut=size - 3)}" in browser.text("#verdict-text")


TEXTS = (
    (r'(data-fact="the number of changes">)[0-9]+', r"\g<1>1", "it states the number of changes as 1 changes"),
    (r'(data-fact="the root of the tree">).', r"\g<1>-", "it states the root of the tree as -"),
    (r'(data-fact="the nodes">)', r"\g<1>emqx@z, ", "it states the nodes as emqx@z, "),
    (r'(data-fact="the outcomes">)[0-9]+', r"\g<1>0", "it states the outcomes as 0 completed"),
    (r'(data-fact="the number of exceptions">failed: )[0-9]+', r"\g<1>0", "it states the number of exceptions as "),
    (r"<li>not signed by a person: .*?</li>", "", 'among the gaps it does not say "not signed by a person: '),
    (r'(<ul id="gaps">)', r"\g<1><li>clock: 1 of 9 events</li>", 'among the gaps it says "clock: 1 of 9 events"'),
    (r'(id="exception-table".*?<bdi>)', r"\g<1>x", "row 1 of the exceptions says "),
    (r'(id="exception-table".*?<tbody>\n)<tr>.*?</tr>', r"\g<1>", "the exceptions has "),
    (r'(id="sample".*?<bdi>)', r"\g<1>x", "row 1 of the sample says "),
    (r'(id="package-table".*?<code>)[0-9a-f]', r"\g<1>x", "row 1 of the packages says "),
    (r"(CC8.1</th><td>.*?</td><td>.*?</td><td>)[0-9]+", r"\g<1>0", 'row 1 of the controls says "0"'),
)


@pytest.mark.parametrize(("pattern", "instead", "said"), TEXTS, ids=[said for _, _, said in TEXTS])
def test_a_text_that_was_altered_is_quoted(
    browser: Browser, page: Path, tmp_path: Path, pattern: str, instead: str, said: str
) -> None:
    text, number = re.subn(pattern, instead, page.read_text(encoding="utf-8"), count=1, flags=re.DOTALL)
    assert number == 1
    forged = tmp_path / "forged.html"
    forged.write_text(text, encoding="utf-8")

    browser.open(forged)

    assert browser.verdict() == "failed"
    assert said in browser.text("#verdict-text")


WRITTEN = (
    ("a heading", "<h1>Release history", "<h1>Audited history"),
    ("a sentence", "<li>Integrity is not truth", "<li>Integrity is truth"),
    ("a sentence less", "<h3>Gaps</h3>", ""),
    ("the holders", "Nobody outside is known to hold", "Everybody outside is known to hold"),
    ("a gap without an event", "<li>not anchored: nobody", "<li>anchored: everybody"),
    ("what a control does not show", "approval and test are outside this record", "approval and test are shown"),
    ("the filters", "none: the whole record", "all: the whole record"),
    ("the rule of the sample", "is lowest, NUMBER", "is highest, NUMBER"),
    ("a second verdict", '<section id="verdict"', '<section id="verdict" class="verified">Verified</section>' * 2),
    ("a row of its own", '<tbody id="rows">', '<tbody><tr><td>999</td></tr></tbody><tbody id="rows">'),
    ("what is hidden", '<section aria-labelledby="exceptions">', '<section hidden aria-labelledby="exceptions">'),
    ("a script", "<main>", "<main><script>document.title = 'owned'</script>"),
    ("a handler", "<main>", "<main><img src=x onerror=\"document.title='owned'\">"),
    ("what stands behind the script", "</body>", "<p>Verified by somebody</p></body>"),
    ("the title", "<title>Release", "<title>Whole release"),
)


@pytest.mark.parametrize(("old", "new"), [each[1:] for each in WRITTEN], ids=[each[0] for each in WRITTEN])
def test_a_text_that_no_event_speaks_of_is_as_it_was_written(
    browser: Browser, page: Path, tmp_path: Path, old: str, new: str
) -> None:
    """A digest beside the data: whoever alters it too is found by the bundle alone (docs/report.md)."""
    text = page.read_text(encoding="utf-8")
    assert old in text
    forged = tmp_path / "forged.html"
    forged.write_text(text.replace(old, new, 1), encoding="utf-8")

    browser.open(forged)

    assert browser.verdict() == "failed"
    assert "the text of this page: it is not as it was written" in browser.text("#verdict-text")
    assert browser.run("return document.title") != "owned"
    browser.complaints()  # the policy has blocked what is no text


def test_the_digest_of_the_text_is_that_of_the_command_whatever_the_page_is_of(
    browser: Browser, lab: Lab, tmp_path: Path
) -> None:
    for at, options in enumerate((("-n", "1"), ("--failed",), ("--type", "note_added"), ("--sample", "999"))):
        browser.open(report(lab, tmp_path / f"{at}.html", *options))

        assert browser.verdict() == "verified", browser.text("#verdict-text")


def change_states(evidence: Evidence) -> None:
    """Alter all of them: those before the first event that states its tables are not checked."""
    for row in evidence["states"]:
        for release in row[5] or ():
            release[1] = "old" if release[1] != "old" else "current"


def change_hint(evidence: Evidence) -> None:
    numbers = {event[0] for event in evidence["events"]}
    hint = next(each for each in evidence["attempts"].values() if each[3] in numbers)
    hint[0] = "unpack" if hint[0] != "unpack" else "install"


def change_fell(evidence: Evidence) -> None:
    evidence["fell"] = [evidence["events"][5][0]]


@pytest.mark.parametrize("change", [change_states, change_hint, change_fell], ids=lambda change: change.__name__)
def test_what_a_page_of_some_events_is_told_must_agree_with_them(
    browser: Browser, lab: Lab, tmp_path: Path, change: Callable[[Evidence], None]
) -> None:
    some = report(lab, tmp_path / "some.html", "--since", "3", "--until", "40")

    browser.open(Altered(some).by(change, tmp_path / "altered.html"))

    assert browser.verdict() == "failed"
    assert re.search(r"First difference: event [0-9]+: (the table|the head of the data)", browser.text("#verdict-text"))
    assert browser.bad_rows() != []


def test_the_verdict_says_what_it_rests_on_and_what_nobody_checked(browser: Browser, lab: Lab, page: Path) -> None:
    browser.open(page)
    whole = browser.text("#verdict-scope")
    browser.open(report(lab, page.parent / "scope.html", "--type", "installed"))
    some = browser.text("#verdict-scope")

    assert "not checked: when, from what and with which filters the page was made; who holds checkpoints." in whole
    assert "how they ended, as far as those events are not here" in some
    assert re.search(r"[0-9]+ tables at a moment, and the picture of them, for which no event here speaks", some)


def test_a_history_that_cannot_have_happened_is_found(browser: Browser, tmp_path: Path) -> None:
    """Level 5 of evidence.md 6.1: signed and whole, but its tables do not follow from each other."""
    lab = record(tmp_path / "host", impossible_history(12))

    browser.open(report(lab, tmp_path / "page.html"))

    assert browser.verdict() == "failed"
    assert browser.text("#verdict-text") == (
        "First difference: event 6: it starts from other tables than the events up to it lead to."
    )
    assert browser.bad_rows() == [6]
