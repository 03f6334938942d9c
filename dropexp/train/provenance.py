"""Where and how a pack was trained: host, versions, commit, times."""

from __future__ import annotations

import platform
import socket
import subprocess
from datetime import UTC, datetime
from functools import cache

import numpy as np
import torch

import dropexp
from dropexp.records import Provenance


def provenance(
    run_id: str, device: str, threads: int, pack_runs: int, data_sha256: str | None, seconds: float, began: str
) -> Provenance:
    """Return a run's row of provenance.csv; `seconds` is its share of its packs' time, all sessions together."""
    return Provenance(
        run_id, round(seconds, 4), socket.gethostname(), device, threads, pack_runs, dropexp.__version__,
        platform.python_version(), str(torch.__version__), np.__version__, git_commit(), data_sha256 or "",
        began, datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip


@cache
def git_commit() -> str:
    """Return the commit of the user's own repository in the current folder, '' outside one."""
    try:
        found = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""
