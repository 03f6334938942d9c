"""Words to the two streams: results to stdout, warnings to stderr, and never a character that a console lacks."""

from __future__ import annotations

import os
import sys
from typing import IO


def fits(text: str, stream: IO[str]) -> str:
    """Return the text, its ± and − replaced where the stream's encoding has no such character."""
    try:
        text.encode(stream.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        from dropexp.experiment.naming import plain

        return plain(text)
    return text


def say(text: str) -> None:
    """Print a result."""
    try:
        print(fits(text, sys.stdout), flush=True)
    except BrokenPipeError:  # nobody reads on; what is left to do is done all the same
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def warn(text: str) -> None:
    """Print a warning or progress."""
    print(fits(text, sys.stderr), file=sys.stderr, flush=True)
