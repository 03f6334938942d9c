"""Variables that other programs set and libraries read: what would end one of them in a traceback is left out."""

from __future__ import annotations

import os
import re

# The library takes each for a number, or for a backend, as soon as it is loaded: after a night of training, perhaps.
# Figures are drawn without a display whatever the backend, and hold no date.
READ = {
    "COLUMNS": "[0-9]{1,5}",
    "LINES": "[0-9]{1,5}",
    "TERMINAL_WIDTH": "[0-9]{1,5}",
    "SOURCE_DATE_EPOCH": "[0-9]{1,11}",
    "MPLBACKEND": "(?i:agg)",
}


def tamed() -> None:
    """Take out of this process's environment what a library could not read."""
    for name, allowed in READ.items():
        if name in os.environ and not re.fullmatch(allowed, os.environ[name]):
            del os.environ[name]
