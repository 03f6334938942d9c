"""In a notebook: what a study's methods return shows itself, and the example is a lesson that runs."""

import ast
import base64
import copy
import json
import re
from pathlib import Path

import pytest

import dropexp
from dropexp.figures.all_figures import FIGURES
from dropexp.inline import Figures

EXAMPLE = Path(__file__).parent.parent / "docs" / "example.ipynb"
LONG, SHORT = '"epochs": 30', '"epochs": 4'  # what keeps the fast suite fast
DICT = {
    "study": "s",
    "data": {"train_size": 60, "val_size": 40},
    "model": {"hidden": [8]},
    "training": {"epochs": 6},
    "seeds": 3,
    "sweep": {"dropout.rate": [0, 0.5]},
}


def cells():
    return json.loads(EXAMPLE.read_text(encoding="utf-8"))["cells"]


def execute(source, names):
    """Run a cell as a notebook does; return the value of its last line, None where that is no expression."""
    body = ast.parse(source).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names) if last else None


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder in which one figure is drawn of each study, for time."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in FIGURES if name != "gap"]:
        monkeypatch.delitem(FIGURES, name)
    return tmp_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return dropexp.run(DICT, results=tmp_path_factory.mktemp("results"), jobs=1)


def test_the_example_runs_and_says_what_its_text_says(folder):
    names = {}
    shown = []
    for cell in cells():
        if cell["cell_type"] == "code":
            shown.append(execute("".join(cell["source"]).replace(LONG, SHORT), names))
    assert shown[1] == (["rate 0", "rate 0.2", "rate 0.5"], 15), "three arms, as the text says"
    assert shown[2] == pytest.approx(183 / 1797), "the share of the most frequent digit"
    assert names["study"].trained == 15
    assert names["study"].folder == Path("results/lesson")
    assert Path("results/lesson/report.html").is_file()
    assert {path.stem for path in names["study"].plot()} >= {"gap"}


def test_the_example_is_a_valid_notebook_without_outputs():
    whole = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    assert (whole["nbformat"], whole["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in whole["cells"]}) == len(whole["cells"])
    for cell in whole["cells"]:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
    code = "".join("".join(cell["source"]) for cell in whole["cells"] if cell["cell_type"] == "code")
    assert LONG in code, "what the test above shortens is there"


@pytest.mark.slow
def test_the_example_runs_in_a_kernel(tmp_path):
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed; pip install 'dropexp[notebook]'")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed; pip install 'dropexp[notebook]'")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed; pip install 'dropexp[notebook]'")
    made = nbformat.read(EXAMPLE, 4)
    nbformat.validate(made)
    wrong = nbformat.v4.new_code_cell("dropexp.run({'modl': 1})", metadata={"tags": ["raises-exception"]})
    more = nbformat.v4.new_code_cell("dropexp.run({**config, 'study': 'p'}, progress=True); study.plot()")
    made.cells += [more, wrong]
    nbclient.NotebookClient(made, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in made.cells for output in cell.get("outputs", [])]
    assert sum("text/html" in output.get("data", {}) for output in outputs) >= 5
    said = "".join(output["text"] for output in outputs if output["output_type"] == "stream")
    assert "15 runs" in said
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", said), "no control characters"
    (error,) = [output for output in outputs if output["output_type"] == "error"]
    assert error["traceback"] == ["ConfigError: <dict>: modl: unknown key; did you mean 'model'?"]


def test_figures_are_paths_that_show_themselves(trained, folder):
    drawn = trained.plot(fresh=True)
    assert list(drawn) == [trained.folder / "figures" / "gap.png"]
    assert repr(drawn) == str(drawn[0])
    html = drawn._repr_html_()
    (content,) = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="gap" width="\d+"', html)
    assert base64.b64decode(content).startswith(b"\x89PNG")
    assert len(content) < 100_000
    assert isinstance(dropexp.plot(trained.folder), Figures)


def test_a_figure_that_is_gone_or_none_is_named_and_not_code(tmp_path):
    odd = tmp_path / "<b>.png"
    odd.write_bytes(b"\x89PNG and no more")
    shown = Figures([odd, tmp_path / "gone.png", tmp_path / "a.csv"])._repr_html_()
    assert "<b>" not in shown
    assert shown.count("<p>") == 3
    assert "<img" not in shown
    assert Figures()._repr_html_() == "<p>no figure</p>"


def test_a_report_is_a_path_with_its_answer(trained, folder):
    made = trained.report(folder / "page.html")
    assert Path(made) == folder / "page.html"
    assert Path(made).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert repr(made) == f"{made.path}: {made.answer}"
    assert "<a" not in made._repr_html_(), "a browser opens no path of the whole disk from a notebook"
    beside = copy.copy(made)
    object.__setattr__(beside, "path", Path("results/a b/report.html"))
    assert '<a href="results/a%20b/report.html">results/a b/report.html</a>' in beside._repr_html_()


def test_rules_are_replayed_as_the_command_does(trained, folder, capsys):
    from dropexp.cli import main

    found = trained.stopping(patiences=[1, 3], criteria="patience")
    assert main(["stopping", str(trained.folder), "--criteria", "patience", "--patiences", "1", "3"]) == 0
    assert capsys.readouterr().out.startswith(repr(found))
    assert found.frame["arm"].unique().tolist() == ["rate 0", "rate 0.5"]
    assert found.frame["threshold"].dropna().unique().tolist() == [1, 3]
    assert found.overfitting["arm_id"].tolist() == found.frame["arm_id"].unique().tolist()
    assert found.files[0] == trained.folder / "stopping.csv"
    assert "<pre>" in found._repr_html_()
    everything = trained.stopping().frame
    assert set(everything["criterion"]) == {"none", "patience", "gl", "pq", "up"}
    assert trained.stopping(patiences=2, min_deltas=(0, 0.1)).frame["min_delta"].max() == 0.1


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda s: s.stopping(criteria="patient"), "criteria: 'patient' is not one of patience, gl, pq, up"),
        (lambda s: s.stopping(patiences=0), "patiences: '0' is not a whole number from 1 to 1,000,000"),
        (lambda s: s.stopping(patiences=[2, True]), "patiences: 'True' is not a whole number"),
        (lambda s: s.stopping(alphas="x"), "alphas: 'x' is not a number above 0"),
        (lambda s: s.stopping(min_deltas=[float("nan")]), "min_deltas: 'nan' is not a number of at least 0"),
        (lambda s: s.stopping(monitor="loss"), "monitor: 'loss' is not one of val_loss"),
        (lambda s: s.verify(-1), "sample: '-1' is not a whole number of at least 0"),
        (lambda s: s.verify(1, jobs=0), "jobs: '0' is not a whole number of at least 1"),
    ],
)
def test_mistakes_in_methods_are_usage_errors(trained, call, says):
    with pytest.raises(dropexp.UsageError, match=says):
        call(trained)


def test_verification_is_true_where_all_agrees(trained, tmp_path):
    import shutil

    found = trained.verify(1, seed=3)
    assert found
    assert found.fine
    assert found.differences.empty
    assert "verified\nfiles: 0 differences in 6 runs\ntrained again: 1 of 1 chosen run, 1 equal to the byte" in repr(
        found
    )
    assert "<table" not in found._repr_html_()
    shutil.copytree(trained.folder, tmp_path / "s")
    path = tmp_path / "s" / "summary.csv"
    path.write_text(path.read_text().replace("0.", "1.", 1))
    other = dropexp.read(tmp_path / "s").verify(0)
    assert not other
    assert other.differences["file"].tolist() == ["summary.csv"]
    assert "not verified\nfiles: 1 difference in 6 runs" in repr(other)
    assert "<table" in other._repr_html_()


def test_an_exception_shows_no_traceback_in_a_notebook():
    with pytest.raises(dropexp.ConfigError) as caught:
        dropexp.check({"modl": 1, "sweeep": {}})
    assert caught.value._render_traceback_() == [f"ConfigError: {line}" for line in caught.value.messages]
    assert len(caught.value.messages) == 2
