"""Situations for the tests of the rules: sound ones, from which each test breaks something."""

from dataclasses import replace

from ledger.domain.package import PackageName
from ledger.domain.package_facts import PackageFacts, PackageForm
from ledger.domain.reason import Rule
from ledger.domain.records import Driver, Verb
from ledger.domain.relup import Relup, RelupPath
from ledger.domain.situation import Situation, Verdict
from ledger.domain.version import Vsn
from tests.domain.nodes import FACTS, tables_of

INSTALLS = (Verb.INSTALL, Verb.UPGRADE, Verb.DOWNGRADE)
BOTH_WAYS = Relup("4.4.16", up=(RelupPath("4.4.0"),), down=(RelupPath("4.4.0"),))
PACKAGE = PackageFacts(
    path="/opt/emqx/releases/p.zip",
    name="emqx-4.4.16-otp24.3.4.2-1-ubuntu20.04-amd64.zip",
    form=PackageForm.ZIP,
    parsed=PackageName.parse("emqx-4.4.16-otp24.3.4.2-1-ubuntu20.04-amd64.zip"),
    size=1,
    sha256="0" * 64,
    vsn="4.4.16",
    erts="12.3.2.2",
    libs=(),
    folders=(),
    unpacked_bytes=1000,
    relup=BOTH_WAYS,
    problems=(),
    warnings=(),
)
UP = Situation(
    verb=Verb.UPGRADE,
    target=Vsn.parse("4.4.16"),
    tables=tables_of("4.4.0 permanent"),
    driver=Driver.EMBEDDED,
    facts=FACTS,
    packed=True,
    package=PACKAGE,
    relups={"4.4.16": BOTH_WAYS},
    owner="emqx",
    free_bytes=3000,
    running_erts="12.1.5",
    erts_of={"4.4.0": "12.1.5"},
)
KNOWN = replace(UP, packed=False, package=None, tables=tables_of("4.4.16 unpacked", "4.4.0 permanent"))
DOWN = replace(
    UP,
    verb=Verb.DOWNGRADE,
    target=Vsn.parse("4.4.0"),
    packed=False,
    package=None,
    tables=tables_of("4.4.16 permanent", "4.4.0 old"),
)
UNINSTALL = replace(
    DOWN, verb=Verb.UNINSTALL, tables=tables_of("4.4.16 permanent", "4.4.1 old", "4.4.0 old"), running_erts="12.3.2.2"
)


def named(name: str) -> PackageFacts:
    """Return a sound package under another name."""
    return replace(PACKAGE, name=name, parsed=PackageName.parse(name))


def refused(verdict: Verdict) -> list[Rule]:
    """Return the rules that forbid."""
    return [reason.rule for reason in verdict.reasons]


def warned(verdict: Verdict) -> list[Rule]:
    """Return the rules that warn."""
    return [reason.rule for reason in verdict.warnings]
