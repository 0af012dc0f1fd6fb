"""The page as a file: its policy, its evidence, what is derived for it, and the command that writes it."""

import base64
import csv
import json
import re
import shutil
import zipfile
from hashlib import sha256
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cli.report.controls import CONTROLS, controls_csv
from cli.report.embedded import safe_json
from cli.report.model import subtrees
from cli.report.states import splice, spliced
from projections.history import WORDS
from tests.cli.lab import Lab
from tests.cli.schemas import schema_of

from .records import evidence_of, report

ROWS = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(("old", "current"))), max_size=6).map(tuple)


@given(ROWS, ROWS)
def test_a_change_of_a_table_gives_the_table_again(
    before: tuple[tuple[str, str], ...], after: tuple[tuple[str, str], ...]
) -> None:
    assert spliced(before, splice(before, after)) == after


@given(st.integers(0, 300), st.integers(0, 300))
def test_subtrees_cover_a_gap_once_and_are_nodes_of_the_tree(one: int, other: int) -> None:
    """RFC 6962, section 2.1: a complete subtree of 2^n leaves begins at a multiple of 2^n."""
    start, stop = sorted((one, other))

    leaves = [leaf for level, index in subtrees(start, stop) for leaf in range(index << level, (index + 1) << level)]

    assert leaves == list(range(start, stop))


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_embedded_json_ends_no_script_and_reads_back(value: object) -> None:
    """HTML, script data states: nothing but ``<`` can begin an end tag or a comment."""
    text = safe_json(value)

    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == value


def test_the_policy_allows_this_style_and_this_script_alone(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    allowed = {
        f"{name}-src 'sha256-{base64.b64encode(sha256(body.encode()).digest()).decode()}'"
        for name, tag in (("style", "style"), ("script", "script"))
        for body in re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    }

    parts = policy[1].replace("&#39;", "'").split("; ")

    assert parts[0] == "default-src 'none'"
    assert set(parts[1:3]) == allowed
    assert set(parts[3:]) == {"base-uri 'none'", "form-action 'none'"}


def test_the_page_names_nothing_outside_itself(page: Path) -> None:
    found = Attributes()
    found.feed(page.read_text(encoding="utf-8"))

    outside = [
        (tag, name, value)
        for tag, name, value in found.attributes
        if name in {"src", "srcset", "style", "action", "formaction", "data", "background"}
        or name.startswith("on")
        or (name == "href" and not value.startswith("#"))
    ]

    assert outside == []
    assert "@import" not in found.style
    assert set(re.findall(r"url\([^)]*\)", found.style)) == {"url(#hatch)", "url(#dots)"}


def test_sections_stand_in_the_order_in_which_an_auditor_reads(page: Path) -> None:
    """PRODUCT section 9: verdict first, exceptions before the rest."""
    found = re.findall(r'<(?:section|h2|h3) id="([a-z]+)"', page.read_text(encoding="utf-8"))

    assert found == [
        *("verdict", "outside", "scope", "population", "exceptions", "timeline", "attempts"),
        *("checkpoints", "packages", "controls", "limits"),
    ]


def test_the_sample_is_drawn_by_the_rule_that_it_states(lab: Lab, page: Path) -> None:
    """The lowest SHA-256 of ``<seed>:<number>`` among the first events of the changes."""
    events = lab.process("export", "--format", "jsonl").out.splitlines()
    asked = [json.loads(line) for line in events]
    asks = ("operation_requested", "operation_refused")
    firsts: dict[str, int] = {}
    for event in asked:
        if event["type"] in asks:
            firsts.setdefault(event["attempt"], event["index"])
    drawn = sorted(firsts.values(), key=lambda number: sha256(f"Q1:{number}".encode()).digest())[:3]

    text = page.read_text(encoding="utf-8")
    table = re.search(r'<table id="sample".*?</table>', text, re.DOTALL)

    assert table is not None
    assert [int(number) for number in re.findall(r'data-event="([0-9]+)"', table[0])] == sorted(drawn)
    assert f">{len(firsts)} changes</span> were asked for" in text


def test_exceptions_are_counted_by_kind_and_name_their_events(lab: Lab, page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    events = [json.loads(line) for line in lab.process("export", "--format", "jsonl").out.splitlines()]
    refused = [event["index"] for event in events if event["type"] == "operation_refused"]
    reverted = [event["index"] for event in events if event["data"].get("reverted")]
    drift = [event["index"] for event in events if event["type"] == "drift_observed"]

    for kind, numbers in (("refused", refused), ("reverted by restart", reverted), ("drift", drift)):
        rows = re.findall(rf'<th scope="row"[^>]*>{kind}</th><td[^>]*><a href="#event-([0-9]+)"', text)
        assert [int(number) for number in rows] == numbers
        assert f"{kind}: {len(numbers)}" in text


def test_gaps_are_said_with_their_numbers(lab: Lab, page: Path, tmp_path: Path) -> None:
    size = evidence_of(page)["size"]
    some = report(lab, tmp_path / "some.html", "--type", "installed").read_text(encoding="utf-8")

    whole = page.read_text(encoding="utf-8")

    assert f"nobody outside is known to hold a note of the last {size} of {size} events" in whole
    assert f"{size} of {size} events rest on what the operating system said" in whole
    assert "<li>not covered" not in whole
    assert "<li>checkpoints: " not in whole
    assert "<li>checkpoints: only the newest is in this page" in some
    assert "types=installed" in some
    assert "events are not in this page" in some


def test_rehearsals_are_marked(page: Path) -> None:
    """RULINGS 2."""
    assert "emqx@b (rehearsal)" in page.read_text(encoding="utf-8")


def test_each_control_is_a_row_of_csv_with_events_that_exist() -> None:
    rows = list(csv.DictReader(StringIO("".join(controls_csv(())))))
    wanted = {"CC8.1", "A.8.32", "A.8.15", "AU-2", "AU-3", "AU-8", "AU-9", "AU-10", "CM-3", "CM-5", "10"}

    assert wanted <= {row["control"] for row in rows}
    assert all(row["not_shown"] for row in rows)
    assert {name for control in CONTROLS for name in control.types} - {"every event"} <= set(WORDS)


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_a_whole_bundle_gives_the_evidence_that_its_ledger_gives(lab: Lab, tmp_path: Path, form: str) -> None:
    own = copied(lab, tmp_path / "host")
    before = evidence_of(report(own, tmp_path / "ledger.html"))
    bundle = tmp_path / ("bundle.zip" if form == "zip" else "bundle")
    assert own.run("export", "-o", str(bundle)).code == 0

    after = evidence_of(report(own, tmp_path / "bundle.html", str(bundle)))

    assert after == {**before, "checkpoints": before["checkpoints"][-1:]}


def test_no_report_is_made_of_an_altered_bundle(lab: Lab, tmp_path: Path) -> None:
    own = copied(lab, tmp_path / "host")
    own.run("export", "-o", str(tmp_path / "bundle"))
    entries = next((tmp_path / "bundle/tile/entries").iterdir())
    entry = next(entries.iterdir()) if entries.is_dir() else entries
    entry.write_bytes(entry.read_bytes().replace(b"os:1", b"os:9", 1))

    done = own.run("report", str(tmp_path / "bundle"), "-o", str(tmp_path / "page.html"))

    assert done.code == 6
    assert not (tmp_path / "page.html").exists()


def test_a_sample_is_no_whole_history(lab: Lab, tmp_path: Path) -> None:
    own = copied(lab, tmp_path / "host")
    own.run("export", "-o", str(tmp_path / "sample"), "--event", "3")

    done = own.run("report", str(tmp_path / "sample"), "-o", str(tmp_path / "page.html"))

    assert (done.code, done.err.splitlines()[0]) == (1, f"error: {tmp_path / 'sample'} holds a sample")


def test_what_is_no_bundle_is_refused(lab: Lab, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.writestr("hello", "world")

    done = lab.run("report", str(tmp_path / "other.zip"), "-o", str(tmp_path / "page.html"))

    assert done.code in {3, 6}
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("options", "fact"),
    [
        ((), "a report needs -o FILE.html"),
        (("-o", "page.html", "--seed", "x"), "--seed is for --sample"),
        (("-o", "-"), "a report is a file"),
        (("-o", "page.html", "--sample", "2", "--seed", ""), "a seed is text that a reader of the page can copy"),
        (("-o", "page.html", "--sample", "2", "--seed", "a\nb"), "a seed is text that a reader of the page can copy"),
        (
            ("-o", "page.html", "--sample", "2", "--seed", "a\u200b"),
            "a seed is text that a reader of the page can copy",
        ),
        (("-o", "page.html", "--vsn", "4.4"), "a version is"),
        (("-o", "page.html", "--vkey", "none"), "a vkey is"),
        (("-o", "page.html", "--node", "emqx@elsewhere"), "registered: "),
        (("-o", "page.html", "--ticket", "CHG-none"), "no event is what was asked for"),
    ],
)
def test_what_makes_no_report_is_said(lab: Lab, tmp_path: Path, options: tuple[str, ...], fact: str) -> None:
    given_options = [str(tmp_path / option) if option == "page.html" else option for option in options]

    done = lab.run("report", *given_options)

    assert done.code in {1, 3}
    assert fact in done.err
    assert not (tmp_path / "page.html").exists()


def test_a_file_that_is_there_is_kept(lab: Lab, tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    target.write_text("mine")

    done = lab.run("report", "-o", str(target))

    assert done.code == 1
    assert target.read_text() == "mine"


def test_the_command_says_what_it_wrote(lab: Lab, tmp_path: Path) -> None:
    told = lab.run("report", "-o", str(tmp_path / "one.html"), "--failed")
    machine = lab.run("report", "-o", str(tmp_path / "two.html"), "--failed", "--json")

    events = len(evidence_of(tmp_path / "one.html")["events"])

    assert told.out == f"Reported {events} of {machine.json['tree_size']} events: {tmp_path / 'one.html'}\n"
    assert (machine.json["schema"], machine.json["events"]) == ("release-ledger/report/1", events)
    Draft202012Validator(schema_of("report")).validate(machine.json)


class Attributes(HTMLParser):
    """Every attribute of every element, and the text of the style."""

    def __init__(self) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str]] = []
        self.style = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.style += data if self.lasttag == "style" else ""


def copied(lab: Lab, folder: Path) -> Lab:
    """Return a host with a copy of the ledger, which an export changes."""
    shutil.copytree(lab.folder, folder)
    return Lab(folder)
