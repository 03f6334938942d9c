"""inspect and the networks of single runs: what is printed, which command trains a run again, and what loads without dropexp."""

import csv
import json
import shlex
import shutil

import numpy as np
import pytest
import torch
from stored import stored

import dropexp
from dropexp.cli import main
from dropexp.cli.inspect import WIDTH
from dropexp.console.curve import BLOCKS, LETTERS, curve, place
from dropexp.errors import StoreError, UsageError
from dropexp.store import weights
from dropexp.store.folder import Store
from dropexp.workflow.finding import runs_like
from dropexp.workflow.inspecting import inspected

TEXT = (
    "study: one\ndata: {train_size: 60}\nmodel: {hidden: [9], norm: batch}\ntraining: {epochs: 3}\n"
    "early_stopping: {patience: 1}\nseeds: 2\nprobes: [gradient_norms]\nsave_weights: all\n"
    "sweep: {dropout.rate: [0, 0.5]}\nclaims:\n"
    "- {says: it narrows, metric: gap, compare: {dropout.rate: 0.5}, against: {dropout.rate: 0}, expect: lower}\n"
)
OTHERS = "rate,seed,epoch,train_accuracy,test_accuracy\n" + "".join(
    f"{rate},{seed},{epoch},0.9,0.8\n" for rate in (0, 0.5) for seed in (0, 1) for epoch in (1, 2)
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    (home / "one.yaml").write_text(TEXT)
    assert main(["run", str(home / "one.yaml"), "--results", str(home / "results"), "--no-plot", "--quiet"]) == 0
    (home / "results" / "others").mkdir()
    (home / "results" / "others" / "epochs.csv").write_text(OTHERS)
    return home


@pytest.fixture
def home(trained, monkeypatch):
    monkeypatch.chdir(trained)
    monkeypatch.delenv("COLUMNS", raising=False)
    return trained


def rows(folder):
    with (folder / "runs.csv").open() as file:
        return {(row["dropout.rate"], row["seed"]): row for row in csv.DictReader(file)}


def test_one_page_says_all_of_a_run(home, capsys):
    row = rows(home / "results" / "one")["0.5", "1"]
    assert main(["inspect", "results/one", "rate=0.5", "seed=1"]) == 0
    out = capsys.readouterr().out
    page, again = out.split("\nagain: ")
    lines = page.split("\n")
    assert len(lines) <= 47
    assert [line for line in lines if len(line) > WIDTH and row["run_id"] not in line] == []
    last, flat = row["epochs_run"], " ".join(page.split())
    for words in (
        "results/one: rate 0.5, seed 1", row["run_id"], f"at epoch {last} (", f"selected epoch: {row['selected_epoch']}",
        f"test accuracy {100 * float(row['test_accuracy']):.1f}%", "data.train_size 60", "model.norm batch", "val_loss",
        "^ selected", "the audit of dropout found nothing wrong", "gradient_norms hidden.1", "cpu, 1 thread", "torch ",
        "epochs.csv: ", "runs.csv: line ", "predictions.bin: a record", f"weights/{row['run_id']}: weights of {last} epochs",
    ):  # fmt: skip
        assert words in flat, words
    assert any(c in page for c in BLOCKS)
    assert "dropout.rate" not in page, "0.5 is the default"
    assert again.startswith("dropexp run results/one/study.yaml ")


def test_the_command_trains_the_run_again_to_the_byte(home, capsys, tmp_path):
    row = rows(home / "results" / "one")["0.5", "1"]
    assert main(["inspect", "results/one", row["run_id"], "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["again"]
    words = shlex.split(again)
    assert words.pop(0) == "dropexp"
    assert main([*words, "--no-plot", "--quiet"]) == 0
    (made,) = rows(home / "results" / words[words.index("--study") + 1]).values()
    assert made == row
    shutil.rmtree(home / "results" / words[words.index("--study") + 1])


ELSEWHERE = "study: two\nseeds: 3\ntraining: {epochs: 2}\n"


@pytest.mark.parametrize("more", [
    pytest.param("sweep: "
        "{model.hidden: [[4], [8, 8]], dropout.placement: [[input], [input, hidden]], early_stopping.patience: [null, 3]}\n",
        marks=pytest.mark.slow),
    "sweep:\n- {dropout.rate: [0, 0.5]}\n- {training.lr: [0.1, 0.2], dropout.rate_at: [{}, {input: 0.2}]}\n",
    "model: {norm: batch}\nsweep: {model.order: [NAD, DNA], dropout.kind: [bernoulli, gaussian], dropout.group_size: [null, 4]}\n",
    pytest.param("dropout: {schedule: {shape: linear, epochs: 3}}\nsweep: "
        "{dropout.schedule.end: [0.5, 1], training.max_norm: [null, 3]}\n", marks=pytest.mark.slow),
    pytest.param("model: {kind: cnn}\nsweep: "
        "{model.pool: [none, max], streams.split: [null, 0], data.label_noise: [0, 0.25]}\n", marks=pytest.mark.slow),
    pytest.param("seeds: {start: 3, grow_to: 6}\nsweep: {dropout.rate: [0, 0.5]}\n", marks=pytest.mark.slow),
])  # fmt: skip
def test_every_run_has_a_command_whatever_was_swept(more, tmp_path):
    text = ELSEWHERE.replace("seeds: 3\n", "") + more if "seeds:" in more else ELSEWHERE + more
    stored(tmp_path / "two", text, epochs=2)
    match = runs_like(tmp_path / "two", [])
    for arm, row in match.runs:
        assert inspected(tmp_path / "two", [row["run_id"]]).again is not None, arm.cells


def test_a_users_own_data_is_found_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name in "ab":
        np.savez(tmp_path / f"{name}.npz", x=rng.normal(size=(60, 4)), y=np.arange(60) % 2)
    text = "study: own\nmodel: {hidden: [4]}\ntraining: {epochs: 1}\nseeds: 1\nsweep: {data.source: [a.npz, b.npz]}\n"
    (tmp_path / "own.yaml").write_text(text)
    assert main(["run", "own.yaml", "--no-plot", "--quiet", "--results", "kept"]) == 0
    row = next(row for row in Store(tmp_path / "kept" / "own").cells() if row["data.source"].endswith("b.npz"))
    again = shlex.split(inspected(tmp_path / "kept" / "own", [row["run_id"]]).again)
    assert main([*again[1:], "--no-plot", "--quiet"]) == 0
    (made,) = Store(tmp_path / "kept" / again[again.index("--study") + 1]).cells()
    assert made["run_id"] == row["run_id"]


def test_without_a_run_arms_and_runs_are_listed(home, capsys):
    assert main(["inspect", "results/one"]) == 0
    out = capsys.readouterr().out
    assert out.index("\nrate 0\n") < out.index("\nrate 0.5\n")
    for row in rows(home / "results" / "one").values():
        assert f"  {row['run_id'].rpartition('-')[2]}  seed {row['seed']}" in out
    assert max(map(len, out.split("\n"))) <= WIDTH
    assert main(["inspect", "results/one", "seed=1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [arm["axes"] for arm in found["arms"]] == [{"dropout.rate": "0"}, {"dropout.rate": "0.5"}]
    assert [run["seed"] for arm in found["arms"] for run in arm["runs"]] == [1, 1]


def test_the_document_holds_every_epoch(home, capsys):
    row = rows(home / "results" / "one")["0", "0"]
    assert main(["inspect", "results/one", "rate=0", "seed=0", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["run_id"] == row["run_id"]
    assert found["curves"]["epoch"] == list(range(1, int(row["epochs_run"]) + 1))
    assert found["metrics"]["test_accuracy"] == float(row["test_accuracy"])
    assert found["configuration"]["dropout.rate"] == "0"
    assert (found["audit"], found["provenance"]["threads"], found["notes"]) == ([], "1", [])
    assert {"probe": "gradient_norms", "layer": "hidden.1", "at": ""}.items() <= found["probes"][0].items()
    assert [file["path"] for file in found["files"]][-1] == f"results/one/weights/{row['run_id']}"


def test_tables_of_others_go_as_far_as_they_go(home, capsys):
    assert main(["inspect", "results/others", "rate=0.5", "seed=1"]) == 0
    out = capsys.readouterr().out
    assert "at epoch 2; selected epoch: 2" in out
    assert "test accuracy 80.0%" in out
    assert "again: dropexp did not train this run" in out
    assert "audit" not in out


def test_a_console_without_blocks_gets_letters(home, capsys, monkeypatch):
    assert curve([0, 1, None, 4], 0, 4, 9, BLOCKS) == "▁▁▃▃  ██"
    assert curve(range(100), 0, 99, 8, BLOCKS) == BLOCKS
    assert curve([1.0], 1, 1, 3, BLOCKS) == "▅▅▅"
    assert [place(i, 4, 9) for i in range(4)] == [0, 2, 4, 6]
    import io
    import sys

    ascii_out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", ascii_out)
    assert main(["inspect", "results/others", "rate=0.5", "seed=1"]) == 0
    ascii_out.seek(0)
    shown = ascii_out.read()
    assert LETTERS[-1] * 18 in shown
    assert "?" not in shown


def test_the_picture_is_of_the_one_run(home, capsys):
    row = rows(home / "results" / "one")["0.5", "0"]
    assert main(["inspect", "results/one", "rate=0.5", "seed=0", "--plot"]) == 0
    shown = capsys.readouterr().out.split("\n")
    made = home / "results" / "one" / "plots" / row["run_id"]
    assert {path.name for path in made.iterdir()} == {
        f"curves{kind}.{end}" for kind in ("", "-loss") for end in ("png", "svg")
    }
    assert f"results/one/plots/{row['run_id']}/curves.png" in shown
    assert main(["inspect", "results/one", "rate=0.5", "--plot"]) == 2
    assert "is of one run, and 2 meet these words" in capsys.readouterr().err


def test_a_picture_follows_no_link(home, capsys, tmp_path):
    folder = shutil.copytree(home / "results" / "one", tmp_path / "one", ignore=shutil.ignore_patterns("plots"))
    (folder / "plots").symlink_to(tmp_path)
    assert main(["inspect", str(folder), "rate=0.5", "seed=0", "--plot"]) == 2
    assert "symbolic link" in capsys.readouterr().err


@pytest.mark.parametrize("words, says", [
    (["rate=0.7"], "no arm of one has this; its values of rate are 0, 0.5"),
    (["seed=7"], "seed=7: none of 4 runs has it; seeds are 0, 1"),
    (["digits-mlp-9-batch-nine"], "no run begins with digits-mlp-9-batch-nine; the nearest is digits-mlp-9-batch-none-s"),
    (["zzz"], "no run begins with zzz; 'dropexp inspect results/one' lists them; a run is named by its run_id"),
    (["lr"], "no run begins with lr"), ([""], "an empty word names no run"), (["nope=1"], "nope"),
])  # fmt: skip
def test_where_nothing_matches_a_sentence_says_what_is_near(words, says, home, capsys):
    assert main(["inspect", "results/one", *words]) == 2
    shown = capsys.readouterr()
    assert says in shown.err
    assert shown.err.count("\n") == 1
    assert not shown.out


def test_runs_without_a_result_are_told_from_slips(tmp_path):
    study = stored(tmp_path / "two", ELSEWHERE + "sweep: {dropout.rate: [0, 0.5]}\n", missing={(1, 0)}, failed={(1, 2)})
    missing, failed = (r.run_id for r in study.runs() if r.arm_id == study.arms[1].arm_id and r.seed in (0, 2))
    with pytest.raises(UsageError, match=f"{missing}: is not trained yet; 'dropexp run .*/two/study.yaml' trains it"):
        runs_like(tmp_path / "two", [missing])
    with pytest.raises(UsageError, match=f"{failed}: failed on 2030-01-02 with boom"):
        runs_like(tmp_path / "two", [failed.rpartition("-")[2]])


def test_a_folder_of_studies_is_not_one(home, capsys):
    assert main(["inspect", "results"]) == 2
    assert "results: is no study's folder; name one study" in capsys.readouterr().err


# The networks of single runs


def test_a_loaded_network_predicts_as_the_run_did(home):
    from dropexp.data import load, split

    folder = home / "results" / "one"
    config = inspected(folder, ["rate=0.5", "seed=1"])
    run = next(r for r in runs_like(folder, []).shown.study.runs() if r.run_id == config.run_id)
    data = load(run.config.data, folder=folder)
    test = split(data, run.config.data, split_seed=1, label_seed=1).test
    rates = {}
    for epoch in (None, *config.curves["epoch"]):
        network = dropexp.load("results/one", {"rate": 0.5, "seed": 1}, epoch)
        with torch.no_grad():
            right = network(torch.from_numpy(data.x[test])).argmax(1) == torch.from_numpy(data.y[test])
        rates[epoch] = right.double().mean().item()
    assert rates.pop(None) == config.metrics["test_accuracy"]
    assert list(rates.values()) == config.curves["test_accuracy"]
    assert sum(isinstance(m, torch.nn.Dropout) for m in network.modules()) == 1


def test_weights_without_their_scale_take_it_from_the_data(home, tmp_path, monkeypatch):
    folder = shutil.copytree(home / "results" / "one", tmp_path / "one")
    x = torch.rand(4, 1, 8, 8) * 16
    expected = dropexp.load(folder, "rate=0.5 seed=1")(x)
    read = weights.read

    def older(*args):
        arrays, facts = read(*args)
        return {name: array for name, array in arrays.items() if not name.startswith("input.")}, facts

    monkeypatch.setattr("dropexp.workflow.networks.read", older)
    assert torch.equal(dropexp.load(folder, "rate=0.5 seed=1")(x), expected)


def test_export_writes_two_files_that_hold_the_run(home, capsys, tmp_path):
    row = rows(home / "results" / "one")["0.5", "1"]
    out = tmp_path / "net.py"
    assert (
        main(["export", "results/one", "--to", "torch", "rate=0.5", "seed=1", "epoch=1", "--out", str(out), "--json"])
        == 0
    )
    (fact, paths) = (made := json.loads(capsys.readouterr().out)), made["out"]
    assert (fact["run_id"], fact["epoch"]) == (row["run_id"], 1)
    assert paths == [str(out), str(out.with_suffix(".safetensors"))]
    namespace = {"__file__": str(out), "__name__": "net"}
    exec(compile(out.read_text(), "net.py", "exec"), namespace)
    x = torch.rand(4, 1, 8, 8) * 16
    assert torch.equal(namespace["load"]()(x), dropexp.load("results/one", "rate=0.5 seed=1", 1)(x))
    assert namespace["CONFIGURATION"]["training.epochs"] == "3"
    facts = weights.read(out.with_suffix(".safetensors"))[1]
    assert (facts["run_id"], facts["epoch"], facts["config"]["dropout.rate"]) == (row["run_id"], 1, "0.5")


@pytest.mark.parametrize("words, says", [
    (["rate=0.5"], "2 runs meet rate=0.5: "), ([], "4 runs are in results/one: "),
    (["rate=0.5", "seed=0", "epoch=9"], "stored epochs of"), (["rate=0", "seed=0", "epoch=x"], "epoch=x: an epoch is a whole"),
    (["rate=0", "seed=0", "--all"], "--all: goes with a whole study"),
])  # fmt: skip
def test_what_names_no_single_network_is_one_sentence(words, says, home, capsys, tmp_path):
    assert main(["export", "results/one", "--to", "torch", *words, "--out", str(tmp_path / "net.py")]) == 2
    shown = capsys.readouterr().err
    assert says in shown
    assert shown.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("out, says", [
    ([], "two files are written; add --out NAME.py"), (["--out", "net.pt"], "write --out NAME.py"), (["--out", "results.py"], None),
])  # fmt: skip
def test_where_to_write_two_files(out, says, home, capsys, tmp_path, monkeypatch):
    if says is None:
        (tmp_path / "net.py").mkdir()
        out, says = ["--out", str(tmp_path / "net")], "is a folder; name a file in it"
    assert main(["export", "results/one", "--to", "torch", "rate=0", "seed=0", *out]) == 2
    assert says in capsys.readouterr().err


def test_no_network_where_there_are_no_weights(home, tmp_path, capsys):
    stored(tmp_path / "two", ELSEWHERE + "sweep: {dropout.rate: [0, 0.5]}\n")
    with pytest.raises(StoreError, match="has no stored weights; add 'save_weights: selected' to its study"):
        dropexp.load(tmp_path / "two", "rate=0 seed=0")
    with pytest.raises(UsageError, match="dropexp did not train this study"):
        dropexp.load("results/others", "rate=0 seed=0")
    with pytest.raises(UsageError, match="--to torch: is of one run"):
        dropexp.read("results/one").export("torch", tmp_path / "net.py")


def test_changed_weights_and_a_strangers_run_id_are_refused(home, tmp_path):
    folder = shutil.copytree(home / "results" / "one", tmp_path / "one")
    row = rows(folder)["0.5", "1"]
    path = folder / "weights" / row["run_id"] / "epoch-00001.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(StoreError, match="differs from what was stored"):
        dropexp.load(folder, "rate=0.5 seed=1")
    folder = shutil.copytree(home / "results" / "one", tmp_path / "two")
    header, *lines = (folder / "runs.csv").read_text().split("\n")
    at = header.split(",").index("rows_digest")
    for i, line in enumerate(lines):
        cells = line.split(",")
        if cells[0] == row["run_id"]:  # a seal is easily forged, and rows of 0.2.0 have none
            cells[0], cells[at - 5 : at + 1] = "../../x", [""] * 6
            lines[i] = ",".join(cells)
    (folder / "runs.csv").write_text("\n".join([header, *lines]))
    (folder / "epochs.csv").write_text((folder / "epochs.csv").read_text().replace(row["run_id"], "../../x"))
    for act in (lambda: dropexp.load(folder, "rate=0.5 seed=1"), lambda: inspected(folder, ["rate=0.5", "seed=1"])):
        with pytest.raises(StoreError, match=r"the configuration and seed are not those of \.\./\.\./x"):
            act()


@pytest.mark.parametrize("change, says", [
    ({"input.shape": np.array([1, 8])}, "the shape of an example or the scale"),
    ({"input.shape": np.array([1, 8, -8])}, "the shape of an example or the scale"),
    ({"input.shape": np.array([1 << 40, 8, 8])}, "the shape of an example or the scale"),
    ({"input.mean": np.zeros(3, "f4")}, "or the scale of its features"),
    ({"input.shape": np.array([1, 8, 9])}, "weights: hidden.1.weight is"),
    ({"output.bias": np.zeros(10, "i8")}, "no floating-point"),
    ({"output.bias": np.float32(1)}, "no vector"),
    ({"more": np.zeros(1, "f4")}, "weights: more is not part of this network"),
], ids=range(8))  # fmt: skip
def test_made_up_weights_are_a_sentence(change, says, home, monkeypatch):
    read = weights.read
    monkeypatch.setattr("dropexp.workflow.networks.read", lambda *args: (read(*args)[0] | change, {}))
    with pytest.raises(dropexp.DropexpError, match=says):
        dropexp.load("results/one", "rate=0.5 seed=1")
