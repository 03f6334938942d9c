"""Every number of one study made again from its rows and predictions, with numpy and scipy; dropexp only trains it."""

from __future__ import annotations

import contextlib
import csv
import struct
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from dropexp.cli import main

STUDY = """
study: small
data: {train_size: 120, val_size: 60, test_size: 200}
model: {hidden: [24]}
training: {epochs: 6}
seeds: 6
sweep: {dropout.rate: [0, 0.3, 0.8]}
claims:
- {metric: gap, compare: {dropout.rate: 0.8}, against: {dropout.rate: 0}, expect: lower}
"""
METRICS = ("train_accuracy", "test_accuracy", "gap", "train_loss", "test_loss")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("recomputed")
    (place / "small.yaml").write_text(STUDY)
    with contextlib.chdir(place):
        assert main(["run", "small.yaml", "--no-plot", "--jobs", "1"]) == 0
    return place / "results/small"


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def by_arm(folder: Path, column: str) -> dict[str, np.ndarray]:
    """Return a column of runs.csv by rate, in the order of seeds."""
    found: dict[str, dict[int, float]] = {}
    for row in rows(folder, "runs.csv"):
        found.setdefault(row["dropout.rate"], {})[int(row["seed"])] = float(row[column])
    return {rate: np.array([own[s] for s in sorted(own)]) for rate, own in found.items()}


def unpacked(data: bytes, count: int, width: int) -> np.ndarray:
    bits = np.unpackbits(np.frombuffer(data, np.uint8))[: count * width].reshape(count, width)
    return bits @ (1 << np.arange(width)[::-1])


def answers(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return by run the places of its test examples and whether each answer is right, by the format that is documented."""
    raw, at, sets, found = (folder / "predictions.bin").read_bytes(), 0, {}, {}
    while at < len(raw):
        magic, kind, length = struct.unpack_from("<4scQ", raw, at)
        assert magic == b"DXP1"
        body, digest = raw[at + 13 : at + 13 + length], raw[at + 13 + length : at + 29 + length]
        if kind == b"E":
            _, classes, n = struct.unpack_from("<BII", body)
            width = max(1, (classes - 1).bit_length())
            sets[digest] = np.frombuffer(body, "<u4", n, 9), unpacked(body[9 + 4 * n :], n, width)
        else:
            (size,) = struct.unpack_from("<H", body)
            key, classes, n, _ = struct.unpack_from("<16sIIB", body, 2 + size)
            found[body[2 : 2 + size].decode()] = key, unpacked(body[27 + size :], n, max(1, (classes - 1).bit_length()))
        at += 29 + length
    return {run: (sets[key][0], predicted == sets[key][1]) for run, (key, predicted) in found.items()}


def close(cell: str, expected: float) -> None:
    if np.isnan(expected):
        assert cell == ""
    else:
        assert float(cell) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_accuracies_are_those_of_the_predictions(folder):
    found = answers(folder)
    for row in rows(folder, "runs.csv"):
        assert float(row["test_accuracy"]) == found[row["run_id"]][1].mean()
        assert float(row["gap"]) == float(row["train_accuracy"]) - float(row["test_accuracy"])


def test_means_and_intervals(folder):
    for metric in METRICS:
        values = by_arm(folder, metric)
        for row in rows(folder, "summary.csv"):
            x = values[row["dropout.rate"]]
            close(row[f"{metric}_mean"], x.mean())
            close(row[f"{metric}_sd"], x.std(ddof=1))
            half = stats.t.ppf(0.975, len(x) - 1) * x.std(ddof=1) / sqrt(len(x))
            close(row[f"{metric}_low"], x.mean() - half if half > 1e-12 else np.nan)
            close(row[f"{metric}_high"], x.mean() + half if half > 1e-12 else np.nan)


def differences(folder: Path, metric: str) -> dict[str, np.ndarray]:
    values = by_arm(folder, metric)
    return {rate: x - values["0"] for rate, x in values.items() if rate != "0"}


def level_by_hand(members: list[np.ndarray]) -> float:
    """Return the level at which four intervals hold together, from as many draws of one's own."""
    d = np.array(members)
    n, rng = d.shape[1], np.random.default_rng(7)
    e = d - d.mean(axis=1, keepdims=True)
    seen = np.corrcoef(e)
    believed = (n - 1) / (n + 4) * seen + (1 - (n - 1) / (n + 4)) * np.eye(len(d))
    x = rng.multivariate_normal(np.zeros(len(d)), believed, (200_000, n))
    t = np.abs(x.mean(axis=1)) / (x.std(axis=1, ddof=1) / sqrt(n))
    return float(np.quantile(2 * stats.t.sf(t.max(axis=1), n - 1), 0.05))


def test_differences_hold_together(folder):
    d = {m: differences(folder, m) for m in ("test_accuracy", "gap")}
    level = level_by_hand([x for own in d.values() for x in own.values()])
    for row in rows(folder, "summary.csv"):
        for metric, own in d.items():
            if row["dropout.rate"] not in own:
                assert row[f"{metric}_diff"] == ""
                continue
            x = own[row["dropout.rate"]]
            error = x.std(ddof=1) / sqrt(len(x))
            close(row[f"{metric}_diff"], x.mean())
            close(row[f"{metric}_diff_p"], 2 * stats.t.sf(abs(x.mean() / error), len(x) - 1))
            close(row[f"{metric}_diff_dz"], x.mean() / x.std(ddof=1))
            assert int(float(row[f"{metric}_diff_agree"])) == (np.sign(x) == np.sign(x.mean())).sum()
            half = (float(row[f"{metric}_diff_high"]) - float(row[f"{metric}_diff_low"])) / 2
            assert half == pytest.approx(stats.t.ppf(1 - level / 2, len(x) - 1) * error, rel=0.02)
            low, high = float(row[f"{metric}_diff_low"]), float(row[f"{metric}_diff_high"])
            word = {"test_accuracy": ("better", "worse"), "gap": ("larger", "smaller")}[metric]
            said = word[0] if low > 0 else word[1] if high < 0 else "no difference that counts"
            told = row[f"{metric}_diff_word"]
            assert told == said or (told == "undecided" and low < 0 < high and max(-low, high) > 0.005)


def test_intervals_over_new_examples(folder):
    found, runs = answers(folder), rows(folder, "runs.csv")
    names = {(row["dropout.rate"], int(row["seed"])): row["run_id"] for row in runs}
    for row in rows(folder, "summary.csv"):
        if row["dropout.rate"] == "0":
            continue
        d, n = differences(folder, "test_accuracy")[row["dropout.rate"]], 6
        u = np.zeros((n, 1797))  # the part of each example of the pool in the difference of each seed
        for seed in range(n):
            for sign, rate in ((1, row["dropout.rate"]), (-1, "0")):
                place, right = found[names[rate, seed]]
                u[seed, place] += sign * (right - right.mean()) / len(right)
        shared = max(0.0, np.mean([u[i] @ u[j] for i in range(n) for j in range(n) if i != j]))
        error = d.std(ddof=1) / sqrt(n)
        variance, tested = error**2 + shared, (np.abs(u).sum(axis=0) > 0).sum()
        degrees = variance**2 / (error**4 / (n - 1) + shared**2 / (tested - 1))
        low, high = float(row["test_accuracy_diff_low"]), float(row["test_accuracy_diff_high"])
        level = 2 * stats.t.sf((high - low) / 2 / error, n - 1)
        half = max((high - low) / 2, stats.t.ppf(1 - level / 2, degrees) * sqrt(variance))
        close(row["test_accuracy_diff_examples_low"], d.mean() - half)
        close(row["test_accuracy_diff_examples_high"], d.mean() + half)


def test_the_claim(folder):
    (row,) = rows(folder, "claims.csv")
    d = differences(folder, "gap")["0.8"]
    half = stats.t.ppf(0.975, 5) * d.std(ddof=1) / sqrt(6)
    close(row["difference"], d.mean())
    close(row["low"], d.mean() - half)
    close(row["high"], d.mean() + half)
    below, above = -d.mean() - half, -d.mean() + half  # in the claimed direction
    narrow = stats.t.ppf(0.95, 5) * d.std(ddof=1) / sqrt(6)
    equal = max(abs(d.mean() - narrow), abs(d.mean() + narrow)) < 0.005
    supported = below > 0 and above >= 0.005 and not equal
    assert row["verdict"] == ("supported" if supported else "refuted" if above < 0.005 else "undecided")


AXES = "study: axes\nseeds: 6\nsweep:\n  model.hidden: [[8], [16], [24]]\n  dropout.rate: [0, 0.5]\n"


def test_differences_along_an_axis_hold_together_with_those_to_rate_0(tmp_path, store_study):
    from dropexp.store.writer import Writer
    from dropexp.workflow.running import summarise

    store_study(tmp_path, AXES)
    with Writer(tmp_path) as writer:
        summarise(writer)
    values: dict[tuple[str, str], dict[int, float]] = {}
    for row in rows(tmp_path, "runs.csv"):
        values.setdefault((row["model.hidden"], row["dropout.rate"]), {})[int(row["seed"])] = float(
            row["test_accuracy"]
        )
    x = {arm: np.array([own[s] for s in sorted(own)]) for arm, own in values.items()}
    first, *others = dict.fromkeys(hidden for hidden, _ in x)
    based = [x[hidden, "0.5"] - x[hidden, "0"] for hidden in (first, *others)]
    along = {(hidden, rate): x[hidden, rate] - x[first, rate] for hidden in others for rate in ("0", "0.5")}
    level = level_by_hand([*based, *along.values()])  # training accuracy is always 1: the gap is the same finding
    found = [row for row in rows(tmp_path, "axis_differences.csv") if row["metric"] in ("test_accuracy", "gap")]
    assert len(found) == 2 * len(along)
    for row in found:
        sign = 1 if row["metric"] == "test_accuracy" else -1
        d = sign * along[row["value"], row["elsewhere"].removeprefix("rate ")]
        error = d.std(ddof=1) / sqrt(6)
        assert (row["axis"], row["against"], row["n"]) == ("model.hidden", first, "6")
        close(row["diff"], d.mean())
        close(row["p"], 2 * stats.t.sf(abs(d.mean() / error), 5))
        low, high = float(row["low"]), float(row["high"])
        assert (high - low) / 2 == pytest.approx(stats.t.ppf(1 - level / 2, 5) * error, rel=0.02)
        words = {"test_accuracy": ("better", "worse"), "gap": ("larger", "smaller")}[row["metric"]]
        said = words[0] if low > 0 else words[1] if high < 0 else ""
        assert row["word"] == (said or ("no difference that counts" if max(-low, high) < 0.005 else "undecided"))
        assert (float(row["p_family"]) < 0.05) == bool(said)
