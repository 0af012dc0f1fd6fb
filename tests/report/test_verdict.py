"""The verdict that a page reaches in a real browser: true on a good page, false and precise on every other."""

import base64
import json
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from ledger.tlog.vkey import Vkey
from projections.evidence import EvidenceReader
from projections.read import log_size, open_ledger
from tests.cli.lab import Lab

from .browser import Browser
from .records import Altered, Evidence, evidence_of, report, restated


def flip(text: str) -> str:
    """Return base64 of the same bytes but for the first one."""
    data = base64.b64decode(text)
    return base64.b64encode(bytes([data[0] ^ 1]) + data[1:]).decode()


def change_byte(evidence: Evidence) -> None:
    envelope = evidence["events"][7][2]
    envelope["event_id"] = envelope["event_id"][:-1] + ("0" if envelope["event_id"][-1] != "0" else "1")


def change_byte_and_hash(evidence: Evidence) -> None:
    change_byte(evidence)
    envelope = unpacked(evidence["events"][7][2], evidence["strings"])
    leaf = json.dumps(envelope, separators=(",", ":"), ensure_ascii=False).encode()
    evidence["events"][7][1] = base64.b64encode(sha256(b"\0" + leaf).digest()).decode()


def unpacked(value: object, strings: list[str]) -> object:
    if isinstance(value, str) and value.startswith("~"):
        return value[1:] if value.startswith("~~") else strings[int(value[1:], 36)]
    if isinstance(value, dict):
        return {name: unpacked(member, strings) for name, member in value.items()}
    return [unpacked(member, strings) for member in value] if isinstance(value, list) else value


def remove(evidence: Evidence) -> None:
    del evidence["events"][7]


def remove_and_renumber(evidence: Evidence) -> None:
    del evidence["events"][7]
    for at, event in enumerate(evidence["events"]):
        event[0] = at
    evidence["size"] -= 1


def add_behind(evidence: Evidence) -> None:
    size = evidence["size"]
    evidence["events"].append([size, *evidence["events"][7][1:]])


def add_twice(evidence: Evidence) -> None:
    evidence["events"].insert(8, evidence["events"][7])


def swap(evidence: Evidence) -> None:
    events = evidence["events"]
    events[7], events[8] = events[8], events[7]


def swap_under_their_numbers(evidence: Evidence) -> None:
    swap(evidence)
    evidence["events"][7][0], evidence["events"][8][0] = 7, 8


def change_newest_root(evidence: Evidence) -> None:
    evidence["checkpoints"][-1][1] = flip(evidence["checkpoints"][-1][1])


def change_earlier_root(evidence: Evidence) -> None:
    evidence["checkpoints"][7][1] = flip(evidence["checkpoints"][7][1])


def change_size(evidence: Evidence) -> None:
    evidence["checkpoints"][-1][0] += 1


def drop_newest_checkpoint(evidence: Evidence) -> None:
    del evidence["checkpoints"][-1]


def change_signature(evidence: Evidence) -> None:
    signature = base64.b64decode(evidence["checkpoints"][-1][2])
    evidence["checkpoints"][-1][2] = base64.b64encode(signature[:-1] + bytes([signature[-1] ^ 1])).decode()


def change_key_id(evidence: Evidence) -> None:
    evidence["checkpoints"][7][2] = flip(evidence["checkpoints"][7][2])


def cut_tail(evidence: Evidence) -> None:
    del evidence["events"][-3:]


def cut_tail_with_checkpoints(evidence: Evidence) -> None:
    cut_tail(evidence)
    del evidence["checkpoints"][-3:]


def change_key(evidence: Evidence) -> None:
    name = evidence["vkey"].split("+")[0]
    evidence["vkey"] = str(Vkey(name, Vkey.parse(evidence["vkey"]).key_type, b"\7" * 32))


ALTERATIONS: dict[Callable[[Evidence], None], tuple[str, tuple[int | str, ...]]] = {
    change_byte: ("event 7: ", (7,)),
    change_byte_and_hash: ("event 7: ", (7,)),
    remove: ("event 7: it is missing", (7,)),
    remove_and_renumber: ("event ", ()),
    add_behind: ("event {size}: it is not in the signed tree", ()),
    add_twice: ("event 7: it stands out of its place, or twice", (7,)),
    swap: ("event 7: event 8 stands in its place", (7, 8)),
    swap_under_their_numbers: ("event 7: ", (7,)),
    change_newest_root: ("the checkpoint of {size} events: its signature", ()),
    change_earlier_root: ("the checkpoint of 8 events: its signature", (7,)),
    change_size: ("the newest checkpoint: ", ()),
    drop_newest_checkpoint: ("the newest checkpoint: ", ()),
    change_signature: ("the checkpoint of {size} events: its signature", ()),
    change_key_id: ("the checkpoint of 8 events: its signature", (7,)),
    cut_tail: ("event {tail}: it is missing", ("tail",)),
    cut_tail_with_checkpoints: ("event {tail}: it is missing", ("tail",)),
    change_key: ("the checkpoint of 1 event: its signature", (0,)),
}


def test_a_good_page_is_verified(browser: Browser, page: Path) -> None:
    size = evidence_of(page)["size"]

    browser.open(page)

    assert browser.verdict() == "verified"
    assert f"{size} events of {size} hashed" in browser.text("#verdict-text")
    assert browser.bad_rows() == []


@pytest.mark.parametrize("change", ALTERATIONS, ids=lambda change: change.__name__)
def test_every_alteration_is_found_and_named(
    browser: Browser, page: Path, tmp_path: Path, change: Callable[[Evidence], None]
) -> None:
    """PRODUCT 9: verdict false and the right event named, for each of them."""
    where, rows = ALTERATIONS[change]
    size = evidence_of(page)["size"]
    altered = Altered(page).by(change, tmp_path / "altered.html")

    browser.open(altered)

    assert browser.verdict() == "failed"
    assert f"First difference: {where.format(size=size, tail=size - 3)}" in browser.text("#verdict-text")
    assert browser.bad_rows()[: len(rows)] == [size - 3 if row == "tail" else row for row in rows]


def test_a_page_of_some_events_is_verified_by_the_same_root(browser: Browser, lab: Lab, tmp_path: Path) -> None:
    some = report(lab, tmp_path / "some.html", "--type", "installed", "--type", "node_restarted")

    browser.open(some)

    assert browser.verdict() == "verified"
    assert "events are not in this page" in browser.text("#gaps")


@pytest.mark.parametrize("change", [change_byte, remove, swap, change_newest_root], ids=lambda change: change.__name__)
def test_an_altered_page_of_some_events_fails(
    browser: Browser, lab: Lab, tmp_path: Path, change: Callable[[Evidence], None]
) -> None:
    some = report(lab, tmp_path / "some.html", "--until", "20", "--since", "3")
    altered = Altered(some).by(change, tmp_path / "altered.html")

    browser.open(altered)

    assert browser.verdict() == "failed"


def test_without_ed25519_the_page_is_undecided_and_says_how_to_check(browser: Browser, page: Path) -> None:
    lacking = "crypto.subtle.importKey = () => Promise.reject(new DOMException('no', 'NotSupportedError'))"
    added = browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": lacking})

    browser.open(page)
    browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)

    assert browser.verdict() == "undecided"
    assert "no Ed25519" in browser.text("#verdict-text")
    assert "verify.sh" in browser.text("#verdict-text")


def test_a_page_without_a_key_is_undecided(browser: Browser, page: Path, tmp_path: Path) -> None:
    keyless = Altered(page).by(lambda evidence: evidence.update(vkey=None), tmp_path / "keyless.html")
    text = re.sub('<code data-fact="the key">.*?</code>', "a key that was not at hand", keyless.read_text())
    keyless.write_text(restated(text))

    browser.open(keyless)

    assert browser.verdict() == "undecided"


def test_the_reader_checks_with_a_key_of_his_own(browser: Browser, page: Path) -> None:
    own = evidence_of(page)["vkey"]
    other = str(Vkey(own.split("+")[0], Vkey.parse(own).key_type, b"\7" * 32))
    browser.open(page)
    verdicts = []
    for key in (other, "no key", own):
        browser.run(
            "document.getElementById('own-key-text').value = arguments[0];"
            "document.getElementById('own-key').requestSubmit()",
            key,
        )
        browser.wait("return document.getElementById('verdict').dataset.verdict")
        verdicts.append(browser.verdict())

    assert verdicts == ["failed", "failed", "verified"]
    assert "the key that you gave" in browser.text("#verdict-text")


@pytest.mark.parametrize("options", [(), ("--since", "3", "--until", "40", "--failed")])
def test_the_proof_of_an_event_is_that_of_the_command(
    browser: Browser, lab: Lab, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """C2SP tlog-proof; the bytes are those of ``show --proof``."""
    made = report(lab, tmp_path / "page.html", *options)
    number = evidence_of(made)["events"][2][0]
    with open_ledger(lab.ledger) as record:
        proof = EvidenceReader(record).proofs(log_size(record))(number).encode().decode()

    browser.open(made)
    browser.run("document.querySelector(arguments[0]).click()", f"#event-{number} button")
    browser.wait("return document.querySelector('.proof')")

    assert browser.text(".proof") == proof
