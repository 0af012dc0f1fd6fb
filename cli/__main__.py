"""Entry of ``release-ledger`` and of ``python -m cli``.

It imports next to nothing, so that ``cli.fast_path`` can answer before Typer is there.
"""

import sys


def main() -> int:
    """Run the command line; return the exit code."""
    from cli import fast_path  # noqa: PLC0415 # the launcher has imported nothing yet, and errors of an import come here

    code = fast_path.main(sys.argv[1:])
    if code is not None:
        return code
    if sys.argv[1:2] == ["__complete"]:
        from cli.completing import complete  # noqa: PLC0415 # only a shell asks

        sys.stdout.write(complete(sys.argv[2:]))
        return 0
    from cli.app import main as full  # noqa: PLC0415 # what the fast path has answered does not pay for Typer

    return full()


if __name__ == "__main__":
    sys.exit(main())
