"""What can go wrong, in words: the only exceptions that reach a user without a traceback."""

from __future__ import annotations

from collections.abc import Iterable


class DropexpError(Exception):
    """A mistake or obstacle that the user can act on; the message is one or more unwrapped lines.

    `exit_code` is what the command line ends with: 2 for usage and configuration, 1 where a run failed.
    """

    exit_code = 2

    def __init__(self, messages: str | Iterable[str]):
        self.messages = (messages,) if isinstance(messages, str) else tuple(messages)
        super().__init__("\n".join(self.messages))

    def _render_traceback_(self) -> list[str]:
        """Return the lines that a notebook shows of it: what happened, and no traceback of our code."""
        return [f"{type(self).__name__}: {message}" for message in self.messages]

    def __reduce__(self) -> tuple[type, tuple[tuple[str, ...]]]:
        return type(self), (self.messages,)  # so that it survives the way back from a worker process


class ConfigError(DropexpError):
    """A study that cannot be run as written; each message begins with `file:line:column:` where known."""


class DataError(DropexpError):
    """Data that is missing, damaged or does not fit the study."""


class StoreError(DropexpError):
    """A results folder that cannot be read or written."""


class Interrupted(DropexpError):
    """Training that the user stopped; the message says what is kept."""

    exit_code = 130


class UsageError(DropexpError):
    """A command line that cannot be understood."""
