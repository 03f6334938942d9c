"""BYTES -> ARRAYS: read and check a data set, split it, make labels wrong; all but numpy is imported late."""

from dropexp.data.balance import Balance, balance
from dropexp.data.cache import cache_dir, listing
from dropexp.data.dataset import Dataset
from dropexp.data.download import fetch
from dropexp.data.loading import load
from dropexp.data.splitting import Split, sizes, split, test_rows

__all__ = [
    "Balance",
    "Dataset",
    "Split",
    "balance",
    "cache_dir",
    "fetch",
    "listing",
    "load",
    "sizes",
    "split",
    "test_rows",
]
