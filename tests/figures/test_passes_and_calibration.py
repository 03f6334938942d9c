"""The figures of mc_dropout, calibration and ensembles: what they claim is what the rows support, and no more."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dropexp.analysis.outcomes import Outcome
from dropexp.analysis.stats import estimate
from dropexp.analysis.tidy import tidy
from dropexp.figures.calibration import calibration_figure
from dropexp.figures.ensemble import ensemble_figure
from dropexp.figures.mc_dropout import passes_figure
from dropexp.figures.mc_uncertainty import uncertainty_figure
from dropexp.figures.style import styled
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text

LAST = 9  # the epoch at which all is measured


def made(rates, seeds, measure=None, outcome=None, streams="{}"):
    """Return a study of rates whose runs have the rows `measure(rate, rng)` gives, (probe, layer, at, value)."""
    text = f"streams: {streams}\nseeds: {seeds}\nsweep: {{dropout.rate: {rates}}}"
    study = parse(read_text(text, "made-up.yaml"))
    runs, probes, outcomes = [], [], {}
    for i, run in enumerate(study.runs()):
        rate, rng = run.config.dropout.rate, np.random.default_rng(i)
        row = {"run_id": run.run_id, "arm_id": run.arm_id, "seed": run.seed, "stop_reason": "max_epochs"}
        runs.append(row | {"epochs_run": LAST, "selected_epoch": LAST})
        for probe, layer, at, value in measure(rate, rng) if measure else ():
            probes.append(
                {"run_id": run.run_id, "epoch": LAST, "probe": probe, "layer": layer, "at": at, "value": value}
            )
        if outcome:
            outcomes[run.run_id] = outcome(rate, rng)
    empty = pd.DataFrame(columns=["run_id", "arm_id", "seed", "epoch"])
    return tidy(study, pd.DataFrame(runs), empty, pd.DataFrame(probes), outcomes=outcomes or None)


def drawn(figure, data):
    with styled():
        return figure(data)


def title(figure):
    return " ".join(figure.texts[0].get_text().replace("\u2212", "-").replace("\xa0", " ").split())


def passing(rate, rng):
    """One pass is 10 points and 0.5 nats worse than weight scaling, the mean of 20 is 0.1 nats better; its noise is small."""
    for k in ("weight_scaling", 1, 2, 20, "exact"):
        n = {"weight_scaling": np.inf, "exact": np.inf}.get(k, k)
        noise = 0.0001 * rng.standard_normal()
        yield "mc_dropout", "accuracy", str(k), 0.9 - 0.1 * (n == 1) + noise
        yield "mc_dropout", "loss", str(k), 0.6 - 0.1 * (k in (20, "exact")) + 0.5 * (n == 1) + noise
        yield "mc_dropout", "ece", str(k), 0.05 + noise
    for layer in ("entropy", "mutual_information"):
        yield "mc_dropout", layer, "right", 0.1 + 0.01 * rng.standard_normal()
        yield "mc_dropout", layer, "wrong", 0.45 + 0.01 * rng.standard_normal()
        for degrees in (0, 90, 180):
            yield "mc_dropout", layer, f"rotated.{degrees}", degrees / 100
    for degrees in (0, 90, 180):
        yield "mc_dropout", "accuracy", f"rotated.{degrees}", 0.5


def test_the_mean_of_passes_against_weight_scaling():
    figure = drawn(passes_figure, made([0, 0.5], 6, passing))
    said = title(figure)
    assert said.startswith("Dropout on, 1 and 20 passes against weight scaling: accuracy -10.0 ± ")
    assert "(lower)" in said
    assert "(undecided) points" in said
    assert "loss +0.5" in said
    assert "(higher) and -0.1" in said
    assert said.endswith("(lower) nats; n = 6")
    assert len(figure.axes) == 3, "nothing is measured where nothing is dropped"
    curve = figure.axes[1].lines[-1]
    assert curve.get_xdata().tolist() == [1, 2, 20]
    assert curve.get_ydata() == pytest.approx([0.5, 0, -0.1], abs=0.002)
    dashed = next(line for line in figure.axes[1].lines if line.get_linestyle() == "--")
    assert dashed.get_ydata() == pytest.approx([-0.1, -0.1], abs=0.002)


def test_several_arms_are_counted_and_one_seed_has_no_words():
    figure = drawn(passes_figure, made([0.2, 0.5, 0.7], 5, passing))
    assert "loss lower in 3" in title(figure)
    assert len(figure.axes) == 9
    alone = drawn(passes_figure, made([0.5], 1, passing))
    assert title(alone).count("one seed") == 4
    assert "lower" not in title(alone)


def test_the_uncertainty_of_wrong_answers_and_of_rotated_images():
    figure = drawn(uncertainty_figure, made([0, 0.5], 6, passing))
    assert title(figure).startswith("Mutual information of wrong answers against right ones: +0.3")
    assert "nats, higher, n = 6" in title(figure)
    assert len(figure.axes) == 4
    assert figure.axes[3].lines[0].get_ydata() == pytest.approx([0, 0.9, 1.8])
    plain = made([0.5], 6, lambda rate, rng: [row for row in passing(rate, rng) if not row[2].startswith("rotated")])
    assert len(drawn(uncertainty_figure, plain).axes) == 2


def calibrated(rate, rng):
    """Without dropout far too sure, with it as sure as right."""
    noise = 0.002 * rng.standard_normal()
    over = 0.2 if rate == 0 else 0.0
    yield "calibration", "score", "ece", 0.03 + over + noise
    yield "calibration", "score", "ece_perfect", 0.03
    yield "calibration", "score", "overconfidence", over + noise
    for b in range(1, 4):
        yield "calibration", "confidence", str(b), 0.6 + 0.1 * b
        yield "calibration", "accuracy", str(b), 0.6 + 0.1 * b - over + noise
        yield "calibration", "examples", str(b), 10


def test_the_calibration_error_beside_that_of_perfect_calibration():
    data = made([0, 0.5], 8, calibrated)
    figure = drawn(calibration_figure, data)
    assert title(figure).startswith("Calibration error above that of perfect calibration in 1 of 2 arms;")
    assert "overconfident in 1, undecided in 1; n = 8" in title(figure)
    dots = figure.axes[0].lines[-1]
    assert dots.get_xdata() == pytest.approx([70, 80, 90])
    assert dots.get_ydata() == pytest.approx([50, 60, 70], abs=0.5)
    assert "error 23" in figure.axes[0].get_title(loc="left")
    alone = title(drawn(calibration_figure, made([0], 8, calibrated)))
    assert alone.startswith("Calibration error 2")
    assert "points, 3.0 under perfect calibration: higher; overconfident (+2" in alone


def answering(rate, rng):
    """Networks that err apart from each other, so that five together err less."""
    label = np.arange(300) % 3
    p = rng.dirichlet(np.ones(3), 300) + 0.4 * np.eye(3)[label]
    p = (p / p.sum(1, keepdims=True)).astype(np.float32)
    return Outcome(np.arange(300), label, p.argmax(1), p)


def test_ensembles_against_one_network():
    data = made([0, 0.5], 20, outcome=answering, streams="{split: 0}")
    figure = drawn(ensemble_figure, data)
    said = title(figure)
    assert said.startswith("5 networks averaged against one: +")
    assert said.count("better)") == 2
    assert "one network at rate 0.5 against 5 at rate 0: -" in said
    assert said.endswith("(worse); n = 4")
    mean = next(line for line in figure.axes[0].lines if line.get_marker() == "o").get_ydata()
    runs = data.finished(data.arms[0])["run_id"]
    ones = [data.outcomes.get(r).right.mean() for r in runs]
    assert mean[0] == pytest.approx(100 * estimate(ones).mean)
    assert mean[4] > mean[0] + 5


def test_nothing_is_drawn_of_what_was_not_measured():
    data = made([0, 0.5], 3, outcome=answering)  # each seed has a split of its own
    for figure in (passes_figure, uncertainty_figure, calibration_figure, ensemble_figure):
        assert drawn(figure, data) is None
