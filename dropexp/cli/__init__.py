"""The front door: one short command a verb; words in, words out."""

from __future__ import annotations

import contextlib
import os
import signal
import sys


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 a run failed, 2 usage or configuration, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # no console lacks '?'
    from dropexp.cli.app import app
    from dropexp.cli.words import gather
    from dropexp.errors import DropexpError

    try:
        code = app(gather(sys.argv[1:] if argv is None else argv), standalone_mode=False, prog_name="dropexp")
    except DropexpError as error:
        for line in error.messages:
            print(line, file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        print("interrupted; what was reported is kept, and the same command goes on from there", file=sys.stderr)
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + signal.SIGPIPE if hasattr(signal, "SIGPIPE") else 1
    except Exception as error:
        if not hasattr(error, "format_message"):  # what typer raises for a usage error has it
            raise
        error.show()  # type: ignore[attr-defined]
        code = 2
    return code if isinstance(code, int) else 0


def entry() -> None:
    """End the process with the command's exit code."""
    sys.exit(main())
