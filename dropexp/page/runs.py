"""Every run of a study as an entry that opens: its numbers, its curve over the epochs, and where it was trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dropexp.analysis.stats import estimate
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.design import Arm
from dropexp.experiment.naming import label
from dropexp.metrics import RUNS, Metric
from dropexp.wording.labels import half, percent

WIDTH, HEIGHT = 240, 72  # of a curve, in its own units
POINTS = 48  # that a curve keeps, the selected and the last epoch among them
EARLY = 0.25  # epochs whose climb does not set the scale of the curves

METRICS = sorted(RUNS.values(), key=lambda column: (bool(column.last), not column.metric.fraction))
EXAMPLES = ("train_examples", "val_examples", "test_examples")
COLUMNS = (
    *RUNS,
    "selected_epoch",
    "epochs_run",
    "stop_reason",
    "run_id",
    "parameters",
    *EXAMPLES,
)


@dataclass(frozen=True)
class Curve:
    """Training and test accuracy over the epochs as SVG paths, the x of the selected epoch, the low end of the scale, words."""

    train: str
    test: str
    selected: float | None
    low: str
    words: str


@dataclass(frozen=True)
class OneRun:
    """`title` is what the closed entry shows; `rows` are names and values."""

    title: str
    rows: tuple[tuple[str, str], ...]
    curve: Curve | None
    diverged: bool


@dataclass(frozen=True)
class ArmRuns:
    """The runs of one function: all its names, a summary and its runs by seed."""

    ident: str
    names: tuple[str, ...]
    total: str
    runs: tuple[OneRun, ...]


def anchors(tidy: Tidy) -> dict[str, str]:
    """Return the id in the page for each function that has a run, in the order of the arms."""
    found = [arm for arm in {a.arm_id: a for a in tidy.arms}.values() if len(tidy.rows(arm))]
    return {arm.arm_id: f"arm-{i}" for i, arm in enumerate(found, 1)}


def arm_runs(tidy: Tidy, provenance: pd.DataFrame) -> Iterator[ArmRuns]:
    """Yield every function among the arms that has a run, with all of them."""
    curves = _curves(tidy)
    places = {row["run_id"]: row for row in provenance.to_dict("records")}
    wanted = tidy.runs.sort_values("seed", kind="stable")[["arm_id", "seed", *COLUMNS]]
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in wanted.to_dict("records"):
        rows.setdefault(row["arm_id"], []).append(row)
    arms: dict[str, list[Arm]] = {}
    for arm in tidy.arms:
        arms.setdefault(arm.arm_id, []).append(arm)
    for arm_id, ident in anchors(tidy).items():
        runs = tuple(_run(row, curves.get(row["run_id"]), places.get(row["run_id"])) for row in rows[arm_id])
        names = tuple(dict.fromkeys(label(arm, tidy.axes) for arm in arms[arm_id]))
        yield ArmRuns(ident, names, _total(tidy, arms[arm_id][0]), runs)


def _total(tidy: Tidy, arm: Arm) -> str:
    n, diverged = len(tidy.finished(arm)), tidy.diverged(arm)
    parts = [f"{n + diverged} run{'s' * (n + diverged != 1)}"]
    if diverged:
        parts.append(f"{diverged} diverged")
    if n:
        test = estimate(tidy.values(arm, tidy.lead.test))
        parts.append(f"test {percent(test.mean)} {half(test.half)}".strip())
    return ", ".join(parts)


def _run(row: Mapping[str, Any], curve: Curve | None, place: Mapping[str, str] | None) -> OneRun:
    diverged = row["stop_reason"] == "diverged"
    numbers = [f"test {percent(row['test_accuracy'])}", f"gap {percent(row['gap'])}"]
    last, selected = _whole(row["epochs_run"]), _whole(row["selected_epoch"])
    title = f"seed {int(row['seed'])}: {'diverged' if diverged else ', '.join(numbers)}"
    rows = [(c.words, _value(row[c.name], c.metric)) for c in METRICS if not _absent(row[c.name])]
    rows += [("selected epoch", selected), ("epochs run", last), ("stopped by", _stopped(row["stop_reason"]))]
    for name in ("parameters", *EXAMPLES):
        rows.append((name.replace("_", " "), "" if _absent(row[name]) else f"{int(row[name]):,}"))
    if place is not None:
        rows += [("seconds", place["seconds"]), ("trained on", f"{place['host']}, {place['device']}")]
        rows.append(("ended", place["ended"]))
    rows.append(("run_id", str(row["run_id"])))
    return OneRun(title, tuple((name, text) for name, text in rows if text), curve, diverged)


def _absent(value: object) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def _whole(value: float) -> str:
    return "" if _absent(value) else str(int(value))


def _stopped(reason: object) -> str:
    return {"max_epochs": "the last epoch", "patience": "early stopping"}.get(str(reason), str(reason))


def _value(value: float, metric: Metric) -> str:
    if not metric.fraction:
        return f"{value:.4f} {metric.unit}".rstrip()
    return f"{percent(value)} {metric.unit}".replace(" %", " percent")


def _curves(tidy: Tidy) -> dict[str, Curve]:
    """Return the curve of every run that has epochs, all on one scale."""
    epochs = tidy.epochs.sort_values(["run_id", "epoch"], kind="stable")
    if epochs.empty:
        return {}
    x, train, test = (epochs[name].to_numpy(dtype=float) for name in ("epoch", tidy.lead.train, tidy.lead.test))
    late = np.concatenate([v[(x > EARLY * x.max()) & np.isfinite(v)] for v in (train, test)])
    low = float(np.floor(20 * late.min()) / 20) if len(late) else 0.0
    low, last = min(low, 0.95), float(x.max())
    across = np.rint(WIDTH * (x - 1) / max(last - 1, 1)).astype(int)
    selected = tidy.runs.set_index("run_id")["selected_epoch"].to_dict()
    words = f"training (dashed) and test accuracy over {int(last)} epochs, from {100 * low:.0f} to 100 percent"
    heights = [_heights(values, low) for values in (train, test)]
    found = {}
    for run_id, rows in epochs.groupby("run_id", sort=False).indices.items():
        mark = selected.get(run_id, np.nan)
        kept = _thinned(rows, x[rows] == mark)
        paths = [_path(across[kept], height[kept]) for height in heights]
        spot = None if np.isnan(mark) else round(WIDTH * (mark - 1) / max(last - 1, 1), 1)
        found[str(run_id)] = Curve(paths[0], paths[1], spot, f"{100 * low:.0f}", words)
    return found


def _heights(values: np.ndarray, low: float) -> np.ndarray:
    """Return y downwards, -1 where there is no number; values below the scale run along its foot."""
    y = HEIGHT * (1 - (values - low) / (1 - low))
    return np.where(np.isfinite(y), np.rint(np.clip(np.nan_to_num(y), 0, HEIGHT)), -1).astype(int)


def _thinned(rows: np.ndarray, always: np.ndarray) -> np.ndarray:
    if len(rows) <= POINTS:
        return rows
    spots = np.linspace(0, len(rows) - 1, POINTS - 1).round().astype(int)
    return rows[np.union1d(spots, np.flatnonzero(always))]


def _path(x: np.ndarray, y: np.ndarray) -> str:
    """Return an SVG path through the points, interrupted where y is missing."""
    parts, joined = [], False
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        if b < 0:
            joined = False
        else:
            parts.append(f"{'L' if joined else 'M'}{a} {b}")
            joined = True
    if len(parts) == 1:
        parts.append(f"h{1}")  # a single epoch would leave no mark
    return "".join(parts)
