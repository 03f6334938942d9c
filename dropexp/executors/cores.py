"""How many workers this machine has room for: what the process may use, not what the machine has."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

BATCH_SYSTEMS = ("SLURM_CPUS_PER_TASK", "PBS_NCPUS", "NSLOTS", "LSB_DJOB_NUMPROC")


def usable_cores() -> int:
    """Return the physical cores that affinity, the container and the batch system leave to this process, at least 1."""
    limits = [_physical(), _quota(), *(_number(os.environ.get(name, "")) for name in BATCH_SYSTEMS)]
    return max(1, min(n for n in limits if n))


def free_gigabytes() -> int:
    """Return the whole gigabytes of memory that are free, at least 1; 64 where the system does not say."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable"):
                return max(1, int(line.split()[1]) // 2**20)
    return 64


def default_jobs(packs: int) -> int:
    """Return one worker a core, never more than packs or than free memory in GB."""
    return max(1, min(usable_cores(), packs, free_gigabytes()))


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
    return int(text) if text.isdigit() else 0
