"""Entry of ``release-ledger`` and of ``python -m cli``.

It imports next to nothing, so that ``cli.fast_path`` can answer before Typer is there. What a
command imports lives as long as the command does, so the collector of cycles looks seldom, and
does not look once more at all of it when the process ends: together two thirds of what
``python -c pass`` takes, twice that for a change.
"""

import gc
import sys

_INTERRUPTED = 130  # as cli.exit_codes has it, whose import takes longer than an answer
_SELDOM = 50_000  # as many objects more than fewer; by default 700, which imports alone reach a hundred times


def main() -> int:
    """Run the command line; return the exit code."""
    gc.set_threshold(_SELDOM)
    try:
        return _answered()
    except KeyboardInterrupt:  # before a command began, or once it has told its own
        return _INTERRUPTED
    finally:
        gc.freeze()


def _answered() -> int:
    from cli import fast_path  # noqa: PLC0415 # the launcher has imported nothing yet, and errors of an import come here

    code = fast_path.main(sys.argv[1:])
    if code is not None:
        return code
    if sys.argv[1:2] == ["__complete"]:
        from cli.completing import answer  # noqa: PLC0415 # only a shell asks

        answer(sys.argv[2:])
        return 0
    from cli.app import main as full  # noqa: PLC0415 # what the fast path has answered does not pay for Typer

    return full()


if __name__ == "__main__":
    sys.exit(main())
