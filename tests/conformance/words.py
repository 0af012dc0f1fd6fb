"""What EMQX's script printed, as this tool prints it: one rule for each difference on purpose.

Each rule names the clause that it follows. What no rule covers stands as a single step in
``differs.yaml``.
"""

import re
from collections.abc import Callable, Mapping

Rule = Callable[[str], str]

RULES: Mapping[str, Rule] = {
    "PRODUCT 12: no line `unzip […]`": lambda text: re.sub(r"unzip \[[^\]]*\]\n", "", text),
    "PRODUCT 12: no link, so no word of one": lambda text: re.sub(
        r"symlink .* already exists, recreate it\n", "", text
    ),
    "PRODUCT 12: the guide's words without the extra dots": lambda text: re.sub(
        r'(Unpacked successfully: "[^"\n]*"|Installed Release: [^\n]*|Unpack failed: release_package_not_found)\.\n',
        r"\1\n",
        text,
    ),
    "PRODUCT 12: a dot after `marked unpacked, uninstalling it`": lambda text: text.replace(
        "is marked unpacked, uninstalling it\n", "is marked unpacked, uninstalling it.\n"
    ),
    "PRODUCT 12: `is permanent.` where the script wrongly says `is running.`": lambda text: re.sub(
        r"(Uninstall failed: Release \S+ is) running\.", r"\1 permanent.", text
    ),
    "RULINGS 24: no empty line after the table": lambda text: re.sub(r"(\* [^\n]*\n)\n\Z", r"\1", text),
    "PRODUCT 12: no version list after a failed unpack": lambda text: re.sub(
        r"(Unpack failed: [^\n]*\n)Installed versions:\n(?:\* [^\n]*\n)*\Z", r"\1", text
    ),
    "PRODUCT 5: the words of a restart are our own": lambda text: re.sub(
        r"(?:EMQX Broker \S+ is stopped: ok\n)?EMQX Broker (\S+) is started successfully!\n", r"Restarted: \1\n", text
    ),
}


def own_words(recorded: str) -> str:
    """Return the recorded text as this tool prints it."""
    for rule in RULES.values():
        recorded = rule(recorded)
    return recorded
