"""METRICS is the only place that knows metrics: one more is a row there and what each example adds to it."""

import json
import re
import shutil
import subprocess
import sys
from math import log, nan
from pathlib import Path

import pytest

import dropexp
from dropexp.metrics import METRICS, MONITORS, RUNS, WHILE_TRAINING
from dropexp.train.evaluate import EACH

ROW = """    Metric(
        "brier", "Brier score", "", higher=False, low=0.0, high=1.0, chance=lambda k: (k - 1) / k**2, counts=False,
        on=("train", "val", "test"), averaged=("train_brier", "test_brier"), since=5,
    ),
"""
FUNCTION = """
    "brier": lambda logits_RBK, guess_RB, labels_RB: (
        (torch.softmax(logits_RBK, -1) - torch.nn.functional.one_hot(labels_RB, logits_RBK.shape[-1])) ** 2
    ).mean(-1),
"""
STUDY = """
study: s
data: {train_size: 60}
model: {hidden: [6]}
training: {epochs: 3}
early_stopping: {patience: 2, monitor: val_brier}
seeds: 3
sweep: {dropout.rate: [0, 0.9]}
claims:
  - {metric: test_brier, compare: {dropout.rate: 0.9}, against: {dropout.rate: 0}, expect: higher, margin: 0.001}
"""
SCRIPT = """
import json, sys
from pathlib import Path
from dropexp.cli import main

assert main(["run", "s.yaml", "--no-plot", "--jobs", "1"]) == 0
from dropexp.analysis.compare import Side, compare
from dropexp.analysis.judging import judge
from dropexp.figures.claims import claims_figure
from dropexp.page.runs import arm_runs
from dropexp.store.folder import Store
from dropexp.tables.comparison import comparison
from dropexp.workflow.reading import reading
from dropexp.workflow.running import summarise
from dropexp.workflow.verifying import verify

shown, _ = reading(Path("results/s"))
store = Store(Path("results/s"))
pairs = compare([Side(shown, shown.arms[1])], [Side(shown, shown.arms[0])], [])
runs = list(arm_runs(shown, store.frame("provenance.csv")))
old, _ = reading(Path("old"))
with Store(Path("old")).writing() as writer:
    summarise(writer)
assert claims_figure(shown) is not None
print(json.dumps({
    "epochs": list(store.frame("epochs.csv")), "runs": list(store.frame("runs.csv")),
    "scores": store.frame("epochs.csv")["test_brier"].tolist(),
    "sentence": judge(shown)[0].sentence, "table": comparison(pairs, ("a", "b")),
    "page": [name for name, _ in runs[0].runs[0].rows], "fine": verify(Path("results/s"), 1).fine,
    "old": [len(old.runs), int(old.runs["test_brier"].isna().sum())],
}))
"""


def test_every_metric_measured_on_examples_has_its_function():
    assert set(EACH) == {metric.name for metric in METRICS if metric.on}


def test_the_table_is_of_one_piece():
    for name, column in RUNS.items():
        assert column.metric.low < column.metric.high
        assert all(of in RUNS for of in column.of or ())
        assert WHILE_TRAINING not in name
    for metric in METRICS:
        assert set(metric.averaged) | set(metric.final) <= set(RUNS), metric.name
    assert all(name.startswith(("val_", "test_")) for name in MONITORS)


@pytest.mark.parametrize(
    "name, classes, chance",
    [
        ("test_accuracy", 4, 0.25),
        ("val_loss", 4, log(4)),
        ("final_gap", 4, 0),
        ("gap", nan, 0),
        ("recovered", nan, nan),
    ],
)
def test_what_a_guess_has(name, classes, chance):
    assert RUNS[name].metric.chance(classes) == pytest.approx(chance, nan_ok=True)


def test_one_more_metric_is_one_row_and_its_function(tmp_path, store_study):
    """A copy of the package gets a Brier score: files, claims, monitors, tables, figures and pages know it from there."""
    store_study(tmp_path / "old", "study: old\nseeds: 2\nsweep:\n  dropout.rate: [0, 0.5]\n")
    package = tmp_path / "dropexp"
    shutil.copytree(Path(dropexp.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    for file, before, text in (
        ("metrics.py", "METRICS: tuple[Metric, ...] = (\n", ROW),
        ("train/evaluate.py", "EACH: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {", FUNCTION),
    ):
        known = (package / file).read_text(encoding="utf-8")
        assert known.count(before) == 1
        (package / file).write_text(known.replace(before, before + text), encoding="utf-8")
    (tmp_path / "s.yaml").write_text(STUDY)
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PATH": "", "PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert found["epochs"][-3:] == ["train_brier", "val_brier", "test_brier"]
    assert [name for name in found["runs"] if "brier" in name] == ["train_brier", "val_brier", "test_brier"]
    assert all(0 < score < 1 for score in found["scores"])
    header = (tmp_path / "results/s/summary.csv").read_text().partition("\n")[0].split(",")
    assert {"train_brier_mean", "test_brier_diff_p_holm"} <= set(header)
    assert header.index("test_loss_mean") < header.index("train_brier_mean") < header.index("data.source")
    assert re.match(r"test brier [-+]0\.\d{3} \[.+\], n = 3, margin 0\.001\b(?! nats)", found["sentence"])
    assert "test brier" in found["table"]
    assert "test Brier score" in found["page"]
    assert found["fine"]
    assert found["old"] == [4, 4]
    assert "test_brier" in (tmp_path / "old/runs.csv").read_text().partition("\n")[0]
