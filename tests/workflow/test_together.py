"""Several folders as one study: each run once, disagreements shown, and a folder that every command reads."""

import csv
import shutil

import pytest

from dropexp.errors import StoreError
from dropexp.records import EpochRow, Outcome, ProbeRow, Provenance, RunRow
from dropexp.rows import COLUMNS
from dropexp.store.writer import Writer
from dropexp.study_files.parse import parse
from dropexp.study_files.writing import to_yaml
from dropexp.study_files.yaml_reader import read_text
from dropexp.workflow.reading import reading
from dropexp.workflow.together import together

YAML = "training: {epochs: 2}\nsweep: {dropout.rate: [0, 0.5]}\n"


def outcome(run, torch="2.9", loss=0.5, probe=True, second=None):
    score = 0.9 + 0.01 * run.seed
    numbers = {"train_accuracy": 1.0, "test_accuracy": score, "gap": 1.0 - score, "train_loss": 0.1, "test_loss": loss}
    same = (run.run_id, run.arm_id, run.seed)
    return Outcome(
        runs=(RunRow(*same, 2, "max_epochs", 2, **numbers),),
        epochs=(EpochRow(*same, 1, **numbers), EpochRow(*same, 2, **{**numbers, "test_accuracy": second or score})),
        probes=(ProbeRow(run.run_id, 1, "gradient_norms", "output", "", loss),) if probe else (),
        provenance=(
            Provenance(run.run_id, 1.0, "host", "cpu", 1, 1, "0.1", "3.13", torch, "2.0", "", "", "then", "now"),
        ),
    )


@pytest.fixture
def trained(tmp_path):
    def trained(name, seeds, text=YAML, skip=0, **shape):
        study = parse(read_text(f"{text}seeds: {seeds}", str(tmp_path / name / "study.yaml")), name=name)
        with Writer(tmp_path / name) as writer:
            writer.write("study.yaml", to_yaml(study))
            for run in study.runs()[skip:]:
                writer.append([run], outcome(run, **shape))
        return tmp_path / name

    return trained


def test_a_seed_from_each_makes_one_study_of_all(trained, tmp_path):
    folders = [trained(f"student-{seed}", [seed]) for seed in range(10)]
    made = together(folders, tmp_path / "class")
    assert made.runs == 20
    shown, note = reading(tmp_path / "class")
    assert note is None
    assert shown.study.seeds == tuple(range(10))
    assert [len(shown.finished(arm)) for arm in shown.arms] == [10, 10]
    assert list(shown.values(shown.arms[0], "test_accuracy"))[:3] == [0.9, 0.91, 0.92]
    assert (tmp_path / "class" / "summary.csv").exists()
    assert (tmp_path / "class" / "provenance.csv").read_text().count("\n") == 21
    assert made.notes == ("20 runs in 10 folders, 20 of them distinct",)


def test_the_bytes_do_not_depend_on_the_order_nor_on_joining_twice(trained, tmp_path):
    folders = [trained("a", [0, 1]), trained("b", [1, 2])]
    together(folders, tmp_path / "one")
    together(folders[::-1], tmp_path / "other")
    files = ("runs.csv", "epochs.csv", "probes.csv", "summary.csv")
    first = {name: (tmp_path / "one" / name).read_bytes() for name in files}
    assert {name: (tmp_path / "other" / name).read_bytes() for name in files} == first
    made = together(folders, tmp_path / "one")
    assert {name: (tmp_path / "one" / name).read_bytes() for name in files} == first
    assert made.notes == ("14 runs in 3 folders, 6 of them distinct",)


def test_a_folder_that_exists_grows(trained, tmp_path):
    together([trained("a", [0])], tmp_path / "class")
    together([trained("b", [1])], tmp_path / "class")
    assert reading(tmp_path / "class")[0].study.seeds == (0, 1)


def test_other_rates_and_a_study_without_a_sweep_join_the_grid(trained, tmp_path):
    wider = trained("wide", [0], YAML.replace("[0, 0.5]", "[0, 0.2]"))
    single = trained("single", [1], "training: {epochs: 2}\ndropout: {rate: 0.5}\n")
    made = together([trained("a", [0]), wider, single], tmp_path / "class")
    shown, _ = reading(tmp_path / "class")
    assert [arm.value("dropout.rate") for arm in shown.arms] == [0, 0.2, 0.5]
    assert [len(shown.finished(arm)) for arm in shown.arms] == [1, 1, 2]
    assert "2 runs are missing; 'dropexp run" in made.notes[-1]


def test_grids_that_differ_on_two_axes_stay_apart(trained, tmp_path):
    one = trained("one", [0], "sweep: {dropout.rate: [0, 0.5], training.epochs: [2]}\n")
    two = trained("two", [0], "sweep: {dropout.rate: [0.2], training.epochs: [3]}\n")
    together([one, two], tmp_path / "class")
    shown, _ = reading(tmp_path / "class")
    assert [(a.value("dropout.rate"), a.value("training.epochs")) for a in shown.arms] == [(0, 2), (0.2, 3), (0.5, 2)]


def test_a_field_that_neither_sweeps_must_agree(trained, tmp_path):
    other = trained("b", [1], YAML.replace("2", "3", 1))
    with pytest.raises(StoreError, match=r"b: training\.epochs is 3, but 2 in .*a; the folders of one study"):
        together([trained("a", [0]), other], tmp_path / "class")
    assert not (tmp_path / "class").exists()


def test_runs_of_one_id_that_disagree_are_shown_and_one_folder_can_be_preferred(trained, tmp_path):
    a, b = trained("a", [0, 1]), trained("b", [1], loss=0.25)
    with pytest.raises(StoreError) as caught:
        together([a, b], tmp_path / "class")
    first, *_, last = caught.value.messages
    assert f"runs.csv: test_loss is 0.5 in {a}, 0.25 in {b}" in first
    assert last.startswith("2 runs with the same id but different rows; --prefer")
    assert not (tmp_path / "class").exists()
    together([a, b], tmp_path / "class", prefer=b)
    shown, _ = reading(tmp_path / "class")
    assert list(shown.values(shown.arms[0], "test_loss")) == [0.5, 0.25]
    assert list(shown.epochs.loc[shown.epochs.seed == 1, "test_loss"]) == [0.25] * 4
    assert "0.25" in (tmp_path / "class" / "probes.csv").read_text()
    together([a, b], tmp_path / "class", prefer=a)  # the joined folder holds the other choice
    assert list(reading(tmp_path / "class")[0].values(shown.arms[0], "test_loss")) == [0.5, 0.5]
    assert (tmp_path / "class" / "probes.csv").read_text().count("\n") == 5


def test_epochs_that_disagree_are_named_with_their_epoch(trained, tmp_path):
    a, b = trained("a", [1]), trained("b", [1], second=0.92)
    with pytest.raises(StoreError, match=r"epochs\.csv epoch 2: test_accuracy is 0\.91 in .*, 0\.92 in"):
        together([a, b], tmp_path / "class")


def test_runs_that_lost_rows_are_left_out_and_named(trained, tmp_path):
    a, b = trained("a", [1]), trained("b", [1, 2])
    path = b / "epochs.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    made = together([a, b], tmp_path / "class")
    assert made.runs == 3
    assert [note for note in made.notes if "b/runs.csv:5: " in note and "epochs.csv holds 1 of its 2 rows" in note]


def test_probes_that_only_one_has_are_no_disagreement(trained, tmp_path):
    together([trained("a", [1]), trained("b", [1], probe=False)], tmp_path / "class")
    assert (tmp_path / "class" / "probes.csv").read_text().count("\n") == 3


def test_versions_that_differ_are_listed(trained, tmp_path):
    odd = trained("odd", [2], torch="2.7")
    made = together([trained("a", [0]), trained("b", [1]), odd], tmp_path / "class")
    assert f"torch differs: 2.9 for 4 runs; 2.7 in {odd}" in made.notes


def test_claims_of_the_first_are_kept_and_that_is_said(trained, tmp_path):
    claim = "claims: [{metric: gap, compare: {dropout.rate: 0.5}, against: {dropout.rate: 0}, expect: lower}]\n"
    made = together([trained("a", [0], YAML + claim), trained("b", [1])], tmp_path / "class")
    assert len(reading(tmp_path / "class")[0].study.claims) == 1
    assert any(note.startswith("claims: those of") for note in made.notes)


def test_that_one_was_to_grow_is_said(trained, tmp_path):
    growing = trained("a", "{start: 3, step: 2, grow_to: 7}")
    made = together([growing, trained("b", 3)], tmp_path / "class")
    said = f"seeds: {growing} was declared to grow until all is decided; the joined study's intervals do not account for that"
    assert said in made.notes
    assert not any(n.startswith("seeds:") for n in together([trained("c", 3), trained("d", 3)], tmp_path / "e").notes)


def own_data(tmp_path, name, rows, seed, where="", sources="mine.csv"):
    """A study of a user's .csv that lies beside its folder, as a student would have it."""
    from dropexp.cli import main

    home = tmp_path / name / where
    home.mkdir(parents=True)
    for i, source in enumerate(sources.split()):
        lines = "".join(f"{j % 7},{(j + i) % 5},{'xy'[j % 2]}\n" for j in range(rows))
        (home / source).parent.mkdir(exist_ok=True)
        (home / source).write_text("a,b,species\n" + lines)
    text = f"data: {{source: {sources.split()[0]}, label: species}}\nmodel: {{hidden: [4]}}\ntraining: {{epochs: 1}}\n"
    swept = f", data.source: [{', '.join(sources.split())}]" if " " in sources else ""
    (home / "c.yaml").write_text(f"{text}seeds: [{seed}]\nsweep: {{dropout.rate: [0, 0.5]{swept}}}\n")
    results = tmp_path / name / "results"
    assert main(["run", str(home / "c.yaml"), "--results", str(results), "--no-plot"]) == 0
    return results / "c"


def test_the_same_run_on_a_copy_of_the_file_elsewhere_is_the_same_run(tmp_path, capsys):
    a, b = own_data(tmp_path, "a", 60, 0), own_data(tmp_path, "b", 60, 0, sources="deep/mine.csv")
    assert (a / "runs.csv").read_text() != (b / "runs.csv").read_text(), "the path is another"
    assert together([a, b], tmp_path / "class").runs == 2
    renamed = own_data(tmp_path, "renamed", 60, 0, sources="copy.csv")
    with pytest.raises(StoreError, match=r"data\.source is .*copy\.csv, but .*mine\.csv in"):
        together([a, renamed], tmp_path / "no")


def test_a_sweep_over_own_files_joins_by_their_content(tmp_path, capsys):
    both = {"sources": "mine.csv yours.csv"}
    a, b = own_data(tmp_path, "a", 60, 0, **both), own_data(tmp_path, "b", 60, 1, where="deep", **both)
    together([a, b], tmp_path / "class")
    shown, _ = reading(tmp_path / "class")
    assert [len(shown.finished(arm)) for arm in shown.arms] == [2] * 4
    assert (tmp_path / "class" / "study.yaml").read_text().count("sha256") == 3  # the base's, and one a file


def test_copies_of_one_file_are_one_data_set_and_other_content_is_another(tmp_path, capsys):
    from dropexp.cli import main

    a, b, other = own_data(tmp_path, "a", 60, 0), own_data(tmp_path, "b", 60, 1), own_data(tmp_path, "x", 61, 2)
    together([a, b], tmp_path / "class")
    shown, _ = reading(tmp_path / "class")
    assert [len(shown.finished(arm)) for arm in shown.arms] == [2, 2]
    argv = ["run", str(tmp_path / "class" / "study.yaml"), "--results", str(tmp_path), "--no-plot", "--seeds", "3"]
    assert main(argv) == 0, "the joined study finds the data of the first folder"
    assert (tmp_path / "class" / "runs.csv").read_text().count("\n") == 7
    with pytest.raises(StoreError, match=r"data\.sha256 is"):
        together([a, other], tmp_path / "bad")


def test_folders_that_cannot_be_joined_or_written(trained, tmp_path):
    a = trained("a", [0])
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "x.txt").write_text("x")
    with pytest.raises(StoreError, match="contains something that is not a study"):
        together([a], tmp_path / "notes")
    with pytest.raises(StoreError, match="is not one of the folders"):
        together([a], tmp_path / "class", prefer=tmp_path / "z")
    with pytest.raises(StoreError, match="has only letters"):
        together([a], tmp_path / "a b")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "epochs.csv").write_text("seed,epoch,train_accuracy,test_accuracy\n0,1,0.9,0.8\n")
    with pytest.raises(StoreError, match="trained elsewhere, and"):
        together([a, theirs], tmp_path / "class")


def foreign(folder, seeds, test=0.8, axis="rate"):
    folder.mkdir()
    with (folder / "epochs.csv").open("w", newline="") as file:
        rows = [[rate, seed, e, 0.9, test] for rate in (0, 0.5) for seed in seeds for e in (1, 2)]
        csv.writer(file).writerows([[axis, "seed", "epoch", "train_accuracy", "test_accuracy"], *rows])
    return folder


def test_results_of_others_join_too(tmp_path):
    a, b = foreign(tmp_path / "a", (0, 1)), foreign(tmp_path / "b", (1, 2))
    made = together([a, b], tmp_path / "class")
    assert (made.runs, made.notes) == (6, ("8 runs in 2 folders, 6 of them distinct",))
    shown, _ = reading(tmp_path / "class")
    assert shown.study.seeds == (0, 1, 2)
    assert shown.axes == ("dropout.rate",)
    together([tmp_path / "class", foreign(tmp_path / "c", (3,))], tmp_path / "class")
    assert reading(tmp_path / "class")[0].study.seeds == (0, 1, 2, 3)
    odd = foreign(tmp_path / "odd", (2, 4), test=0.7)
    with pytest.raises(StoreError, match=r"epoch 1: test_accuracy is 0\.8 in .*b, 0\.7 in .*odd; --prefer"):
        together([b, odd], tmp_path / "no")
    together([b, odd], tmp_path / "yes", prefer=odd)
    half = reading(tmp_path / "yes")[0]
    assert list(half.values(half.arms[1], "test_accuracy")) == [0.8, 0.7, 0.7]
    with pytest.raises(StoreError, match=r"is in no epochs\.csv of"):
        together([a, foreign(tmp_path / "width", (9,), axis="width")], tmp_path / "no")


def test_every_column_of_a_joined_file_is_todays(trained, tmp_path):
    together([trained("a", [0])], tmp_path / "class")
    shutil.rmtree(tmp_path / "a")
    for name in ("runs.csv", "epochs.csv", "probes.csv", "provenance.csv"):
        assert tuple((tmp_path / "class" / name).read_text().splitlines()[0].split(",")) == COLUMNS[name]
