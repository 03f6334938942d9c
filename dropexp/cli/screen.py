"""Words to the two streams: results to stdout, warnings to stderr, and never a character that a console lacks."""

from __future__ import annotations

import sys
from typing import IO


def fits(text: str, stream: IO[str]) -> str:
    """Return the text, its ± and − replaced where the stream's encoding has no such character."""
    try:
        text.encode(stream.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        from dropexp.spec.naming import plain

        return plain(text)
    return text


def say(text: str) -> None:
    """Print a result."""
    print(fits(text, sys.stdout), flush=True)


def warn(text: str) -> None:
    """Print a warning or progress."""
    print(fits(text, sys.stderr), file=sys.stderr, flush=True)
