"""Output: results to stdout, warnings to stderr; control characters are escaped, and a closed stream stops no work."""

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

    A closed terminal, a full disk behind a redirection or a reader that wanted only one line must not cost a night of
    training. None stands for a stream that was closed before this process began.
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
        """Remember why, and discard what is still in the buffer: Python would fail on it again when it exits."""
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
    """Replace stdout and stderr by streams that never fail, and yield the one for stdout."""
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
    """Return the text as a console can show it: control characters escaped, and no character that its encoding lacks."""
    return _encodable(visible(text), stream)


def _encodable(text: str, stream: TextIO) -> str:
    """Return the text, with ± and − replaced if the stream's encoding lacks them."""
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
    """Print a result for people, fitted to the width, with verdicts in colour on a terminal; to stdout by default."""
    from dropexp.console.fitting import fitted, room
    from dropexp.console.tones import colours, toned

    to = stream or sys.stdout
    said, columns = fits(text, to), room(to)
    said = fitted(said, columns) if columns else said
    print(toned(said) if colours(to) else said, file=to, flush=True)


def hand_over(text: str) -> None:
    """Print the content of a file: unchanged, except on a terminal, which would obey control characters in it."""
    if sys.stdout.isatty():
        say(text)
    else:
        print(_encodable(text, sys.stdout), flush=True)


def warn(text: str) -> None:
    """Print a warning or progress."""
    print(fits(text, sys.stderr), file=sys.stderr, flush=True)


def fail(line: str) -> None:
    """Print an error as one line, whatever it quotes."""
    warn(visible(line, "\n"))
