"""A desk to work at: an installation, its node of files, a record, and what was said."""

import shutil
from dataclasses import replace
from itertools import count
from pathlib import Path

from ledger.adapters.embedded_node import EmbeddedNode
from ledger.adapters.installation_root import InstallationRoot
from ledger.adapters.lock import INSTALLATION_LOCK, FileLock
from ledger.application.operations import Operations, Options, Outcome
from ledger.application.ports import ReleaseHandler
from ledger.application.registration import Claim, register
from ledger.domain.events import AnyReleaseEvent
from ledger.domain.reason import Rule
from ledger.domain.records import Context, InstallationFacts, Verb
from ledger.domain.releases import NodeReleases
from tests.fakes.record import MemoryRecord
from tests.fakes.recording import CONTEXT
from tests.fakes.small_releases import package_of, small_installation

STREAM = "release:emqx@10.0.0.7:rehearsal:0badcafe"
FACTS = InstallationFacts(edition="emqx", otp="24.1.5-3", erts="12.1.5", os="ubuntu20.04", arch="amd64")
BOOT_ID = "7d1b5f2e-0000-4000-8000-000000000001"


class Listener:
    """Hears what an operation says."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.advice: list[str] = []
        self.warnings: list[str] = []
        self.seen: list[tuple[int, int]] = []

    def say(self, line: str) -> None:
        """Keep a line of the user guide's words."""
        self.said.append(line)

    def advise(self, text: str) -> None:
        """Keep advice."""
        self.advice.append(text)

    def warn(self, text: str) -> None:
        """Keep a warning."""
        self.warnings.append(text)

    def progress(self, done: int, total: int) -> None:
        """Keep how far it is."""
        self.seen.append((done, total))


class Desk:
    """One registered installation and everything to change it with."""

    def __init__(self, packages: Path, root: Path, *, facts: InstallationFacts = FACTS) -> None:
        self.root = small_installation(packages, root)
        self.packages = packages
        self.record = MemoryRecord()
        self.listener = Listener()
        self.lock = FileLock(self.root / INSTALLATION_LOCK)
        self.handler = self.fresh_handler()
        self._numbers = count(1)
        claim = Claim(stream=STREAM, root=str(self.root), facts=facts)
        register(claim, record=self.record, handler=self.handler, lock=self.lock, contexts=self.context)

    def fresh_handler(self) -> ReleaseHandler:
        """Return the handler that a new command has."""
        return EmbeddedNode(self.root, boot_id=BOOT_ID, now=lambda: "2026-03-01T12:00:00.000000Z")

    @property
    def node(self) -> NodeReleases:
        """The node as the record has it."""
        return self.record.releases(STREAM)

    @property
    def events(self) -> tuple[AnyReleaseEvent, ...]:
        """What was recorded after the registration."""
        return self.record.events[1:]

    @property
    def names(self) -> list[str]:
        """The names of these events, as their topics have them."""
        return [event.TOPIC.split(".")[2] for event in self.events]

    def context(self, attempt: str | None) -> Context:
        """Return who acts and why."""
        return replace(CONTEXT, attempt=attempt)

    def offer(self, *vsns: str) -> None:
        """Put the packages of *vsns* into ``releases/``."""
        for vsn in vsns:
            path = package_of(self.packages, vsn)
            shutil.copyfile(path, self.root / "releases" / path.name)

    def change(
        self,
        verb: Verb,
        vsn: str | None = None,
        *,
        permanent: bool = True,
        allowed: tuple[Rule, ...] = (),
        dry_run: bool = False,
    ) -> Outcome:
        """Do *verb* as one command does."""
        operations = Operations(
            record=self.record,
            handler=self.handler,
            installation=InstallationRoot(self.root),
            lock=self.lock,
            stream=STREAM,
            contexts=self.context,
            new_id=lambda: f"0190d1ab-1234-7abc-8def-{next(self._numbers):012}",
            teller=self.listener,
        )
        options = Options(permanent=permanent, allowed=frozenset(allowed), dry_run=dry_run)
        return operations.change(verb, vsn, options)
