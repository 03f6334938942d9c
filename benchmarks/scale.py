"""Scale: start-up, large grids, many tiny runs and large folders, as processor time and memory; prints Markdown.

    python -m benchmarks.scale

Every figure is of a whole command in a process of its own, one thread, unless its row says otherwise.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.workloads import WORKLOADS, study
from dropexp.experiment.study import Study
from dropexp.records import EpochRow, Outcome, Provenance, RunRow
from dropexp.store.writer import Writer
from dropexp.study_files.parse import parse
from dropexp.study_files.writing import to_yaml
from dropexp.study_files.yaml_reader import read_text

ROOT = Path(__file__).parent.parent
PACKS, WIDTHS, COUNTS = (1, 2, 4, 8, 16, 32, 64), (64, 128, 256, 512, 1024), (100, 1000, 10_000)
TINY = "training: {epochs: 1, batch_size: 50}\ndata: {train_size: 100, val_size: 0, test_size: 100}\nmodel: {hidden: [8]}\n"
CHILD = """
import json, resource, subprocess, sys, time
clock = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, used.ru_utime + used.ru_stime, time.perf_counter() - clock, used.ru_maxrss / 1024]))
"""
FIRST_STEP = "import dropexp.train.loop as l, os, sys; l.one_epoch = lambda *_: os._exit(0); from dropexp.cli import main; main()"


@dataclass(frozen=True)
class Used:
    """What a command took: processor seconds of all its processes, seconds from start to end, the largest's peak in MB."""

    processor: float
    seconds: float
    peak: float


def used(*words: str) -> Used:
    """Run a command of this Python; raises RuntimeError where it fails."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", CHILD, sys.executable, *words],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    code, *found = map(float, done.stdout.strip("[]\n").split(","))
    if code:
        raise RuntimeError(f"{' '.join(words)} ended with {code:g}")
    return Used(*found)


def grid(arms: int, seeds: int) -> str:
    """Return a study of tiny runs: up to 100 rates by as many learning rates."""
    rates = min(arms, 100)
    learning = [round(0.0001 * (i + 1), 6) for i in range(arms // rates)]
    return (
        f"study: grid\n{TINY}seeds: {seeds}\n"
        f"sweep: {{dropout.rate: {[round(0.5 * i / rates, 4) for i in range(rates)]}, training.lr: {learning}}}\n"
    )


def made_up(folder: Path, arms: int, seeds: int, epochs: int) -> None:
    """Write a study's folder through the store, with noise for curves."""
    made = parse(read_text(grid(arms, seeds).replace("grid", folder.name), "made-up.yaml"), large=True)
    runs, rng = made.runs(), np.random.default_rng(0)
    with Writer(folder) as writer:
        writer.write("study.yaml", to_yaml(made))
        for at in range(0, len(runs), 50):
            writer.append(runs[at : at + 50], _outcome(made, at, epochs, rng))


def _outcome(made: Study, at: int, epochs: int, rng: np.random.Generator) -> Outcome:
    rows, curves, places = [], [], []
    for run in made.runs()[at : at + 50]:
        name = (run.run_id, run.arm_id, run.seed)
        noise = 0.02 * rng.standard_normal((epochs, 4))
        for epoch, (a, b, c, d) in enumerate(noise.tolist(), 1):
            train, test, rise = 1 - 0.3 / epoch + a, 0.9 - 0.2 / epoch + b, 0.4 * abs(epoch / epochs - 0.5)
            numbers = (0.5 / epoch + c, train, 0.6 / epoch + d, 0.9 + a, 0.7 + rise + c, test, 0.7 + rise, test)
            curves.append(EpochRow(*name, epoch, *numbers, train - test, run.config.dropout.rate))
        last = curves[-1]
        ends = (
            last.train_loss,
            last.train_accuracy,
            last.val_loss,
            last.val_accuracy,
            last.test_loss,
            last.test_accuracy,
        )
        rows.append(RunRow(*name, epochs, "max_epochs", epochs, *ends, last.gap, parameters=1234))
        places.append(Provenance(run.run_id, 0.5, "host", "cpu", 1, 50, *"0322", "", "", "2030-01-01", "2030-01-02"))
    return Outcome(tuple(rows), tuple(curves), (), tuple(places))


def rows(place: Path) -> Iterator[tuple[str, Used]]:
    """Yield every command, by what it does, with what it took."""
    options = ("--results", str(place))
    quick, tiny = str(ROOT / "configs" / "quickstart.yaml"), place / "tiny.yaml"
    yield (
        "quickstart up to its first training step, inline",
        used("-c", FIRST_STEP, "run", quick, "--jobs", "1", *options),
    )
    tiny.write_text("study: tiny\ntraining: {epochs: 1}\nseeds: 2\n", encoding="utf-8")
    for jobs in ("1", "2"):
        words = ("-m", "dropexp", "run", str(tiny), "--no-plot", "--fresh", "--jobs", jobs, "--pack", "1", *options)
        yield f"2 runs of one epoch, jobs {jobs}, no figures", used(*words)
    for arms, seeds in ((10_000, 10), (100_000, 1)):
        path = place / "grid.yaml"
        path.write_text(grid(arms, seeds), encoding="utf-8")
        yield f"check of {arms:,} arms x {seeds} seeds", used("-m", "dropexp", "check", str(path), *options)
    for arms, seeds in ((100, 100), (10, 1000)):
        folder = place / f"made-{arms}"
        made_up(folder, arms, seeds, 50)
        code = (
            f"from pathlib import Path; from dropexp.store.writer import Writer; from dropexp.workflow.running import *\n\
with Writer(Path({str(folder)!r})) as writer: summarise(writer)"
        )
        yield f"summary of {arms} arms x {seeds} seeds x 50 epochs", used("-c", code)
        yield f"plot of {arms} arms x {seeds} seeds x 50 epochs", used("-m", "dropexp", "plot", str(folder))
    made_up(place / "report", 100, 30, 50)
    yield "report of 100 arms x 30 seeds x 50 epochs", used("-m", "dropexp", "report", str(place / "report"))


def tiny_runs(place: Path) -> Iterator[tuple[int, Used, float]]:
    """Yield a number of tiny runs, what they took, and the processor seconds beside the (wall) seconds of training."""
    for count in COUNTS:
        path = place / f"count-{count}.yaml"
        path.write_text(grid(count // 10 if count < 1000 else 100, count // min(100, count // 10)), encoding="utf-8")
        words = ("-m", "dropexp", "run", str(path), "--no-plot", "--fresh", "--jobs", "1", "--results", str(place))
        whole = used(*words)
        stored = (place / "grid" / "provenance.csv").read_text(encoding="utf-8").splitlines()[1:]
        yield count, whole, whole.processor - sum(float(line.split(",")[1]) for line in stored)


def cost(hidden: tuple[int, ...], runs: int) -> float:
    """Return milliseconds of processor time a run and epoch, by the best of epochs two to five of one pack in this process."""
    import torch

    from dropexp.data import load
    from dropexp.experiment.layout import layout
    from dropexp.train.batches import Feed
    from dropexp.train.loop import train

    torch.set_num_threads(1)
    work = replace(WORKLOADS["digits-mlp"], hidden=hidden, seeds=64, rates=(0.5,), epochs=5)
    pack = parse(read_text(study(work), "cost.yaml")).runs()[:runs]
    data = load(pack[0].config.data, folder=Path())
    loop = train(pack, Feed(data, pack, torch.float32, torch.device("cpu")), layout(pack[0].config, data.example, 10))
    next(loop)
    found = []
    for _ in range(4):
        clock = time.process_time()
        loop.send(list(range(runs)))
        found.append(time.process_time() - clock)
    return 1000 * min(found) / runs


def main() -> None:
    print(
        f"## Scale of the rest\n\n{date.today()}, {platform.processor() or platform.machine()}, {os.cpu_count()} cores, ",
        end="",
    )
    print(", ".join(f"{name} {version(name)}" for name in ("dropexp", "torch", "pandas", "numpy")))
    print("\n| command | processor s | seconds | peak MB |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        for what, took in rows(Path(name)):
            print(f"| {what} | {took.processor:.1f} | {took.seconds:.1f} | {took.peak:.0f} |", flush=True)
        print(
            "\n| tiny runs | processor s | ms a run | of these beside training | peak MB |\n|---|---|---|---|---|",
            flush=True,
        )
        for count, took, rest in tiny_runs(Path(name)):
            each = f"{took.processor:.1f} | {1000 * took.processor / count:.2f} | {1000 * rest / count:.2f}"
            print(f"| {count} | {each} | {took.peak:.0f} |", flush=True)
    print("\nMilliseconds of processor time a run and epoch, one pack of digits-mlp in one process and thread.\n")
    print(f"| runs in the pack | {' | '.join(map(str, PACKS))} |\n|{'---|' * (len(PACKS) + 1)}")
    print(f"| 256-256 | {' | '.join(f'{cost((256, 256), runs):.2f}' for runs in PACKS)} |", flush=True)
    print(f"\n| hidden, 8 runs | {' | '.join(map(str, WIDTHS))} |\n|{'---|' * (len(WIDTHS) + 1)}")
    print(f"| one layer | {' | '.join(f'{cost((width,), 8):.2f}' for width in WIDTHS)} |")


if __name__ == "__main__":
    main()
