"""A study in the formats of others: their own readers open it and find the same numbers."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dropexp.analysis.labelled_rows import epochs_frame, runs_frame
from dropexp.analysis.tidy import Tidy, tidy
from dropexp.errors import StoreError, UsageError
from dropexp.export import formats
from dropexp.export.formats import EXPORTS, export
from dropexp.export.latex import escaped
from dropexp.export.markdown import escaped as markdown_escaped
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text


def made(yaml: str, name: str = "by-hand", diverged: int = 0) -> Tidy:
    """A study whose test accuracy is 0.90 + rate / 10 + 0.01 seed, of two epochs, training accuracy 1."""
    study = parse(read_text(yaml, f"{name}.yaml"))
    runs, epochs = [], []
    for i, run in enumerate(study.runs()):
        same = {"run_id": run.run_id, "arm_id": run.arm_id, "seed": run.seed}
        test = 0.9 + run.config.dropout.rate / 10 + 0.01 * run.seed
        numbers = {"train_accuracy": 1.0, "test_accuracy": test, "gap": 1 - test, "train_loss": 1 / 3, "test_loss": 0.5}
        end = "diverged" if i < diverged else "max_epochs"
        runs.append(same | {"epochs_run": 2, "stop_reason": end, "selected_epoch": 2} | numbers)
        epochs += [same | {"epoch": 1, "train_accuracy": 0.5, "test_accuracy": 0.5}, same | {"epoch": 2} | numbers]
    return tidy(study, pd.DataFrame(runs), pd.DataFrame(epochs))


RATES = "sweep: {dropout.rate: [0, 0.5]}\nseeds: 3\n"
WORDS = "model: {norm: batch}\nsweep: {dropout.rate: [0.5], model.order: [NAD, DNA]}\nseeds: 2\n"
MIXED = "sweep: {early_stopping.patience: [null, 5], dropout.rate: [0, 0.5]}\nseeds: 2\n"
CASES = {
    "rates": lambda: made(RATES),
    "words": lambda: made(WORDS),
    "mixed": lambda: made(MIXED),
    "one": lambda: made("seeds: 1"),
    "diverged": lambda: made(RATES, diverged=2),
    "oracle": lambda: made("early_stopping: {monitor: test_loss}\n" + RATES),
    "name": lambda: made(RATES, "50_percent"),
}


@pytest.fixture(params=list(CASES))
def case(request):
    return CASES[request.param]()


def test_every_run_and_epoch_once_with_the_axes_of_its_arm():
    frame = epochs_frame(made(RATES))
    assert list(frame.columns[:6]) == ["run_id", "arm_id", "seed", "epoch", "dropout.rate", "selected"]
    assert list(frame["dropout.rate"]) == [0.0] * 6 + [0.5] * 6
    assert list(frame["epoch"]) == [1, 2] * 6
    assert list(frame["selected"]) == [False, True] * 6
    assert frame["test_accuracy"].tolist()[-1] == pytest.approx(0.97)
    runs = runs_frame(made(MIXED))
    assert runs["early_stopping.patience"].isna().sum() == 4
    assert len(runs_frame(made(WORDS)).loc[lambda f: f["model.order"] == "dropout-norm-activation"]) == 2


def test_arms_that_are_one_function_stand_once():
    frame = epochs_frame(made("sweep: {dropout.rate: [0, 0.5], dropout.placement: [hidden, input]}\nseeds: 1"))
    assert len(frame) == 6
    assert frame.loc[frame["dropout.rate"] == 0, "dropout.placement"].unique().tolist() == ["hidden"]


def test_csv_reads_back_the_same(case):
    header, *rows = csv.reader(io.StringIO(export(case, "csv")))
    expected = epochs_frame(case)
    assert header == list(expected.columns)
    for name in expected.select_dtypes("number").columns:  # Python's own reading is exact, whatever pandas does
        again = [float(row[header.index(name)] or "nan") for row in rows]
        assert np.array_equal(again, expected[name].to_numpy(dtype=float), equal_nan=True), name
    assert [row[0] for row in rows] == list(expected["run_id"])


def test_parquet_reads_back_equal(case, tmp_path):
    import pyarrow.parquet

    path = tmp_path / "x.parquet"
    assert export(case, "parquet", path) == ""
    pd.testing.assert_frame_equal(pd.read_parquet(path), epochs_frame(case), check_dtype=False)
    table = pyarrow.parquet.read_table(path)
    assert table.num_rows == len(case.epochs)
    assert str(table.schema.field("epoch").type) == "int64"
    assert str(table.schema.field("test_accuracy").type) == "double"
    assert str(table.schema.field("selected").type) == "bool"


def test_tensorboard_opens_its_events(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    shown = made(RATES)
    export(shown, "tensorboard", tmp_path / "tb")
    folders = sorted((tmp_path / "tb").iterdir())
    assert [f.name for f in folders] == sorted(shown.runs["run_id"])
    for folder in folders:
        read = EventAccumulator(str(folder))
        read.Reload()
        own = shown.epochs[shown.epochs["run_id"] == folder.name]
        assert set(read.Tags()["scalars"]) == {"train_accuracy", "test_accuracy", "gap", "train_loss", "test_loss"}
        events = read.Scalars("test_accuracy")
        assert [e.step for e in events] == [1, 2]
        assert [e.step for e in read.Scalars("train_loss")] == [2], "what was not measured is no point"
        assert [e.value for e in events] == pytest.approx(own["test_accuracy"].tolist(), abs=1e-7)
        content = read.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
        told = HParamsPluginData.FromString(content).session_start_info.hparams
        assert told["dropout.rate"].number_value == shown.arms["bernoulli" in folder.name].value("dropout.rate")


def test_a_second_export_replaces_the_first_and_never_other_files(tmp_path):
    shown = made(RATES)
    export(shown, "tensorboard", tmp_path / "tb")
    first = {p: p.read_bytes() for p in (tmp_path / "tb").rglob("events*")}
    export(shown, "tensorboard", tmp_path / "tb")
    assert {p: p.read_bytes() for p in (tmp_path / "tb").rglob("events*")} == first
    (tmp_path / "tb" / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match="holds other files"):
        export(shown, "tensorboard", tmp_path / "tb")
    assert len(list((tmp_path / "tb").rglob("events*"))) == 6


def test_latex_says_the_numbers_and_what_they_are():
    text = export(made(RATES), "latex")
    rows = re.search(r"\\midrule\n(.*?)    \\bottomrule", text, re.DOTALL)[1].splitlines()
    # 0.90, 0.91, 0.92: sd 0.01, t(2) = 4.303, so 4.303 * 0.01 / sqrt(3) = 0.0248
    assert rows[0].strip() == r"0 & 3 & 100.0 & $91.0 \pm 2.5$ & $9.0 \pm 2.5$ &  &  \\"
    assert r"$+5.0$ undecided" in rows[1]
    caption = re.search(r"\\caption\{(.*)\}\n", text)[1]
    for part in ("n = 3", "95\\% interval over seeds", "at the last epoch", "UCI optical digits", "rate 0"):
        assert part in caption
    for rule in ("toprule", "midrule", "bottomrule"):
        assert text.count(rf"\{rule}") == 1
    assert r"\begin{tabular}{@{}lrrrrll@{}}" in text


def test_latex_is_balanced(case):
    text = export(case, "latex")
    body = text.replace(r"\{", "").replace(r"\}", "")
    assert body.count("{") == body.count("}")
    assert body.replace(r"\$", "").count("$") % 2 == 0
    assert re.findall(r"\\begin\{(\w+)\}", text) == re.findall(r"\\end\{(\w+)\}", text)[::-1]
    columns = len(re.search(r"\\begin\{tabular\}\{@\{\}(\w+)@\{\}\}", text)[1])
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {row.replace(r"\&", "").count("&") for row in rows} == {columns - 1}
    assert text.isascii(), "an accent of the user's may stand there, ours not"


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no TeX here")
def test_latex_compiles(case, tmp_path):
    page = r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{booktabs}\begin{document}" + export(
        case, "latex"
    )
    (tmp_path / "page.tex").write_text(page + r"\end{document}")
    subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"], cwd=tmp_path, check=True)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a & b_c 50%", r"a \& b\_c 50\%"),
        ("\\ { } $ # ^ ~", r"\textbackslash{} \{ \} \$ \# \textasciicircum{} \textasciitilde{}"),
        ("norm > relu | <0.1 ±", r"norm \textgreater{} relu \textbar{} \textless{}0.1 $\pm$"),
    ],
)
def test_what_means_something_in_latex_is_escaped(text, expected):
    assert escaped(text) == expected


def test_markdown_is_a_table_and_a_caption():
    lines = export(made(RATES), "markdown").splitlines()
    assert [c.strip() for c in lines[0].strip("|").split("|")] == [
        "dropout rate", "n", "train", "test", "gap", "test vs 0", "gap vs 0"
    ]  # fmt: skip
    assert set(lines[1]) <= set("|:- ")
    assert [c.strip() for c in lines[2].strip("|").split("|")][:5] == ["0", "3", "100.0", "91.0 ± 2.5", "9.0 ± 2.5"]
    assert len({len(line) for line in lines[:4]}) == 1
    assert "n = 3" in lines[-1]
    assert markdown_escaped("a|b <c> *d* $e$") == r"a\|b \<c\> \*d\* \$e\$"


@pytest.mark.parametrize("to", ["latex", "markdown"])
def test_the_caption_says_what_else_must_be_known(to):
    assert "2 diverged runs left out" in export(CASES["diverged"](), to)
    assert "on the test set itself" in export(CASES["oracle"](), to)
    assert "One seed, so without intervals" in export(CASES["one"](), to)
    assert r"50\_percent" not in re.sub(r"\\caption.*", "", export(CASES["name"](), "latex")), "a label is no text"


def test_an_extra_that_is_missing_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    for to in ("parquet", "tensorboard"):
        with pytest.raises(UsageError, match=rf"pip install 'dropexp\[{to}\]'"):
            export(made(RATES), to, tmp_path / "x")
    extras = (Path(__file__).parent.parent.parent / "pyproject.toml").read_text(encoding="utf-8")
    assert all(f"\n{to} = [" in extras for to, row in EXPORTS.items() if row.needs)


def test_what_cannot_be_written_is_one_sentence(tmp_path):
    shown = made(RATES)
    for to, out, error, says in [
        ("latx", None, UsageError, "did you mean 'latex'"),
        ("parquet", None, UsageError, "add --out by-hand.parquet"),
        ("csv", tmp_path, UsageError, "is a folder"),
        ("csv", tmp_path / "no" / "x.csv", StoreError, "cannot be written"),
    ]:
        with pytest.raises(error, match=says):
            export(shown, to, out)
    (tmp_path / "study.yaml").write_text("{}")
    with pytest.raises(UsageError, match="a file of the study itself"):
        export(shown, "csv", tmp_path / "epochs.csv")
    with pytest.raises(StoreError, match="no finished run"):
        export(replace(shown, runs=shown.runs.iloc[:0]), "latex")
