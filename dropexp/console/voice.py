"""How much a command prints: the usual, only errors, or also where its time goes; and which stream is for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dropexp.console.screen import say, tell, warn


@dataclass(frozen=True)
class Voice:
    """Text for people goes to stdout, with `as_json` to stderr, with `quiet` nowhere; errors are always printed."""

    quiet: bool = False
    verbose: bool = False
    as_json: bool = False

    def tell(self, text: str) -> None:
        """Print a result for people: a table, or where files are."""
        if not self.quiet:
            tell(text, sys.stderr if self.as_json else sys.stdout)

    def warn(self, text: str) -> None:
        """Print a warning."""
        if not self.quiet:
            warn(text)

    def detail(self, text: str) -> None:
        """Print what --verbose asks for."""
        if self.verbose:
            warn(text)

    def document(self, facts: Mapping[str, Any]) -> None:
        """Print the result for programs, if requested: one line, the last on stdout."""
        if self.as_json:
            say(json.dumps(facts))
