"""``releases/emqx_vars``: shell assignments that ``bin/emqx`` reads at every command and at boot.

The last ``REL_VSN`` decides what boots (otp.md section 1). EMQX appends ``REL_VSN="V"`` and
``ERTS_VSN="E"`` each time it makes a release permanent (otp.md 5.2); the file only grows and
whatever else an operator put there stays to the byte. A value is read where it begins a line:
in ``"``, in ``'`` or bare, with or without ``export``. An assignment that a condition guards
counts like any other, since nothing is evaluated here.
"""

import re

_ASSIGNMENT = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)=
        (?:"(?P<double>[^"\n]*)"|'(?P<single>[^'\n]*)'|(?P<bare>[^\s;#&|"']*))
        [ \t]*(?:;[^\n]*|\#[^\n]*)?\r?$""",
    re.VERBOSE | re.MULTILINE | re.ASCII,
)


def values(text: str, name: str) -> tuple[str, ...]:
    """Return every value that *text* gives the variable *name*, in the order of the file: the last one counts."""
    return tuple(
        next(value for value in found.group("double", "single", "bare") if value is not None)
        for found in _ASSIGNMENT.finditer(text)
        if found["name"] == name
    )


def rel_vsns(text: str) -> tuple[str, ...]:
    """Return the releases that were made permanent, in the order of the file: the last one boots."""
    return values(text, "REL_VSN")


def erts_vsn(text: str) -> str | None:
    """Return the emulator that boots, None where none is named."""
    found = values(text, "ERTS_VSN")
    return found[-1] if found else None


def with_boot(text: str, *, vsn: str, erts: str) -> str:
    """Return *text* with release *vsn* as the one that boots; unchanged where its last two lines say so."""
    lines = f'REL_VSN="{vsn}"\nERTS_VSN="{erts}"'
    if f"\n{text}".removesuffix("\n").endswith(f"\n{lines}"):
        return text
    end = "" if not text or text.endswith("\n") else "\n"
    return f"{text}{end}{lines}\n"
