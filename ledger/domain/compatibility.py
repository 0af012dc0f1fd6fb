"""The rules of a hot upgrade, as a list of named rules that gives *all* reasons at once.

Each rule is a function from a situation to its findings. Which rule binds which verb stands in
``_BINDS`` (RULINGS 20). A finding is a refusal, or a warning that is recorded; an override
(``--allow``) turns the refusals of its rule into warnings. Rules 3 and 8 and the state machine
cannot be overridden (PRODUCT section 3).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from ledger.domain.plan import INSTALL_KINDS
from ledger.domain.reason import Reason, Rule
from ledger.domain.records import Driver, Verb
from ledger.domain.relup import Relup, RelupPath
from ledger.domain.situation import Situation, Verdict
from ledger.domain.status import ReleaseStatus
from ledger.domain.version import OtpVsn, Vsn

OVERRIDABLE = frozenset(
    {
        Rule.MINOR,
        Rule.EDITION,
        Rule.OTP_MAJOR,
        Rule.OS,
        Rule.ARCH,
        Rule.DIRECTION,
        Rule.RUNNING_ERTS,
        Rule.OWNER,
        Rule.SPACE,
    }
)

_FIRST_HOT_UPGRADE = (4, 2)
_LAST_MAJOR = 4
_NEVER = ("windows", "macos")
SPACE_FACTOR = 3
"""How many times the size of a release is wanted free before it is unpacked."""


class Finding(NamedTuple):
    """A reason, and whether it only warns."""

    reason: Reason
    warns: bool = False


def judge(situation: Situation, *, allowed: frozenset[Rule] = frozenset()) -> Verdict:
    """Return every reason against *situation*, and every warning, in the order of the rules.

    What is *allowed* and is no rule that can be overridden has no effect.
    """
    allowed &= OVERRIDABLE
    findings = [finding for rule in _BINDS[situation.verb] for finding in _RULES[rule](situation)]
    reasons = tuple(f.reason for f in findings if not f.warns and f.reason.rule not in allowed)
    warnings = tuple(f.reason for f in findings if f.warns or f.reason.rule in allowed)
    return Verdict(reasons, warnings)


def rules_of(verb: Verb) -> tuple[Rule, ...]:
    """Return the rules that bind *verb*, in their order (RULINGS 20)."""
    return _BINDS[verb]


def words_on_stdout(reasons: tuple[Reason, ...]) -> tuple[str, ...]:
    """Return the words that the user guide has for the first of *reasons* that has any (RULINGS 34)."""
    return next((reason.words for reason in reasons if reason.words), ())


def _version(s: Situation) -> Iterator[Finding]:
    hint = "install this version anew and move the clients over"
    for vsn in filter(None, (s.target, s.running)):
        if vsn.major > _LAST_MAJOR or vsn.line < _FIRST_HOT_UPGRADE:
            fact = f"hot upgrade exists from 4.2.0 up to 4.x, {vsn} is outside"
            yield Finding(Reason(Rule.VERSION, f"release {vsn} cannot be hot upgraded", fact, hint))
    if s.tables.running and s.running is None:
        fact = f"what runs is called {s.tables.running}, which is not MAJOR.MINOR.PATCH with an optional -pre part"
        yield Finding(Reason(Rule.VERSION, f"release {s.tables.running} cannot be hot upgraded", fact, hint))
    packaged = s.package.parsed.os if s.package and s.package.parsed else None
    if _is_never(packaged) or _is_never(s.facts.os):
        what, os_name = ("package", packaged) if _is_never(packaged) else ("installation", s.facts.os)
        fact = f"the {what} is for {os_name}, where EMQX has no hot upgrade"
        yield Finding(Reason(Rule.VERSION, f"release {s.target} cannot be hot upgraded", fact, hint))


def _is_never(os_name: str | None) -> bool:
    """Tell whether *os_name* is a system for which no override exists: rule 1 refuses it."""
    return os_name is not None and os_name.startswith(_NEVER)


def _minor(s: Situation) -> Iterator[Finding]:
    if s.running is not None and s.target.line != s.running.line:
        message = f"Cannot upgrade/downgrade to {s.target} from {s.running}"
        fact = "We only support relup between patch versions"
        line = f"{s.running.major}.{s.running.minor}.x"
        hint = f"take a package of the {line} line, or install {s.target} anew; `--allow minor` overrides with a reason"
        yield Finding(Reason(Rule.MINOR, message, fact, hint, words=(message, fact)))


def _edition(s: Situation) -> Iterator[Finding]:
    if s.package and s.package.parsed:
        yield from _same(Rule.EDITION, str(s.package.parsed.edition), s.facts.edition, "edition")


def _otp_major(s: Situation) -> Iterator[Finding]:
    if s.package and s.package.parsed:
        known = s.facts.otp or (str(OtpVsn.of_erts(s.facts.erts)) if s.facts.erts else None)
        major = str(OtpVsn.parse(known).major) if known else None
        yield from _same(Rule.OTP_MAJOR, str(s.package.parsed.otp.major), major, "OTP major")


def _os(s: Situation) -> Iterator[Finding]:
    if s.package and s.package.parsed:
        yield from _same(Rule.OS, s.package.parsed.os, s.facts.os, "operating system")


def _arch(s: Situation) -> Iterator[Finding]:
    if s.package and s.package.parsed:
        yield from _same(Rule.ARCH, s.package.parsed.arch, s.facts.arch, "architecture")


def _same(rule: Rule, packaged: str, known: str | None, what: str) -> Iterator[Finding]:
    if known is None:
        fact = f"the package says {packaged}, the {what} of the installation is not known"
        hint = f"state it once with `release-ledger init --{_STATED_BY[rule]} …`"
        yield Finding(Reason(rule, f"the {what} was not checked", fact, hint), warns=True)
    elif packaged != known:
        fact = f"the package is for {what} {packaged}, the installation has {known}"
        # What no override lets through (rule 1) offers none.
        never = rule is Rule.OS and (_is_never(packaged) or _is_never(known))
        override = "" if never else f"; `--allow {rule}` overrides with a reason"
        hint = f"take the package whose {what} is {known}{override}"
        yield Finding(Reason(rule, f"the {what} of the package is another one", fact, hint))


def _package(s: Situation) -> Iterator[Finding]:
    if s.packed:
        for reason in (*s.package_reasons, *(s.package.problems if s.package else ())):
            yield Finding(reason)
        for reason in s.package.warnings if s.package else ():
            yield Finding(reason, warns=True)


def _relup(s: Situation) -> Iterator[Finding]:
    if s.running is None or s.running == s.target or _is_unread(s):
        return
    warns = s.verb is Verb.UNPACK
    higher = str(max(s.target, s.running))
    if higher in s.relup_faults:
        hint = f"take a sound package of {higher}"
        yield Finding(Reason(Rule.RELUP, f"the relup of {higher} is unreadable", s.relup_faults[higher], hint), warns)
        return
    relup = s.relups.get(higher)
    there, back = _ways(relup, s.running, s.target)
    if there is None:
        yield Finding(_no_way(s, relup, higher), warns)
        return
    if there.restarts_emulator:
        yield _emulator_restart(s, warns=warns)
    if back is None:
        fact = f"the relup of {higher} has no path from {s.target} to {s.running}"
        hint = "keep a backup: the downgrade would be refused"
        yield Finding(Reason(Rule.RELUP, f"there is no way back from {s.target}", fact, hint), warns=True)


def _is_unread(s: Situation) -> bool:
    """Tell whether the package that would say the ways is missing, or too broken to say them."""
    return s.packed and (s.package is None or (s.package.relup is None and bool(s.package.problems)))


def _ways(relup: Relup | None, running: Vsn, target: Vsn) -> tuple[RelupPath | None, RelupPath | None]:
    if relup is None:
        return None, None
    if target > running:
        return relup.up_from(str(running)), relup.down_to(str(running))
    return relup.down_to(str(target)), relup.up_from(str(target))


def _no_way(s: Situation, relup: Relup | None, higher: str) -> Reason:
    if relup is None:
        fact = f'{{enoent,"releases/{higher}/relup"}}: release {higher} has no relup file'
        known = ""
    else:
        fact = f'{{no_matching_relup,"{s.target}","{s.running}"}}: the relup of {higher} has no such path'
        known = ", ".join(
            path.vsn for path in (relup.up if s.target == max(s.target, s.running or s.target) else relup.down)
        )
    hint = f"it knows {known}: go through one of these" if known else "go through another version, or install anew"
    return Reason(Rule.RELUP, f"there is no upgrade path from {s.running} to {s.target}", fact, hint)


def _emulator_restart(s: Situation, *, warns: bool) -> Finding:
    fact = f"the relup between {s.running} and {s.target} restarts the emulator: all clients are disconnected"
    if s.driver is Driver.EMBEDDED:
        hint = "rehearse a version whose relup keeps the emulator running"
        message = "an emulator restart cannot be rehearsed"
        return Finding(Reason(Rule.RELUP, message, fact, hint), warns)
    return Finding(Reason(Rule.RELUP, "this is not a hot upgrade", fact, "plan for the reconnects"), warns=True)


def _owner(s: Situation) -> Iterator[Finding]:
    if s.foreign:
        named = ", ".join(s.foreign[:5]) + (f" and {len(s.foreign) - 5} more" if len(s.foreign) > 5 else "")  # noqa: PLR2004 # five paths are enough to see the pattern
        fact = f"the installation belongs to user {s.owner}, these do not, or cannot be written: {named}"
        hint = f"`chown -R {s.owner}` them; `--allow owner` overrides with a reason"
        yield Finding(Reason(Rule.OWNER, "files to be written have another owner", fact, hint))


def _space(s: Situation) -> Iterator[Finding]:
    if s.package is None or s.free_bytes is None:
        return
    needed = SPACE_FACTOR * s.package.unpacked_bytes
    if s.free_bytes < needed:
        fact = f"{needed} bytes are wanted ({SPACE_FACTOR} times the unpacked size), {s.free_bytes} are free"
        hint = "free space under the installation; `--allow space` overrides with a reason"
        yield Finding(Reason(Rule.SPACE, "there is too little free space", fact, hint))


def _direction(s: Situation) -> Iterator[Finding]:
    if s.running is None or s.verb not in {Verb.UPGRADE, Verb.DOWNGRADE}:
        return
    wrong = s.target < s.running if s.verb is Verb.UPGRADE else s.target > s.running
    if wrong:
        other = Verb.DOWNGRADE if s.verb is Verb.UPGRADE else Verb.UPGRADE
        way = "down" if other is Verb.DOWNGRADE else "up"
        fact = f"{s.target} is {'lower' if way == 'down' else 'higher'} than {s.running}, which runs"
        hint = f"`release-ledger {other} {s.target}` goes {way}; `--allow direction` overrides with a reason"
        yield Finding(Reason(Rule.DIRECTION, f"{s.verb} to {s.target} would go {way}", fact, hint))


def _status(s: Situation) -> Iterator[Finding]:
    status = s.tables.status(str(s.target))
    match s.verb:
        case Verb.PERMANENT if status not in {ReleaseStatus.CURRENT, ReleaseStatus.PERMANENT}:
            fact = f"release {s.target} is {status or 'not known'}; only a current one can be made permanent"
            yield Finding(_state(s, "cannot be made permanent", fact, f"`release-ledger install {s.target}` first"))
        case Verb.UNINSTALL:
            yield from _status_of_uninstall(s, status)
        case Verb.UNPACK if status is not ReleaseStatus.UNPACKED:
            return
        case _:
            yield from _damage(s, status)


def _status_of_uninstall(s: Situation, status: ReleaseStatus | None) -> Iterator[Finding]:
    if status in {ReleaseStatus.CURRENT, ReleaseStatus.PERMANENT}:
        words = "marked current" if status is ReleaseStatus.CURRENT else "permanent"
        line = f"Uninstall failed: Release {s.target} is {words}."
        back = f"; `release-ledger restart` boots {s.tables.permanent} and leaves {s.target} unpacked"
        hint = f"make another release permanent first{back if status is ReleaseStatus.CURRENT else ''}"
        fact = f"release {s.target} is {status}"
        yield Finding(Reason(Rule.STATUS, f"release {s.target} cannot be uninstalled", fact, hint, words=(line,)))
    elif status is ReleaseStatus.OLD and not any(
        row is ReleaseStatus.OLD for vsn, row in s.tables.memory if vsn != str(s.target)
    ):
        fact = f"{s.target} is the last old release: without it the way back needs its package again"
        hint = "keep its package"
        yield Finding(_state(s, "is the last way back", fact, hint), warns=True)


def _damage(s: Situation, status: ReleaseStatus | None) -> Iterator[Finding]:
    if not s.missing or status is None:
        return
    if status is ReleaseStatus.UNPACKED and not lost_for_good(s.missing):
        return
    fact = f"missing: {', '.join(s.missing)}"
    if status in {ReleaseStatus.UNPACKED, ReleaseStatus.OLD}:
        hint = f"`release-ledger uninstall {s.target}`, then `release-ledger unpack {s.target}`"
    else:
        hint = "put these back from the package of this version"
        if status is ReleaseStatus.CURRENT:
            hint += f"; or `release-ledger restart`, which boots {s.tables.permanent} and leaves this one unpacked"
    yield Finding(_state(s, "is damaged", fact, hint))


def lost_for_good(missing: tuple[str, ...]) -> bool:
    """Tell whether parts are missing that unpacking again does not bring back: libraries or emulator."""
    return any(path.startswith(("lib/", "erts-")) for path in missing)


def _state(s: Situation, what: str, fact: str, hint: str) -> Reason:
    return Reason(Rule.STATUS, f"release {s.target} {what}", fact, hint)


def _running_erts(s: Situation) -> Iterator[Finding]:
    erts = s.erts_of.get(str(s.target))
    others = {found for vsn, found in s.erts_of.items() if vsn != str(s.target)}
    removable = s.tables.status(str(s.target)) in {ReleaseStatus.UNPACKED, ReleaseStatus.OLD}
    if removable and erts is not None and erts == s.running_erts and erts not in others:
        fact = f"erts-{erts} runs the node and no other release names it"
        hint = "restart the node first, so that it runs on the new emulator; `--allow running-erts` overrides"
        message = f"uninstalling {s.target} would remove the running emulator"
        yield Finding(Reason(Rule.RUNNING_ERTS, message, fact, hint))


def _boot_files(s: Situation) -> Iterator[Finding]:
    hint = "run `release-ledger recover`: it makes them agree"
    # A restart boots what emqx_vars names whether they agree or not (RULINGS 20 does not bind it).
    warns = s.verb is Verb.RESTART
    for problem in s.boot_problems:
        yield Finding(Reason(Rule.BOOT_FILES, "a boot file cannot be read", problem, hint), warns)
    if not s.boot_problems and not s.tables.boot_files_agree():
        t = s.tables
        on_disk = next((vsn for vsn, status in t.disk or () if status is ReleaseStatus.PERMANENT), "none")
        fact = (
            f"permanent is {t.permanent or 'none'} in memory, {on_disk} in RELEASES, "
            f"{t.start_erl or 'none'} in start_erl.data, {t.rel_vsn or 'none'} in emqx_vars"
        )
        yield Finding(Reason(Rule.BOOT_FILES, "the boot files disagree on what is permanent", fact, hint), warns)


_STATED_BY: Mapping[Rule, str] = {Rule.EDITION: "edition", Rule.OTP_MAJOR: "otp", Rule.OS: "os", Rule.ARCH: "arch"}
_RULES: Mapping[Rule, Callable[[Situation], Iterator[Finding]]] = {
    Rule.VERSION: _version,
    Rule.MINOR: _minor,
    Rule.EDITION: _edition,
    Rule.OTP_MAJOR: _otp_major,
    Rule.OS: _os,
    Rule.ARCH: _arch,
    Rule.PACKAGE: _package,
    Rule.RELUP: _relup,
    Rule.OWNER: _owner,
    Rule.SPACE: _space,
    Rule.DIRECTION: _direction,
    Rule.STATUS: _status,
    Rule.RUNNING_ERTS: _running_erts,
    Rule.BOOT_FILES: _boot_files,
}
_OF_PACKAGE = (Rule.VERSION, Rule.MINOR, Rule.EDITION, Rule.OTP_MAJOR, Rule.OS, Rule.ARCH, Rule.PACKAGE, Rule.RELUP)
_OF_UNPACK = (*_OF_PACKAGE, Rule.OWNER, Rule.SPACE, Rule.STATUS, Rule.BOOT_FILES)
_OF_INSTALL = (*_OF_PACKAGE, Rule.OWNER, Rule.SPACE, Rule.DIRECTION, Rule.STATUS, Rule.BOOT_FILES)
# RULINGS 20; the state machine binds every verb.
_BINDS: Mapping[Verb, tuple[Rule, ...]] = {
    Verb.UNPACK: _OF_UNPACK,
    **dict.fromkeys(INSTALL_KINDS, _OF_INSTALL),
    Verb.PERMANENT: (Rule.OWNER, Rule.STATUS, Rule.BOOT_FILES),
    Verb.UNINSTALL: (Rule.OWNER, Rule.STATUS, Rule.RUNNING_ERTS, Rule.BOOT_FILES),
    Verb.RESTART: (Rule.BOOT_FILES,),
}
