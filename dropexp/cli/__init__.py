"""The front door: one short command per verb; words in, words out."""

from __future__ import annotations

import contextlib
import os
import signal
import sys

DEEP = 200  # folders


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0 done, 1 a run failed, 2 usage or configuration, 130 interrupted.
    """
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        return _stopped()
    except OSError as error:
        return _unwritten(error)
    except RuntimeError as error:
        return _no_path(error, sys.argv[1:] if argv is None else argv)


def _run(argv: list[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # no console lacks '?'
    from dropexp.cli.app import app
    from dropexp.cli.arguments import gather
    from dropexp.errors import DropexpError

    try:
        code = app(gather(argv), standalone_mode=False, prog_name="dropexp")
        sys.stdout.flush()
        if code == 130:  # typer's word for Ctrl-C
            return _stopped()
    except DropexpError as error:
        for line in error.messages:
            print(line, file=sys.stderr)
        code = error.exit_code
    except Exception as error:
        if not hasattr(error, "format_message"):  # what typer raises for a usage error has it
            raise
        error.show()  # type: ignore[attr-defined]
        code = 2
    return code if isinstance(code, int) else 0


def _no_path(error: RuntimeError, argv: list[str]) -> int:
    """Say of a path that it leads nowhere, where that is what Python means; else raise what it raised."""
    if isinstance(error, RecursionError) and (deep := [word for word in argv if word.count("/") > DEEP]):
        print(f"{deep[0][:60]}...: more than {DEEP} folders below each other; name a shorter path", file=sys.stderr)
    elif str(error).startswith("Symlink loop"):  # Python's word, before 3.13, for links that lead to each other
        print(f"{error}; name another path", file=sys.stderr)
    else:
        raise error
    return 2


def _stopped() -> int:
    print("interrupted; what was reported is kept, and the same command goes on from there", file=sys.stderr)
    return 130


def _unwritten(error: OSError) -> int:
    """Say what the system refused; output that nobody reads any more is no error."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return 0
    with contextlib.suppress(OSError):
        print(f"{error.filename or 'output'}: {error.strerror or error}", file=sys.stderr)
    return 2


def entry() -> None:
    """End the process with the command's exit code; SIGTERM, which batch systems send, is one more Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    code = main()
    if code == 130:  # where Ctrl-C fell into a library's own start, Python would end by the signal instead
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
