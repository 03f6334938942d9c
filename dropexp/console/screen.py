"""Words to the two streams: results to stdout, warnings to stderr; controls escaped, and a reader that is gone ends no work."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from dropexp.quoting import visible


class Stream(io.TextIOBase):
    """A stream that never fails: what cannot be written is dropped, and `lost` says why.

    A terminal that was closed, a full disk behind a redirection or a reader that wanted one line must not cost a night
    of training. None stands for a stream that was closed before this process began.
    """

    def __init__(self, inner: TextIO | None):
        self.inner, self.lost = inner, None if inner is not None else BrokenPipeError()
        with contextlib.suppress(AttributeError, ValueError):
            inner.reconfigure(errors="replace")  # type: ignore[union-attr]  # no console lacks '?'

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(self.inner, "encoding", None) or "utf-8"

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        with contextlib.suppress(ValueError):
            return self.inner is not None and self.inner.isatty()
        return False

    def fileno(self) -> int:
        if self.inner is None:
            raise io.UnsupportedOperation("fileno")
        return self.inner.fileno()

    def write(self, text: str) -> int:
        if self.lost is None and self.inner is not None:
            try:
                self.inner.write(text)
            except OSError as error:
                self._lose(error)
            except ValueError:  # Python's word for a file that was closed
                self.lost = BrokenPipeError()
        return len(text)

    def flush(self) -> None:
        if self.lost is None and self.inner is not None:
            try:
                self.inner.flush()
            except OSError as error:
                self._lose(error)
            except ValueError:
                self.lost = BrokenPipeError()

    def _lose(self, error: OSError) -> None:
        """Remember why, and let what is still in the buffer go nowhere: Python would fail on it once more at its end."""
        self.lost = error  # type: ignore[assignment]
        with contextlib.suppress(OSError, ValueError):
            _to_nowhere(self.fileno())


def _to_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)
    os.set_inheritable(number, True)  # workers have the same three


@contextlib.contextmanager
def guarded() -> Iterator[Stream]:
    """Put streams that never fail in the place of stdout and stderr, and yield that of stdout."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed: the next file that is opened, a study's perhaps, would get what libraries print
            with contextlib.suppress(OSError):
                _to_nowhere(number)
    out, err = Stream(sys.stdout), Stream(sys.stderr)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            yield out
        finally:
            out.flush()
            err.flush()


def fits(text: str, stream: TextIO) -> str:
    """Return the text as a console may show it: controls escaped, and no character that its encoding lacks."""
    return _encodable(visible(text), stream)


def _encodable(text: str, stream: TextIO) -> str:
    """Return the text, its ± and − replaced where the stream's encoding has no such character."""
    try:
        text.encode(stream.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        from dropexp.experiment.naming import plain

        return plain(text)
    return text


def say(text: str) -> None:
    """Print a result."""
    print(fits(text, sys.stdout), flush=True)


def tell(text: str, stream: TextIO | None = None) -> None:
    """Print a result for people: in the columns that there are, its verdicts in colour on a terminal; to stdout by default."""
    from dropexp.console.fitting import fitted, room
    from dropexp.console.tones import colours, toned

    to = stream or sys.stdout
    said, columns = fits(text, to), room(to)
    said = fitted(said, columns) if columns else said
    print(toned(said) if colours(to) else said, file=to, flush=True)


def hand_over(text: str) -> None:
    """Print what is a file's content: as it stands, unless a terminal would obey what is in it."""
    if sys.stdout.isatty():
        say(text)
    else:
        print(_encodable(text, sys.stdout), flush=True)


def warn(text: str) -> None:
    """Print a warning or progress."""
    print(fits(text, sys.stderr), file=sys.stderr, flush=True)


def fail(line: str) -> None:
    """Print an error, which is one line whatever was quoted in it."""
    warn(visible(line, "\n"))
