"""The front door: one short command per verb; words in, words out."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0 done, 1 a run failed, 2 usage or configuration, 130 interrupted. A stream that is closed, full or read no further
    stops nothing; only stdout that could not be written, with somebody still there to read it, is exit code 2.
    """
    from dropexp.cli.environment import tamed
    from dropexp.console.screen import fail, guarded

    tamed()
    words = sys.argv[1:] if argv is None else argv
    with guarded() as out:
        try:
            code = _run(words)
        except KeyboardInterrupt:
            code = _stopped()
        except OSError as error:
            fail(f"{error.filename or 'output'}: {error.strerror or error}")
            code = 2
        except RuntimeError as error:
            code = _no_path(error, words)
        out.flush()
        if out.lost and not isinstance(out.lost, BrokenPipeError):
            fail(f"standard output: {out.lost.strerror}; what was printed there is incomplete")
            code = code or 2
    return code


def _run(argv: list[str]) -> int:
    from dropexp.cli.app import app
    from dropexp.cli.arguments import gather
    from dropexp.console.screen import fail
    from dropexp.errors import DropexpError
    from dropexp.quoting import visible

    try:
        code = app(gather(argv), standalone_mode=False, prog_name="dropexp")
        if code == 130:  # typer's word for Ctrl-C
            return _stopped()
    except DropexpError as error:
        for line in error.messages:
            fail(line)
        code = error.exit_code
    except Exception as error:
        if not hasattr(error, "format_message"):  # what typer raises for a usage error has it
            raise
        error.message = visible(str(error.message), "\n")  # type: ignore[attr-defined]
        error.show()  # type: ignore[attr-defined]
        code = 2
    return code if isinstance(code, int) else 0


def _no_path(error: RuntimeError, argv: list[str]) -> int:
    """Say of a path that it leads nowhere, where that is what Python means; else raise what it raised."""
    from dropexp.console.screen import fail
    from dropexp.workflow.request import DEEP

    if isinstance(error, RecursionError) and (deep := [word for word in argv if word.count("/") > DEEP]):
        fail(f"{deep[0][:60]}...: more than {DEEP} nested folders; use a shorter path")
    elif str(error).startswith("Symlink loop"):  # Python's word, before 3.13, for links that lead to each other
        fail(f"{error}; name another path")
    else:
        raise error
    return 2


def _stopped() -> int:
    from dropexp.console.screen import fail

    fail("interrupted; what was reported is kept, and the same command continues from there")
    return 130


def entry() -> None:
    """End the process with the command's exit code; SIGTERM, which batch systems send, is one more Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    code = main()
    if code == 130:  # where Ctrl-C fell into a library's own start, Python would end by the signal instead
        with contextlib.suppress(OSError, AttributeError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    gc.freeze()  # else the end looks through every object of every library, for a fifth of a second
    sys.exit(code)
