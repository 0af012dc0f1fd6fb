"""Variables of the environment that look like ours and are none: a misspelt one would be passed over in silence."""

from collections.abc import Iterator, Mapping

from cli.fast_path import PREFIX, VARIABLES


def unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each variable that nothing here reads, by their names; values are not told."""
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in VARIABLES:
            from difflib import get_close_matches  # noqa: PLC0415 # only a mistake pays for it

            near = get_close_matches(name, sorted(VARIABLES), n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            yield f"the variable {name[:100]} is set, and nothing here reads it{meant}"
