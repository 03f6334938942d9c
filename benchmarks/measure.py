"""What is measured: whole commands in turn, their accuracies, this machine's matrix products, and the operations of a workload."""

from __future__ import annotations

import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from math import prod
from pathlib import Path
from statistics import mean, stdev

from benchmarks.workloads import Workload, study

NEEDS = {"plain": "joblib", "dataloader": "joblib", "lightning": "lightning", "skorch": "skorch", "keras": "keras"}
OURS = {"dropexp": "float32", "dropexp-bfloat16": "bfloat16"}  # its names here, and the precision of its products
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Timing:
    """One command: seconds from start to end, processor seconds of all its processes, final test accuracies by rate."""

    seconds: float
    processor: float
    accuracies: dict[float, tuple[float, ...]]


def tools() -> tuple[list[str], list[str]]:
    """Return the names of the peers that can be run here, and those that cannot."""
    there = [name for name, package in NEEDS.items() if find_spec(package)]
    return there, [name for name in NEEDS if name not in there]


def command(tool: str, work: Workload, folder: Path) -> list[str]:
    """Return the command of a tool for a workload, whose results go to `folder`."""
    if tool not in OURS:
        return [sys.executable, "-m", f"benchmarks.peers.{tool}", work.name, str(folder / "out.csv")]
    config = folder / "study.yaml"
    config.write_text(study(work, OURS[tool]), encoding="utf-8")
    return [sys.executable, "-m", "dropexp", "run", str(config), "--results", str(folder), "--jobs", "2", "--no-plot"]


def timed(tool: str, work: Workload) -> Timing:
    """Run a tool on a workload; raises RuntimeError with the end of its output where it fails."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = command(tool, work, folder)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        clock = time.perf_counter()
        done = subprocess.run(words, capture_output=True, text=True, env=environment, cwd=folder)
        seconds = time.perf_counter() - clock
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise RuntimeError(f"{tool} on {work.name} failed:\n{(done.stderr or done.stdout)[-2000:]}")
        processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        out = folder / "out.csv" if tool not in OURS else folder / work.name / "epochs.csv"
        return Timing(seconds, processor, _accuracies(out, folder / work.name / "runs.csv", work))


def _accuracies(out: Path, runs: Path, work: Workload) -> dict[float, tuple[float, ...]]:
    """Return the test accuracies after the last epoch, a run each, by rate; every epoch of every run must be there."""
    rate_of = {}
    if runs.exists():
        with runs.open(encoding="utf-8") as file:
            rate_of = {row["run_id"]: float(row["dropout.rate"]) for row in csv.DictReader(file)}
    found: dict[float, list[float]] = defaultdict(list)
    rows = 0
    with out.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows += 1
            if int(row["epoch"]) == work.epochs:
                rate = rate_of[row["run_id"]] if rate_of else float(row["rate"])
                found[rate].append(float(row["test_accuracy"]))
    if rows != len(work.runs) * work.epochs or sorted(found) != sorted(work.rates):
        raise RuntimeError(f"{out}: {rows} rows of {len(work.runs) * work.epochs}; the work was not the same")
    return {rate: tuple(values) for rate, values in found.items()}


def agreement(ours: tuple[float, ...], theirs: tuple[float, ...]) -> tuple[float, float]:
    """Return the difference of mean accuracies and what it may be: the half-width of its 99.9% interval by Student's t.

    Initial weights, splits and orders are each tool's own. Two runs say little, and their interval is wide.
    """
    from scipy.stats import t

    spread = (stdev(ours) ** 2 / len(ours) + stdev(theirs) ** 2 / len(theirs)) ** 0.5
    return mean(ours) - mean(theirs), float(t.ppf(0.9995, len(ours) + len(theirs) - 2)) * spread


def operations(work: Workload) -> float:
    """Return the multiply-adds of a workload times two: forward thrice in training less the gradient of the inputs."""
    maps, depth, size = [], 1, 28
    for channels in work.channels:
        maps.append(channels * depth * 9 * size**2)
        depth, size = channels, size // 2
    widths = (depth * size**2 if work.channels else 784 if work.source != "digits" else 64, *work.hidden, 10)
    maps += [prod(pair) for pair in pairwise(widths)]
    each = work.train * (3 * sum(maps) - maps[0]) + (work.train + work.test) * sum(maps)
    return 2.0 * each * work.epochs * len(work.runs)


def matrix_rate(size: int = 768, seconds: float = 2.0) -> float:
    """Return one thread's best rate of float32 matrix products, in operations a second of processor time."""
    import torch

    torch.set_num_threads(1)
    a, b = torch.randn(size, size), torch.randn(size, size)
    out, best, end = torch.empty(size, size), 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        clock = time.thread_time()
        for _ in range(4):
            torch.mm(a, b, out=out)
        best = max(best, 8 * size**3 / (time.thread_time() - clock))
    return best
