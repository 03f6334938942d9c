"""dropexp: does dropout help this network on this data? An experiment runner that answers with error bars."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from dropexp.errors import ConfigError, DataError, DropexpError, Interrupted, StoreError, UsageError

if TYPE_CHECKING:
    from dropexp.api import check, check_laws, compare, join, load, plot, read, run, sweep

__version__ = "0.5.0"
__all__ = [
    "ConfigError",
    "DataError",
    "DropexpError",
    "Interrupted",
    "StoreError",
    "UsageError",
    "check",
    "check_laws",
    "compare",
    "join",
    "load",
    "plot",
    "read",
    "run",
    "sweep",
]

# Intel's matrix products round differently with the alignment of their operands, and a run's alignment moves with its
# place in a pack. In this mode they do not, at no cost that could be measured. It is read at torch's first product.
TORCH_CAME_FIRST = "torch" in sys.modules and "MKL_CBWR" not in os.environ
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")


def __getattr__(name: str) -> Any:
    """Load a function when it is first asked for, so that `import dropexp` takes no time."""
    if name in __all__:
        from dropexp import api

        return getattr(api, name)
    raise AttributeError(f"module 'dropexp' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
