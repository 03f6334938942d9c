"""Memory that stays with the process, in large pages: a step's tensors are freed and wanted again a moment later."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4  # of glibc's malloc.h
NEVER = 2**31 - 1
LARGE_PAGES = 14  # MADV_HUGEPAGE of Linux's mman.h
PAGE = 2 * 2**20
AHEAD = (2**30, 2**28)  # bytes to have in large pages, and what to settle for; none is taken before it is written to


@cache
def keep_memory() -> bool:
    """Ask glibc to keep freed memory for the next step, and Linux for large pages; return whether they were asked.

    By default blocks of some megabytes go back to the system when they are freed, and each page of the next ones is
    cleared anew: up to a third of a step's time. In pages of 4 KiB a large network outgrows what the processor knows
    of where pages lie. What is calculated does not change.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        libc = ctypes.CDLL(None)
        kept = all([libc.mallopt(MMAP_MAX, 0), libc.mallopt(TRIM_THRESHOLD, NEVER), libc.mallopt(TOP_PAD, 64 * 2**20)])
    except (OSError, AttributeError):
        return False  # another C library
    return kept and any(_in_large_pages(libc, size) for size in AHEAD)


def _in_large_pages(libc: ctypes.CDLL, size: int) -> bool:
    """Lengthen the heap by `size` bytes marked for large pages, and free them again: kept, they serve what comes."""
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.restype, libc.free.argtypes = None, [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    block = libc.malloc(size)
    if not block:
        return False
    begin = -(-block // PAGE) * PAGE
    marked = libc.madvise(begin, (block + size - begin) // PAGE * PAGE, LARGE_PAGES)
    libc.free(block)
    return bool(marked == 0)
