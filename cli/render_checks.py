"""The checks of one attempt: each rule that was judged, with the fact it rests on, out of the recorded request.

A rule that neither warned nor refused passed; its fact is what the request says of both sides.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

_OF_PACKAGE = ("version", "minor", "edition", "otp-major", "os", "arch", "package", "relup")
_OF_INSTALL = (*_OF_PACKAGE, "owner", "space", "direction", "status", "boot-files")
BINDING: Mapping[str, tuple[str, ...]] = {
    "unpack": (*_OF_PACKAGE, "owner", "space", "status", "boot-files"),
    **dict.fromkeys(("install", "upgrade", "downgrade"), _OF_INSTALL),
    "permanent": ("owner", "status", "boot-files"),
    "uninstall": ("owner", "status", "running-erts", "boot-files"),
    "restart": ("boot-files",),
}
"""What ``ledger.domain.compatibility.rules_of`` says, without the cost of loading all rules; a test compares them."""

_NEED_A_PACKAGE = frozenset({"edition", "otp-major", "os", "arch", "package", "space"})
_FACT_OF = {"edition": "edition", "otp-major": "otp", "os": "os", "arch": "arch"}


class Check(NamedTuple):
    """One rule as it was judged: passed, warned, overridden, refused, or not needed."""

    rule: str
    verdict: str
    fact: str
    hint: str = ""


def checks_of(asked: Mapping[str, Any]) -> Iterator[Check]:
    """Yield the checks of a request or a refusal, in the order of the rules."""
    allowed = asked.get("allowed", ())
    for rule in BINDING[asked["verb"]]:
        refused = [reason for reason in asked.get("reasons", ()) if reason["rule"] == rule]
        warned = [reason for reason in asked.get("warnings", ()) if reason["rule"] == rule]
        for verdict, reasons in (("refused", refused), ("overridden" if rule in allowed else "warned", warned)):
            for reason in reasons:
                yield Check(rule, verdict, f"{reason['message']}: {reason['fact']}", reason["hint"])
        if not refused and not warned:
            needed = rule not in _NEED_A_PACKAGE or "package" in asked
            yield Check(rule, "passed" if needed else "not needed", _fact(rule, asked))


def _fact(rule: str, asked: Mapping[str, Any]) -> str:
    package: Mapping[str, Any] = asked.get("package", {})
    if rule in _NEED_A_PACKAGE and not package:
        return "no package was read"
    if rule in _FACT_OF:
        return f"installation {asked.get('facts', {}).get(_FACT_OF[rule], 'not named')}, package {package['name']}"
    if rule in {"package", "space"}:
        return f"{package['name']}, {package['size']} bytes, sha256 {package['sha256']}"
    if rule in {"version", "minor", "direction", "relup"}:
        return f"{asked.get('from', 'nothing')} to {asked.get('to', 'nothing')}"
    return f"release {asked['to']}" if "to" in asked else "the installation as it was found"
