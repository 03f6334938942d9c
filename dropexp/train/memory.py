"""Memory that stays with the process: a step's tensors are freed and wanted again a moment later."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4  # of glibc's malloc.h
NEVER = 2**31 - 1


@cache
def keep_memory() -> bool:
    """Ask glibc to keep freed memory for the next step; return whether it did, False on other systems.

    By default blocks of some megabytes go back to the system when they are freed, and each page of the next ones is
    cleared anew: up to a third of a step's time. What is calculated does not change.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False  # another C library
    return all([mallopt(MMAP_MAX, 0), mallopt(TRIM_THRESHOLD, NEVER), mallopt(TOP_PAD, 64 * 2**20)])
