"""A results folder of a stranger, with links under every name that dropexp writes: no command touches what they point to."""

import os

import pytest

from dropexp.cli import main

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
STUDY = "data: {train_size: 60}\nmodel: {hidden: [6]}\ntraining: {epochs: 1}\nseeds: 2\nsave_weights: selected\n"
CSVS = ("runs", "epochs", "probes", "provenance", "failures", "summary", "overfit", "claims", "stopping", "lost+found")
NAMES = [*(f"{name}.csv" for name in CSVS), "study.yaml", "report.html", "index.html", "s.tex", ".owner", ".lock"]
ASIDE = [f".{name}.new" for name in NAMES] + [".figures.new"]
FOLDERS = ["figures", "weights", ".checkpoints"]
VERBS = [
    ["run", "s.yaml", "--no-plot"], ["plot", "results/s", "--fresh"], ["report", "results/s", "--fresh"], ["stopping", "results/s"],
    ["verify", "results/s", "--sample", "1"], ["export", "results/s", "--to", "csv"],
]  # fmt: skip


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPEXP_CHECKPOINT_SECONDS", "0")
    (tmp_path / "s.yaml").write_text(STUDY)
    (tmp_path / "mine").mkdir()
    return tmp_path


def everything(folder):
    return {p.relative_to(folder): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


@pytest.mark.parametrize("trained", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_no_link_within_a_folder_is_written_through(trained, place, capsys):
    folder = place / "results" / "s"
    if trained:
        assert main(["run", "s.yaml", "--no-plot"]) == 0
        assert main(["report", "results/s"]) == 0
    targets = {name: place / "mine" / name.strip(".") for name in [*NAMES, *ASIDE]}
    for target in targets.values():
        target.write_text("mine")
    for name in FOLDERS:
        (place / "mine" / f"folder-{name}").mkdir()
    before = everything(place / "mine")
    for names in (ASIDE, NAMES, FOLDERS):
        moved = []
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            path = folder / name
            if path.exists() or path.is_symlink():
                moved.append((path.rename(place / f"aside-{len(moved)}"), path))
            path.symlink_to(place / "mine" / f"folder-{name}" if name in FOLDERS else targets[name])
        for verb in VERBS:
            main(verb)
            assert "Traceback" not in capsys.readouterr().err
        assert everything(place / "mine") == before, f"{names}: written through"
        for name in names:
            if (folder / name).is_symlink():
                (folder / name).unlink()
        for aside, path in moved:
            if not path.exists():
                aside.rename(path)


def test_a_picture_that_is_a_link_is_replaced(place):
    """`stopping` adds one to a folder of figures that is there already."""
    longer = ["--study", "s", "--set", "training.epochs=6", "training.lr=1"]
    assert main(["run", "s.yaml", "--rates", "0", "0.5", "--no-plot", *longer]) == 0
    (place / "mine" / "picture").write_text("mine")
    path = place / "results" / "s" / "figures" / "stopping-heat.png"
    path.parent.mkdir()
    path.symlink_to(place / "mine" / "picture")
    assert main(["stopping", "results/s", "--patiences", "1"]) == 0
    assert (place / "mine" / "picture").read_text() == "mine"
    assert not path.is_symlink()


def test_a_results_folder_that_the_user_names_may_be_a_link(place):
    (place / "results").symlink_to(place / "mine")
    assert main(["run", "s.yaml", "--no-plot"]) == 0
    assert (place / "mine" / "s" / "runs.csv").exists()


def test_a_table_of_others_may_be_a_link(place):
    """It is only read; and what lies beside it is not taken for a file of dropexp's."""
    rows = [f"{rate},{seed},1,0.9,0.{8 + seed % 2}\n" for rate in (0, 0.5) for seed in range(3)]
    (place / "mine" / "log.csv").write_text("rate,seed,epoch,train_accuracy,test_accuracy\n" + "".join(rows))
    (place / "results" / "x").mkdir(parents=True)
    (place / "results" / "x" / "epochs.csv").symlink_to(place / "mine" / "log.csv")
    (place / "results" / "x" / "failures.csv").write_text("theirs\n")
    for verb in ("plot", "report"):
        assert main([verb, "results/x"]) == 0
