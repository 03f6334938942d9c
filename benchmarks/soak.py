"""A soak: sweeps one after another in one process and its workers, their memory sampled, fitted and drawn.

    python benchmarks/soak.py --minutes 20 --out soak

writes soak.csv and soak.png and prints how fast memory grows after the first fifth of the time. Linux only.
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

from dropexp.drawing import plot
from dropexp.planning import Options
from dropexp.spec.parse import parse
from dropexp.spec.reader import read_text
from dropexp.verifying import verify
from dropexp.workflow import run

STUDY = """
data: {train_size: 300, val_size: 100, test_size: 200}
model: {hidden: [64], norm: batch}
training: {epochs: 60}
probes: all
seeds: 8
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
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def sample(rows: list[tuple[float, float, float, int]], start: float, over: threading.Event) -> None:
    """Append (seconds, MB of the parent, MB of the largest worker, number of workers) twice a second."""
    while not over.wait(0.5):
        workers = [resident(child) for child in children(os.getpid())]
        rows.append((time.monotonic() - start, resident(os.getpid()), max(workers, default=0.0), len(workers)))


def growth(rows: list[tuple[float, float, float, int]], column: int) -> float:
    """Return MB a minute after the first fifth, by least squares; of workers over what is at least half of the largest."""
    table = np.array([row for row in rows if row[column] > 0])
    table = table[(table[:, 0] > rows[-1][0] / 5) & (table[:, column] > table[:, column].max() / 2)]
    return float(np.polyfit(table[:, 0] / 60, table[:, column], 1)[0])


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
    sweeps = runs = 0
    with tempfile.TemporaryDirectory() as place:
        while time.monotonic() - start < 60 * given.minutes:
            done = run(study, Options(results=Path(place) / str(sweeps), jobs=2, pack=3))
            plot(done.folder)
            verify(done.folder, 3, sweeps, Options(jobs=1))
            sweeps, runs = sweeps + 1, runs + done.trained
    over.set()
    with given.out.with_suffix(".csv").open("w", newline="") as file:
        csv.writer(file).writerows([("seconds", "parent_mb", "largest_worker_mb", "workers"), *rows])
    draw(rows, given.out.with_suffix(".png"))
    print(f"{sweeps} sweeps, {runs} runs in {(rows[-1][0]) / 60:.1f} min")
    for name, column in (("parent", 1), ("largest worker", 2)):
        largest = max(row[column] for row in rows)
        print(f"{name}: at most {largest:.0f} MB, growing by {growth(rows, column):+.2f} MB a minute")


if __name__ == "__main__":
    main()
