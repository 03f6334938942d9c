"""What this machine offers to train on: what the process may use, not what the machine has."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
from pathlib import Path

UNKNOWN = 64 * 2**30
BATCH_SYSTEMS = ("SLURM_CPUS_PER_TASK", "PBS_NCPUS", "NSLOTS", "LSB_DJOB_NUMPROC")


def machines() -> int:
    """Return how many machines like this one there are to train on."""
    return 1


def usable_cores() -> int:
    """Return the physical cores that affinity, the container and the batch system leave to this process, at least 1."""
    limits = [_physical(), _quota(), *(_number(os.environ.get(name, "")) for name in BATCH_SYSTEMS)]
    return max(1, min(n for n in limits if n))


def free_bytes() -> int:
    """Return the bytes of memory that machine and container leave to this process; 64 GiB where the system does not say."""
    return min(_available(), _within_container())


def devices() -> tuple[str, ...]:
    """Return the devices that torch sees here, those that `auto` prefers first; the processor is the last."""
    import torch  # seconds, which a study on the processor never pays in the process that plans

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return (*(name for name, found in there.items() if found), "cpu")


def may_start() -> bool:
    """Whether this process may start others: a daemonic one, such as another pool's worker, may not."""
    return not multiprocessing.current_process().daemon


def _available() -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable"):
                return int(line.split()[1]) * 2**10
    return UNKNOWN


def _within_container() -> int:
    """Return what the container's limit leaves; pages of files count as free, since the system takes them back."""
    group = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError, ValueError):
        most, used = (int((group / f"memory.{name}").read_text()) for name in ("max", "current"))
        pairs = (line.split() for line in (group / "memory.stat").read_text().splitlines())
        files = sum(int(size) for name, size in pairs if name in ("inactive_file", "active_file"))
        return max(0, most - used + files)
    return UNKNOWN


def _physical() -> int:
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    siblings = set()
    for cpu in allowed:
        path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            siblings.add(path.read_text().strip())
        except OSError:
            siblings.add(str(cpu))
    return len(siblings)


def _quota() -> int:
    """Return the container's share of processors in whole ones, 0 where there is no limit."""
    with contextlib.suppress(OSError, ValueError):
        share, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()[:2]
        if share != "max":
            return max(1, int(share) // int(period))
    return 0


def _number(text: str) -> int:
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else 0  # theirs, not ours: what is no number is no limit
