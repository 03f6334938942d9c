"""Results that dropexp did not train: what a table of epochs becomes, and a sentence with its line for each mistake."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest

from dropexp.errors import StoreError
from dropexp.tables.arms import table
from dropexp.workflow.reading import reading, studies_below

PLAIN = ("seed", "epoch", "train_accuracy", "test_accuracy")


def lines(rates=(0, 0.5), seeds=(0, 1, 2), epochs=2):
    """Rows of rate, seed, epoch, training and test accuracy: 0.9 + 0.01 seed, and 0.8 or 0.85 + 0.01 seed, at the end."""
    return [
        [rate, seed, epoch, 0.5 if epoch < epochs else 0.9 + 0.01 * seed, 0.4 if epoch < epochs else test + 0.01 * seed]
        for rate, test in zip(rates, (0.8, 0.85, 0.86), strict=False)
        for seed in seeds
        for epoch in range(1, epochs + 1)
    ]


@pytest.fixture
def write(tmp_path):
    def write(rows, header=("rate", *PLAIN), **open_with):
        with (tmp_path / "epochs.csv").open("w", **{"newline": "", "encoding": "utf-8"} | open_with) as file:
            csv.writer(file).writerows([header, *rows])
        return tmp_path

    return write


def test_a_run_is_its_axes_and_its_seed_and_its_result_the_last_epoch(write):
    found, note = reading(write(lines()))
    assert note is None
    assert found.axes == ("dropout.rate",)
    assert found.study.seeds == (0, 1, 2)
    assert [arm.shown("dropout.rate") for arm in found.arms] == ["0", "0.5"]
    base, half = found.arms
    assert found.baselines == (None, base)
    assert list(found.values(half, "test_accuracy")) == pytest.approx([0.85, 0.86, 0.87])
    assert list(found.values(half, "gap")) == pytest.approx([0.05, 0.05, 0.05])
    assert set(found.runs["stop_reason"]) == {"max_epochs"}
    assert set(found.runs["selected_epoch"]) == {2}
    assert len(found.curves(base)) == 6
    text = table(found)
    assert "+5.0" in text
    assert "at the last epoch" in text


def test_rows_in_any_order_and_numbers_spelt_in_any_way_are_the_same_study(write):
    tidy, _ = reading(write(lines((0, 0.5))))
    shuffled = [[f"{row[0]:.3f}", *row[1:]] for row in lines((0, 0.5))]
    np.random.default_rng(0).shuffle(shuffled)
    again, _ = reading(write(shuffled, encoding="utf-8-sig"))
    assert [a.arm_id for a in tidy.arms] == [a.arm_id for a in again.arms]
    order = ["run_id", "epoch"]
    assert tidy.epochs.sort_values(order, ignore_index=True).equals(again.epochs.sort_values(order, ignore_index=True))


@pytest.mark.parametrize("name", ["rate", "Dropout", "dropout_rate", "dropout.rate", "p"])
def test_the_dropout_rate_has_several_names(write, name):
    found, _ = reading(write(lines(), (name, *PLAIN)))
    assert found.axes == ("dropout.rate",)
    assert found.baselines[1] is found.arms[0]


def test_without_a_rate_the_first_value_of_the_first_axis_is_the_baseline(write):
    rows = [[{0: "sgd", 0.5: "adam"}[row[0]], *row[1:]] for row in lines()]
    found, _ = reading(write(rows, ("optimizer", *PLAIN)))
    assert [arm.value("optimizer") for arm in found.arms] == ["sgd", "adam"]
    assert found.baselines == (None, found.arms[0])
    assert "test vs sgd" in table(found)
    assert found.study.hint is None


def test_columns_of_one_value_are_no_axes_and_other_rates_have_their_own_baseline(write):
    rows = [["relu", width, *row] for width in (64, 256) for row in lines()]
    found, _ = reading(write(rows, ("activation", "width", "rate", *PLAIN)))
    assert found.axes == ("width", "dropout.rate")
    assert [b and b.value("width") for b in found.baselines] == [None, 64, None, 256]
    assert found.arms[0].cells == {"activation": "relu", "width": "64", "dropout.rate": "0"}


def test_one_arm_one_seed_and_no_axis_at_all(write):
    found, _ = reading(write([row[1:] for row in lines((0,), (7,))], PLAIN))
    assert found.axes == ()
    assert found.study.seeds == (7,)
    assert "a second seed" in table(found)


def test_no_rate_0_is_said(write):
    found, _ = reading(write(lines((0.2, 0.5))))
    assert "add rows with rate 0" in table(found)


def test_a_loss_that_is_no_number_at_the_end_is_a_diverged_run(write):
    rows = [[*row, 0.1] for row in lines(epochs=3)]
    rows[4][-1], rows[5][-1] = "inf", "nan"  # the last two epochs of rate 0, seed 1
    rows[8][-1] = ""  # not measured is not diverged
    found, _ = reading(write(rows, ("rate", *PLAIN, "train_loss")))
    assert found.diverged(found.arms[0]) == 1
    assert found.diverged(found.arms[1]) == 0
    bad = found.rows(found.arms[0]).loc[1]
    assert (bad["epochs_run"], bad["selected_epoch"], bad["train_accuracy"]) == (3, 1, 0.5)
    assert len(found.finished(found.arms[0])) == 2


def test_label_noise_leads_with_the_clean_labels_where_they_are_there(write):
    rows = [[0.2, *row, 0.95, 0.3] for row in lines()]
    found, _ = reading(write(rows, ("label_noise", "rate", *PLAIN, "clean_train_accuracy", "memorised")))
    assert found.noisy
    assert list(found.values(found.arms[0], "clean_gap")) == pytest.approx([0.15, 0.14, 0.13])
    assert list(found.values(found.arms[0], "memorised")) == [0.3] * 3


def test_equal_accuracies_without_losses_are_not_called_the_same_function(write):
    rows = [[row[0], *row[1:4], 0.8] for row in lines()]
    found, _ = reading(write(rows))
    assert "the same function" not in table(found)
    assert "undecided" in table(found)


def test_a_runs_csv_beside_it_is_said_to_be_left_alone(write):
    folder = write(lines())
    (folder / "runs.csv").write_text("a,b\n")
    assert "runs.csv is not read" in reading(folder)[1]


def test_both_kinds_of_folder_are_found_below_a_path(tmp_path):
    for folder, name in (("own", "study.yaml"), ("theirs", "epochs.csv"), ("none", "notes.txt")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text("{}")
    both = [tmp_path / "own", tmp_path / "theirs"]
    assert studies_below(tmp_path) == both
    assert studies_below(both[1], tmp_path) == both[::-1]
    with pytest.raises(StoreError, match="no study in this folder"):
        studies_below(tmp_path / "none")
    with pytest.raises(StoreError, match=r"neither study\.yaml nor epochs\.csv"):
        reading(tmp_path / "none")


def put(rows, where, what):
    rows = [list(row) for row in rows]
    rows[where[0]][where[1]] = what
    return rows


R = ("rate", *PLAIN)
MISTAKES = {
    "no seed": ([row[2:] for row in lines()], PLAIN[1:], r"epochs\.csv:1: no column 'seed'; add one"),
    "near name": (lines(), ("rate", "seed", "epoch", "train_acc", "test_accuracy"), r":1: .*rename 'train_acc'"),
    "percent": (put(lines(), (3, 3), 97.3), R, r"epochs\.csv:5: train_accuracy: 97\.3 is above 1: .*0\.973"),
    "negative": (put(lines(), (3, 4), -0.1), R, r":5: test_accuracy: -0\.1 is not a fraction"),
    "nan accuracy": (put(lines(), (3, 4), "nan"), R, r":5: test_accuracy: nan is not a fraction"),
    "word": (put(lines(), (0, 4), "good"), R, r":2: test_accuracy: good is not a number"),
    "comma": (put(lines(), (0, 4), "0,8"), R, r":2: test_accuracy: 0,8 is not a number; use a full stop"),
    "empty": (put(lines(), (11, 3), ""), R, r":13: train_accuracy: an empty cell is not a number"),
    "half a seed": (put(lines(), (1, 1), 0.5), R, r":3: seed: 0\.5 is not a whole number"),
    "from zero": ([[*r[:2], r[2] - 1, *r[3:]] for r in lines()], R, r":2: epoch: 0 is below 1: add 1 to each"),
    "twice": ([*lines(), lines()[4]], R, r":14: epoch 1 of rate 0, seed 2 is in line 6 too; delete one"),
    "no axis": ([row[1:] for row in lines()], PLAIN, r":8: epoch 1 of seed 0 is in line 2 too; .*add the column"),
    "gap in epochs": (
        [r for r in lines(epochs=4) if r[:3] != [0.5, 1, 2]],
        R,
        r":\d+: epoch 3 of rate 0\.5, seed 1 follows epoch 1",
    ),
    "late start": ([r for r in lines() if r[:3] != [0, 0, 1]], R, r":2: epoch 2 of rate 0, seed 0 is its first"),
    "time": ([[*r, i] for i, r in enumerate(lines())], (*R, "seconds"), r":1: 'seconds' changes within a run"),
    "alias": ([[*r, 0.1] for r in lines(epochs=2)], (*R, "p"), r"'rate' and 'p' both mean dropout\.rate"),
    "percent rate": (lines((0, 50)), R, r":8: rate: 50 is not a probability"),
    "own table": (lines(), ("run_id", "arm_id", "seed", *PLAIN[2:]), r"study\.yaml that belongs beside it is missing"),
    "index": ([[i, *r] for i, r in enumerate(lines())], ("", *R), r":1: column 1 has no name.*index=False"),
    "twice named": ([[*r, 1] for r in lines()], (*R, "rate"), r":1: two columns are called 'rate'"),
    "taken": ([[*r, 1] for r in lines()], (*R, "stop_reason"), r":1: 'stop_reason' is a name that dropexp uses itself"),
    "ragged": ([*lines(), [1, 2]], R, r":14: 2 cells under 5 columns"),
    "no rows": ([], R, r"no row below the header"),
    "semicolons": ([], (";".join(R),), r":1: no comma in the header"),
    "gap that is none": ([[*r, 0.3] for r in lines()], (*R, "gap"), r":2: gap: 0\.3 is not train_accuracy minus"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_with_its_line(write, name):
    rows, header, says = MISTAKES[name]
    folder = write(rows, header)
    with pytest.raises(StoreError, match=says) as caught:
        reading(folder)
    assert all("\n" not in message for message in caught.value.messages)


def test_a_misnamed_metric_that_changes_is_told_what_it_may_be(write):
    rows = [[*row, 0.3 + i / 100] for i, row in enumerate(lines())]
    with pytest.raises(StoreError, match=r"'val_acuracy' changes within a run.*call it 'val_accuracy'"):
        reading(write(rows, (*R, "val_acuracy")))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"seed,epoch\n\x00\n", b'"a\n'])
def test_files_that_are_no_table(tmp_path, content):
    (tmp_path / "epochs.csv").write_bytes(content)
    with pytest.raises(StoreError, match=r"epochs\.csv"):
        reading(tmp_path)


def test_3000_runs_are_read_whole(write):
    rows = [[rate / 100, s, e, 0.9, 0.8] for rate in range(30) for s in range(100) for e in (1, 2)]
    found, _ = reading(write(rows))
    assert len(found.runs) == 3000
    assert not math.isnan(found.runs["gap"].sum())
