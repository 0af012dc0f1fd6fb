"""Versions of the ERTS as the lab writes them, for those of the recorded nodes.

The recordings ran OTP 25 and 23 in packages labelled ``otp24``. OTP major is ERTS major + 12, so the
lab's ERTS are those of OTP 24.
"""

from collections.abc import Mapping
from types import MappingProxyType

ERTS_LABELS: Mapping[str, str] = MappingProxyType({"13.1.5": "12.1.5", "11.1.8": "12.1.5", "13.1.6": "12.3.2.2"})


def relabelled(text: str) -> str:
    """Return *text* with the lab's ERTS versions in place of the recorded ones."""
    for recorded, label in ERTS_LABELS.items():
        text = text.replace(recorded, label)
    return text
