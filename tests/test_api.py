"""The commands as functions: the same results as the command line, mistakes as exceptions, scripts without a guard."""

import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import dropexp
from dropexp.cli import main
from dropexp.executors import all_executors
from dropexp.nn.dropout import Site

ROOT = Path(__file__).parent.parent
QUICK = {"training.epochs": 2, "model.hidden": 20, "data.train_size": 100}
TIMED = ("provenance", "design")  # what says when a folder was written
DICT = {
    "data": {"train_size": 100},
    "model": {"hidden": [20]},
    "training": {"epochs": 2},
    "sweep": {"dropout.rate": [0, 0.5]},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_call_and_a_command_leave_the_same_bytes(folder):
    made = dropexp.sweep(rates=[0, 0.5], seeds=3, set=QUICK, results="here", study="s")
    argv = ["sweep", "--rates", "0", "0.5", "--seeds", "3", "--results", "there", "--study", "s", "--no-plot", "--set"]
    assert main([*argv, *(f"{path}={value}" for path, value in QUICK.items())]) == 0
    for name in ("study.yaml", "runs.csv", "epochs.csv", "summary.csv"):
        assert (folder / "here" / "s" / name).read_bytes() == (folder / "there" / "s" / name).read_bytes(), name
    assert (made.trained, made.folder) == (6, Path("here/s"))
    assert dropexp.sweep(rates=[0, 0.5], seeds=3, set=QUICK, results="here", study="s").trained == 0


def test_a_dict_is_a_study_and_its_results_are_frames(folder, capfd):
    made = dropexp.run(DICT, seeds=3)
    assert capfd.readouterr() == ("", ""), "quiet"
    assert made.folder == Path("results/unnamed")
    assert list(made.runs["dropout.rate"]) == [0.0] * 3 + [0.5] * 3
    assert list(made.epochs["epoch"]) == [1, 2] * 6
    assert list(made.summary["n"]) == [3, 3]
    assert list(made.verdicts["metric"]) == ["train", "test", "gap"]
    gap = made.runs.groupby("dropout.rate")["gap"].mean()
    assert made.verdicts.query("metric == 'gap'")["difference"].item() == pytest.approx(gap[0.5] - gap[0.0])
    assert (repr(made), made.note, made.failed) == (made.table(), None, ())
    assert all(path.exists() for path in made.plot())
    assert made.export("markdown").startswith("| dropout rate")
    pd.testing.assert_frame_equal(dropexp.read(made.folder).runs, made.runs)
    assert dropexp.plot("results") == made.plot()


def test_a_notebook_shows_a_table_in_which_nothing_is_code(folder):
    rows = "".join(f"{word},{seed},1,1,0.{9 - i}\n" for i, word in enumerate(("<b>&", "x")) for seed in (0, 1))
    (folder / "epochs.csv").write_text("axis,seed,epoch,train_accuracy,test_accuracy\n" + rows)
    shown = dropexp.read(folder)._repr_html_()
    assert "<td>&lt;b&gt;&amp;</td>" in shown
    assert "<b>" not in shown
    assert shown.count("<tr>") == 3
    compared = dropexp.compare(folder, arms=[{"axis": "<b>&"}, {"axis": "x"}])
    assert "<b>" not in compared._repr_html_()


def test_two_arms_and_two_folders_compare(folder):
    made = dropexp.run(DICT, seeds=3)
    arms = dropexp.compare(made.folder, arms=["rate=0.5", "rate=0"])
    frame = arms.frame.set_index("metric")
    assert frame.loc["gap", "difference"] == pytest.approx(made.verdicts.query("metric == 'gap'")["difference"].item())
    assert (frame["a_arm"] == "rate 0.5").all()
    assert repr(arms).startswith(" A: results/unnamed, rate 0.5")
    other = dropexp.run(DICT, seeds=[7], study="other")
    joined = dropexp.join(made.folder, other.folder, out="results/both")
    assert set(joined.runs["seed"]) == {0, 1, 2, 7}
    assert dropexp.compare("results/both", other.folder, arms="rate=0").pairs[0].contrasts[0].judged.difference.n == 1


@pytest.mark.parametrize(
    "options, seeds, rates",
    [
        ({"rates": np.linspace(0, 0.5, 2), "seeds": np.int64(2)}, 2, 2),
        ({"rates": 0.2, "seeds": [4]}, 1, 1),
        ({"rates": (0, 0.2, 0.5), "seeds": range(3, 5)}, 2, 3),
        ({"set": {"dropout.rate": [0, 0.5]}, "seeds": 1}, 1, 2),
        ({"placements": ["hidden", "input+hidden"], "patiences": [None, "none", 5]}, 5, 4),
        ({"set": {"model.hidden": [[8], [8, 8]]}}, 5, 4),
    ],
)
def test_options_are_what_python_calls_lists_and_numbers(folder, options, seeds, rates):
    content = {**DICT, "sweep": {"dropout.rate": [0.5] if len(options) > 1 and "rates" not in options else [0, 0.5]}}
    found = dropexp.check(content, **options)
    assert (len(found["seeds"]), len(found["arms"])) == (seeds, rates)
    assert not (folder / "results").exists()


def test_numbers_of_other_libraries_name_the_same_arms(folder):
    """A rate of 0.2 in 32 bits is 0.2: otherwise the runs would have other names, and all would be trained again."""
    import torch

    def names(rates, **more):
        made = dropexp.check({**DICT, "sweep": {"dropout.rate": rates}, **more}, seeds=np.int32(2))
        return [arm["arm_id"] for arm in made["arms"]]

    plain = names([0, 0.2, 0.5])
    for rates in (
        np.array([0, 0.2, 0.5], np.float32), torch.tensor([0, 0.2, 0.5]), [np.float16(0), np.float32(0.2), torch.tensor(0.5)],
        pd.Series([0, 0.2, 0.5]), (0, np.float64(0.2), 0.5),
    ):  # fmt: skip
        assert names(rates) == plain
    assert names((0, 0.2, 0.5), model={"hidden": np.array([20])}) == plain
    assert dropexp.check(DICT, rates=np.array([0, 0.2], np.float32), baseline={"rate": np.float64(0.2)})


def test_conditions_are_spelt_as_on_the_command_line():
    from dropexp.study_files.path_values import pairs

    given = {
        "rate": np.float64(0.5),
        "hidden": [64, np.int64(64)],
        "rate_at": {"input": np.float32(0.2)},
        "seed": np.int64(3),
    }
    assert pairs(given) == ["rate=0.5", "hidden=64+64", "rate_at=input=0.2", "seed=3"]


def test_every_mistake_in_a_dict_is_a_message():
    with pytest.raises(dropexp.ConfigError) as caught:
        dropexp.check({"dropout": {"rate": 1.5, "kid": 1}, "modl": {}, "seeds": 0})
    assert sorted(message.partition(":")[0] for message in caught.value.messages) == ["<dict>"] * 4
    text = str(caught.value)
    assert "<dict>: dropout.rate: 1.5 is not below 1" in text
    assert "did you mean" in text
    assert issubclass(dropexp.ConfigError, dropexp.DropexpError)


ENDLESS: list = []
ENDLESS += [ENDLESS, ENDLESS]


@pytest.mark.parametrize(
    "content, says",
    [
        ({"dropout": {"rate": object()}}, r"dropout\.rate: a value of type object cannot be part of a study"),
        ({"dropout": {1: 2}}, r"dropout\.1: the key 1 is not a word"),
        ({"sweep": {"dropout.rate": ENDLESS}}, "nested more than 30 levels deep|more than 50,000 values"),
        ({"sweep": {"dropout.rate": range(10**12)}}, "more than 50,000 values"),
        ({"training": {"lr": float("nan")}}, r"training\.lr: \.nan is not finite"),
        ({"study": "a/b"}, "is not a valid folder name"),
        ({"sweep": {"dropout.rate": {0, 0.5}}}, "a value of type set cannot be part of a study; use a list"),
        (
            {"sweep": {"dropout.rate": (r / 2 for r in range(2))}},
            "a value of type generator cannot be part of a study; use a list",
        ),
        ({"data": {"source": pd.DataFrame({"a": [1]})}}, r"data\.source: a value of type DataFrame cannot be part"),
    ],
)
def test_what_no_file_could_hold_is_refused(content, says):
    with pytest.raises(dropexp.ConfigError, match=says):
        dropexp.check(content)


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda: dropexp.run(5), "config: a int"),
        (lambda: dropexp.run(DICT, jobs=0), "jobs=0: must be a whole number"),
        (lambda: dropexp.run(DICT, rates=[]), "no value"),
        (lambda: dropexp.run(DICT, rates=[object()]), "cannot be part of a study"),
        (lambda: dropexp.run(DICT, set=["a"]), "pass a dict"),
        (lambda: dropexp.run(DICT, set={"training.lrr": 1}), "did you mean 'training.lr'"),
        (lambda: dropexp.run(DICT, set={"lr": 1, "training.lr": 2}), "set training.lr: sets training.lr a second time"),
        (lambda: dropexp.run(DICT, executor="rai"), "--executor: 'rai' is not one of inline, pool"),
        (lambda: dropexp.run(DICT, executor="inline", jobs=2), "remove --jobs 2, or use --executor pool"),
        (lambda: dropexp.check(DICT, baseline="rate=0.3"), "no arm of unnamed has this; its values of rate are 0, 0.5"),
        (lambda: dropexp.run(DICT, rates=[2]), r"rates=\[2\]: dropout.rate: 2 is not below 1"),
        (lambda: dropexp.run("nowhere.yaml"), "nowhere.yaml: no such file"),
        (lambda: dropexp.read("nowhere"), "neither study.yaml"),
        (lambda: dropexp.plot("nowhere"), "no such folder"),
        (lambda: dropexp.compare("nowhere", "nowhere"), "no such folder"),
        (lambda: dropexp.check_laws("gravity"), "no law is called"),
    ],
)
def test_mistakes_are_exceptions_of_ours(folder, call, says):
    with pytest.raises(dropexp.DropexpError, match=says):
        call()


def test_a_baseline_is_named_as_on_the_command_line(folder):
    made = dropexp.run(DICT, seeds=2, baseline={"rate": 0.5})
    assert set(made.verdicts["baseline"]) == {"rate 0.5"}
    with pytest.raises(TypeError, match="unexpected keyword argument 'baselines'"):
        dropexp.run(DICT, baselines="rate=0.5")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        _ = dropexp.runn
    assert {"run", "sweep", "read", "compare"} <= set(dir(dropexp))


def test_what_the_audit_found_stays_with_the_study(folder, monkeypatch, capsys):
    mask = Site.mask
    with monkeypatch.context() as faulty:
        faulty.setattr(Site, "mask", lambda self, u, seeds: mask(self, u[:, :1].expand_as(u).contiguous(), seeds))
        with pytest.warns(UserWarning, match="dropout audit"):
            made = dropexp.run(DICT, seeds=1, jobs=1)
    assert made.accused == tuple(made.runs.query("`dropout.rate` == 0.5")["run_id"])
    assert dropexp.read(made.folder).accused == made.accused
    assert main(["run", str(made.folder / "study.yaml"), "--no-plot"]) == 1, (
        "a command that trains nothing says it, too"
    )
    shown = capsys.readouterr()
    assert "0 runs trained" in shown.out
    assert "the audit of dropout found a problem in 1 run (probes.csv)" in shown.err


def test_a_failed_run_is_a_warning_and_stands_in_the_results(folder, monkeypatch):
    from dropexp.train import pack

    monkeypatch.setattr(pack, "Feed", lambda *rest: 1 / 0)
    with pytest.warns(UserWarning, match="2 runs failed, the first with ZeroDivisionError"):
        made = dropexp.run(DICT, seeds=1, jobs=1)
    assert len(made.failed) == 2
    assert repr(made) == "no finished run yet"
    assert "no finished run" in made._repr_html_()


def test_the_threads_of_the_caller_are_left_as_they_were(folder):
    import torch

    torch.set_num_threads(2)
    dropexp.run(DICT, seeds=1, jobs=1)
    assert torch.get_num_threads() == 2


def test_laws_are_a_frame():
    found = dropexp.check_laws("mask-rate")
    assert found["holds"].tolist() == [True]


SCRIPT = """
import sys
{first}
import dropexp
print("begun")
made = dropexp.sweep(rates=[0, 0.5], seeds=2, study="s", results=sys.argv[1], jobs={jobs}, set={quick})
print(made.trained)
"""


def script(folder, jobs, first="", stdin=False):
    text = SCRIPT.format(jobs=jobs, quick=QUICK, first=first)
    (folder / "script.py").write_text(text)
    argv = [sys.executable, "-" if stdin else "script.py", f"{jobs}{bool(first)}{stdin}"]
    env = {k: v for k, v in os.environ.items() if k != "MKL_CBWR"} | {"PYTHONPATH": str(ROOT)}
    out = subprocess.run(argv, cwd=folder, env=env, input=text, capture_output=True, text=True, timeout=300)
    assert out.returncode == 0, out.stderr
    assert out.stderr == ""
    assert out.stdout == "begun\n4\n"
    return (folder / argv[-1] / "s" / "epochs.csv").read_bytes()


HOW = {
    "two workers": {"jobs": 2},
    "from stdin": {"jobs": 2, "stdin": True},
    "torch first": {"jobs": 1, "first": "import torch; torch.ones(9, 9) @ torch.ones(9, 9)"},
}


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
def test_a_script_without_a_guard_trains_once_however_it_is_run(how, folder):
    made = dropexp.sweep(rates=[0, 0.5], seeds=2, study="s", results=folder / "alone", jobs=1, set=QUICK)
    assert made.trained == 4
    assert script(folder, **HOW[how]) == (folder / "alone" / "s" / "epochs.csv").read_bytes()


def counting(monkeypatch):
    """Let the pool's row train in this process, and return the list that grows with each call."""
    used, rows = [], all_executors.EXECUTORS
    here = replace(rows["pool"], map=lambda *rest: (used.append(1), rows["inline"].map(*rest))[1])
    monkeypatch.setitem(rows, "pool", here)
    return used


@pytest.mark.parametrize("first", [True, False])
def test_where_torch_came_first_a_worker_trains_what_must_have_its_bytes(folder, monkeypatch, first):
    used = counting(monkeypatch)
    monkeypatch.setattr(dropexp, "TORCH_CAME_FIRST", first)
    assert dropexp.run(DICT, seeds=1, jobs=1).trained == 2
    assert len(used) == first


def test_an_executor_is_asked_for_by_name(folder, monkeypatch):
    used = counting(monkeypatch)
    made = [dropexp.run(DICT, seeds=2, executor=name, results=name) for name in ("inline", "pool")]
    assert len(used) == 1
    files = [{p.name: p.read_bytes() for p in run.folder.glob("*.csv") if p.stem not in TIMED} for run in made]
    assert files[0] == files[1]
    monkeypatch.setattr(dropexp, "TORCH_CAME_FIRST", True)
    with pytest.warns(UserWarning, match="import dropexp first"):
        dropexp.run(DICT, seeds=3, executor="inline")


def test_where_no_process_may_start_the_packs_train_in_this_one(folder, monkeypatch):
    monkeypatch.setattr("dropexp.executors.machine.may_start", lambda: False)
    used = counting(monkeypatch)
    assert dropexp.run(DICT, seeds=2, jobs=2).trained == 4
    assert not used
    monkeypatch.setattr(dropexp, "TORCH_CAME_FIRST", True)
    with pytest.warns(UserWarning, match="import dropexp first"):
        dropexp.run(DICT, seeds=3, jobs=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dropexp.run(DICT, seeds=3, jobs=2)  # nothing to train, nothing to say


def test_the_short_options_are_parameters_too():
    found = dropexp.check(DICT, epochs=3, lr=[0.1, 0.2], data="digits")
    assert found["axes"][-1] == "training.lr"
    assert found["study"] == "unnamed-lr-rate-epochs-3"
    with pytest.raises(dropexp.UsageError, match=r"sets training.epochs a second time"):
        dropexp.check(DICT, epochs=3, set={"training.epochs": 4})
