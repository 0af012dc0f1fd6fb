"""One call of the command line: its streams, and the settings in force for it."""

import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING

from cli.config import Settings, read_settings
from cli.terminal import Terminal, colour_unwanted

if TYPE_CHECKING:
    from pathlib import Path

    from cli.options import Everywhere


class Session:
    """What every command works with."""

    def __init__(self, options: "Everywhere") -> None:
        self.options = options
        self.json = options.json
        self.apart: Path | None = None  # this host's place of its ledger, where it goes on apart from it
        self.watched = False  # that it was looked whether the ledger has what this host knows of
        self.records = False  # that what it says at its end is in the ledger already
        self.terminal = Terminal(
            out=sys.stdout,
            err=sys.stderr,
            json=options.json,
            quiet=options.quiet,
            verbose=options.verbose,
            no_color=options.no_color or colour_unwanted(os.environ),
        )

    @cached_property
    def settings(self) -> Settings:
        """The settings in force, each with its source.

        Raises: SettingError, FileAccessError.
        """
        return self._read()

    def settle_again(self) -> Settings:
        """Return the settings as they are now that a ledger was made.

        Raises: as ``settings``.
        """
        self.__dict__["settings"] = settings = self._read()
        return settings

    def settle(self, settings: Settings) -> None:
        """Let *settings* be in force from now on."""
        self.__dict__["settings"] = settings

    def _read(self) -> Settings:
        return read_settings(ledger=self.options.ledger, node=self.options.node, environ=os.environ)
