"""Variables that other programs set and libraries read: what would end one in a traceback, or show colours unasked."""

from __future__ import annotations

import contextlib
import os
import re
import sys

# The library takes each for a number, or for a backend, as soon as it is loaded: after a night of training, perhaps.
# Figures are drawn without a display whatever the backend, and hold no date.
READ = {
    "COLUMNS": "[0-9]{1,5}",
    "LINES": "[0-9]{1,5}",
    "TERMINAL_WIDTH": "[0-9]{1,5}",
    "SOURCE_DATE_EPOCH": "[0-9]{1,11}",
    "MPLBACKEND": "(?i:agg)",
}


PLAIN = "_TYPER_FORCE_DISABLE_TERMINAL"  # typer's: help without colours, bold and dim


def tamed() -> None:
    """Take out of this process's environment what a library could not read; have help and usage errors without colours
    where NO_COLOR asks for that, and in a pipe unless FORCE_COLOR does.
    """
    with contextlib.suppress(AttributeError, ValueError):  # a stdout that was closed
        piped = not os.environ.get("FORCE_COLOR") and not sys.stdout.isatty()
        if os.environ.get("NO_COLOR") or piped:
            os.environ[PLAIN] = "1"
    for name, allowed in READ.items():
        if name in os.environ and not re.fullmatch(allowed, os.environ[name]):
            del os.environ[name]
