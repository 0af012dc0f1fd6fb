"""What a host keeps for the time in which its ledger is out of reach."""

import json
from pathlib import Path

import pytest

from ledger.adapters.lock import LockHeldError
from ledger.adapters.spool_place import KeptFolder, SpoolPlace, spool_origin
from ledger.application.kept_nodes import Kept
from ledger.tlog.checkpoint import parse_origin

FLEET = "fleet.example.com/release-ledger/0badcafe"
FOLD = Kept("release:emqx@10.0.0.7", 7, "FOLD")


@pytest.fixture
def kept(tmp_path: Path) -> KeptFolder:
    nodes = KeptFolder(tmp_path / "kept")
    nodes.begin()
    return nodes


def test_what_is_kept_is_found_and_never_goes_back(kept: KeptFolder) -> None:
    """The last command to write need not be the last that recorded."""
    other = Kept("release:emqx@10.0.0.8", 1, "OTHER")
    for each in (FOLD, other, Kept(FOLD.stream, 6, "EARLIER")):
        kept.keep(each)

    assert kept.find(FOLD.stream) == FOLD
    assert kept.all() == (FOLD, other)


def test_a_fold_is_unsure_until_a_commit_is_known(kept: KeptFolder) -> None:
    kept.keep(FOLD)
    kept.mark(FOLD.stream, unsure=True)
    kept.mark("release:emqx@10.0.0.9", unsure=True)

    assert [each.unsure for each in kept.all()] == [True]
    kept.keep(FOLD)
    assert kept.find(FOLD.stream) == FOLD


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"form": 2, "stream": "s", "version": 1, "fold": "", "unsure": false}']
)
def test_what_cannot_be_read_is_not_there(kept: KeptFolder, tmp_path: Path, text: str) -> None:
    kept.keep(FOLD)
    (file,) = (tmp_path / "kept").glob("*.json")
    file.write_text(text)

    assert kept.find(FOLD.stream) is None
    assert kept.all() == ()


def test_a_fold_under_the_name_of_another_is_not_taken(kept: KeptFolder, tmp_path: Path) -> None:
    kept.keep(FOLD)
    (file,) = (tmp_path / "kept").glob("*.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"stream": "release:emqx@10.0.0.8"}))

    assert kept.all() == ()


def test_nothing_is_kept_any_more_after_the_end(kept: KeptFolder) -> None:
    kept.keep(FOLD)

    kept.end()

    assert (kept.begun, kept.all()) == (False, ())


def test_every_spool_has_a_name_and_a_key_of_its_own(tmp_path: Path) -> None:
    """evidence.md 5.5: policies refuse one key under two names."""
    places = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        place = SpoolPlace(tmp_path / name)
        places.append(place.make(spool_origin(FLEET, "Broker_1")))
        assert place.is_there
        assert place.make("other.example.com/x").read_key().origin == places[-1].read_key().origin

    one, two = (folder.read_key() for folder in places)
    assert one.origin.startswith(f"{FLEET}/spool/broker-1/")
    assert (one.origin, one.vkey) != (two.origin, two.vkey)
    assert places[0].key_file.stat().st_mode & 0o777 == 0o600


def test_the_name_of_a_spool_is_one_however_long_that_of_the_ledger_is() -> None:
    fleet = "a." * 100 + "example.com/" + "x" * 43

    assert parse_origin(fleet)
    assert parse_origin(spool_origin(fleet, "h" * 200))


def test_a_spool_is_taken_away_whole(tmp_path: Path) -> None:
    place = SpoolPlace(tmp_path)
    place.make(spool_origin(FLEET, "h"))

    place.remove()

    assert not place.is_there
    assert [*tmp_path.iterdir()] == []


def test_who_records_shares_a_spool_and_who_joins_has_it_alone(tmp_path: Path) -> None:
    place = SpoolPlace(tmp_path)

    with (
        place.held("x", shared=True, wait=0),
        place.held("x", shared=True, wait=0),
        pytest.raises(LockHeldError),
        place.held("join", shared=False, wait=0),
    ):
        pass
    with place.held("join", shared=False, wait=0), pytest.raises(LockHeldError), place.held("x", shared=True, wait=0):
        pass
