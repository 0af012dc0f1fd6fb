"""Packages at hand: each packed file in ``releases/``, and whether its release may be installed now.

What forbids it is judged by the rules that ``install`` is judged by, with nothing overridden.
"""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cli import bootstrap, drivers
from cli.here import choose_here
from cli.live import handler_of
from cli.reading import ask
from cli.session import Session
from cli.table import table_text
from ledger.application.ports import Installation, ReleaseHandler
from ledger.application.preflight import Wish, prepare
from ledger.domain.observation import Observation
from ledger.domain.package import PackageName, PackageNameError
from ledger.domain.package_facts import PackageFacts
from ledger.domain.reason import Reason, Rule
from ledger.domain.records import Verb
from ledger.domain.releases import NodeReleases
from ledger.domain.version import Vsn
from projections.refold import node_now
from projections.view import View
from projections.whereabouts import whereabouts

SCHEMA = "release-ledger/package/1"
_ONE_WAY = ("there is no way back", "there is no upgrade path")
_TARBALL = ("emqx-", ".tar.gz")


class Offer(NamedTuple):
    """One file: *may* tells whether its release may go now, *back* how one comes back from it.

    *warnings* is what is to be known before it goes.
    """

    name: str
    vsn: str
    sha256: str
    may: str
    reasons: tuple[str, ...]
    back: str
    warnings: tuple[str, ...] = ()


def list_packages(*, session: Session) -> int:
    """Print the packages at hand; return the exit code.

    Raises: the errors of reading a ledger; NodeUnknownError, NodeAmbiguousError; as ``look_at``.
    """
    node = ask(session, lambda view, ledger: _node(view, ledger, session))
    root = Path(node.root)
    installation, handler = drivers.installation_at(root, thorough=True), handler_of(node, session)
    with drivers.installation_lock(root).hold("packages", wait=0):
        seen = handler.observe()
    judge = _Judge(node, seen, handler, installation)
    offers = [judge.offer(path) for path in bootstrap.host_sight().packages(root)]
    if session.json:
        session.terminal.write("".join(_as_json(offer) for offer in offers))
    elif offers:
        columns = ("File", "Version", "May go now", "Remarks", "Way back", "SHA-256")
        rows = [
            (offer.name, offer.vsn or "-", offer.may, _notes(offer) or "-", offer.back, offer.sha256)
            for offer in offers
        ]
        session.terminal.write(table_text(columns, rows, session))
    else:
        session.terminal.say("No packages: copy them into releases/ under the names under which they were published.")
    return 0


def _node(view: View, ledger: sqlite3.Connection, session: Session) -> NodeReleases:
    streams = {node.stream for node in view.nodes()}
    places = [place for place in whereabouts(ledger) if place.id in streams]
    return node_now(ledger, choose_here(places, session.settings.node.value, folder=session.settings.ledger.value).id)


class _Judge:
    """Judges the packages of one installation."""

    def __init__(
        self, node: NodeReleases, seen: Observation, handler: ReleaseHandler, installation: Installation
    ) -> None:
        self._node, self._seen, self._handler, self._installation = node, seen, handler, installation

    def offer(self, path: Path) -> Offer:
        """Return what is to be said of one file.

        Raises: UnreadablePackageError.
        """
        vsn = _vsn_of(path.name)
        if vsn is None:
            reason = "its name is not that of a release package: keep the name under which it was published"
            return Offer(path.name, "", bootstrap.host_sight().digest_of(path), "no", (reason,), "-")
        found = self._installation.find_package(vsn)
        meant_one = isinstance(found, PackageFacts) and found.name == path.name
        digest = (
            found.sha256 if isinstance(found, PackageFacts) and meant_one else bootstrap.host_sight().digest_of(path)
        )
        if isinstance(found, PackageFacts) and not meant_one:
            return Offer(path.name, str(vsn), digest, "no", (f"{found.name} is taken instead",), "-")
        status = self._seen.tables.status(str(vsn))
        if self._seen.tables.running == str(vsn):
            return Offer(path.name, str(vsn), digest, "no", ("it runs already",), self._way_back(vsn, ()))
        wish = Wish(verb=Verb.INSTALL, target=vsn)
        verdict = prepare(
            wish, facts=self._node.facts, seen=self._seen, handler=self._handler, installation=self._installation
        ).verdict
        of_file = found if isinstance(found, tuple) and status is None else ()
        reasons = tuple(dict.fromkeys(_words(reason) for reason in (*verdict.reasons, *of_file)))
        may = "no" if reasons else "yes"
        back = self._way_back(vsn, (*verdict.reasons, *verdict.warnings))
        warnings = tuple(_words(reason) for reason in verdict.warnings)
        return Offer(path.name, str(vsn), digest, may, reasons, back, warnings)

    def _way_back(self, vsn: Vsn, findings: tuple[Reason, ...]) -> str:
        running = Vsn.known(self._seen.tables.running)
        if running is None or running == vsn:
            return "-"
        if any(reason.rule is Rule.RELUP and reason.message.startswith(_ONE_WAY) for reason in findings):
            return "none"
        return f"{'downgrade' if vsn > running else 'upgrade'} {running}"


def _notes(offer: Offer) -> str:
    return "; ".join((*offer.reasons, *(f"warning: {text}" for text in offer.warnings)))


def _words(reason: Reason) -> str:
    return f"{reason.rule}: {reason.message}: {reason.fact}"


def _vsn_of(name: str) -> Vsn | None:
    try:
        return PackageName.parse(name).vsn
    except PackageNameError:
        start, end = _TARBALL
        return Vsn.known(name.removeprefix(start).removesuffix(end)) if name.endswith(end) else None


def _members(offer: Offer) -> Iterator[tuple[str, object]]:
    yield "schema", SCHEMA
    yield "file", offer.name
    if offer.vsn:
        yield "vsn", offer.vsn
    yield "sha256", offer.sha256
    yield "may_go", offer.may == "yes"
    yield "reasons", list(offer.reasons)
    if offer.warnings:
        yield "warnings", list(offer.warnings)
    if offer.back != "-":
        yield "way_back", offer.back


def _as_json(offer: Offer) -> str:
    return json.dumps(dict(_members(offer)), separators=(",", ":")) + "\n"
