"""A soak: sweeps one after another in one process and its workers, their memory sampled, fitted and drawn.

    python benchmarks/soak.py --minutes 20 --out soak

writes soak.csv and soak.png and prints how fast memory grows once the second sweep has begun, when all libraries are
loaded. Linux only.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text
from dropexp.workflow.drawing import plot
from dropexp.workflow.planning import Options
from dropexp.workflow.running import run
from dropexp.workflow.verifying import verify

STUDY = """
data: {train_size: 300, val_size: 100, test_size: 200}
model: {hidden: [64], norm: batch}
training: {epochs: 12}
probes: all
seeds: 3
sweep: {dropout.rate: [0, 0.2, 0.5], dropout.kind: [bernoulli, gaussian], model.activation: [relu, tanh]}
"""


def resident(pid: int) -> float:
    """Return a process's resident memory in MB, 0 where it has gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


def children(pid: int) -> list[int]:
    """Return the workers of a process; a child that has not begun its own program yet still has its parent's memory."""
    found = []
    for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            if b"spawn_main" in Path(f"/proc/{word}/cmdline").read_bytes():
                found.append(int(word))
        except OSError:
            continue
    return found


def sample(rows: list[tuple[float, float, float, int]], start: float, over: threading.Event) -> None:
    """Append (seconds, MB of the parent, MB of the largest worker, number of workers) twice a second."""
    while not over.wait(0.5):
        workers = [resident(child) for child in children(os.getpid())]
        rows.append((time.monotonic() - start, resident(os.getpid()), max(workers, default=0.0), len(workers)))


def peaks(rows: list[tuple[float, float, float, int]], ends: list[float], column: int) -> list[float]:
    """Return the largest memory in each sweep."""
    return [
        max((row[column] for row in rows if begin < row[0] <= end), default=0.0)
        for begin, end in zip([0.0, *ends], ends, strict=False)
    ]


def draw(rows: list[tuple[float, float, float, int]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    table = np.array(rows)
    figure, axes = pyplot.subplots(figsize=(8, 3.5), layout="constrained")
    axes.plot(table[:, 0] / 60, table[:, 1], label="parent")
    axes.plot(table[:, 0] / 60, np.where(table[:, 2] > 0, table[:, 2], np.nan), label="largest worker", lw=0.8)
    axes.set(xlabel="minutes", ylabel="resident memory (MB)", ylim=(0, None))
    axes.legend(loc="lower right", frameon=False)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--out", type=Path, default=Path("soak"))
    given = parser.parse_args()
    study = parse(read_text(STUDY, "soak.yaml"), name="soak")
    rows: list[tuple[float, float, float, int]] = []
    start, over = time.monotonic(), threading.Event()
    threading.Thread(target=sample, args=(rows, start, over), daemon=True).start()
    runs, ends = 0, list[float]()
    with tempfile.TemporaryDirectory() as place:
        while time.monotonic() - start < 60 * given.minutes:
            done = run(study, Options(results=Path(place) / str(len(ends)), jobs=2, pack=3))
            plot(done.folder)
            verify(done.folder, 3, len(ends), Options(jobs=1))
            runs += done.trained
            ends.append(time.monotonic() - start)
    over.set()
    with given.out.with_suffix(".csv").open("w", newline="") as file:
        csv.writer(file).writerows([("seconds", "parent_mb", "largest_worker_mb", "workers"), *rows])
    draw(rows, given.out.with_suffix(".png"))
    print(f"{len(ends)} sweeps, {runs} runs in {rows[-1][0] / 60:.1f} min")
    for name, column in (("parent", 1), ("largest worker", 2)):
        found = peaks(rows, ends, column)
        told = f"{name}: at most {found[0]:.0f} MB in the first sweep, {found[-1]:.0f} MB in the last"
        if len(ends) > 3:
            slope = np.polyfit(np.array(ends[1:]) / 60, found[1:], 1)[0]
            told += f"; from the second on {slope:+.2f} MB a minute, {slope * ends[-1] / 60 / (len(ends) - 1):+.2f} MB a sweep"
        print(told)


if __name__ == "__main__":
    main()
