"""Figures drawn to order: which names mean which, fixed bytes of each format, and curves that do not jump."""

from __future__ import annotations

import numpy as np
import pytest

from dropexp.analysis.curves import kept, trained
from dropexp.errors import UsageError
from dropexp.figures.all_figures import FIGURES, chosen, draw_to_order
from dropexp.figures.axis_range import Scale, beyond
from dropexp.figures.style import METADATA
from dropexp.workflow.drawing import ordered, size_of


@pytest.mark.parametrize(
    "names,metric,found",
    [
        (["gap"], "", {"gap": ("gap",)}),
        (["dose"], "", {"dose-AXIS": ("dose",)}),
        (["dose-rate", "dose-lr"], "", {"dose-AXIS": ("dose-rate", "dose-lr")}),
        (["stopping-heat", "curves-loss"], "", {"stopping-heat": ("stopping-heat",), "curves-loss": ("curves-loss",)}),
        (["gap", "curves"], "loss", {"gap": ("gap",), "curves-loss": ("curves-loss",)}),
        ([], "loss", {"curves-loss": ("curves-loss",)}),
    ],
)
def test_names_of_figures(names, metric, found):
    assert chosen(names, metric) == found


def test_without_names_every_figure_and_with_accuracy_all_but_those_of_losses():
    assert list(chosen([])) == list(FIGURES)
    assert list(chosen([], "accuracy")) == [row for row in FIGURES if row != "curves-loss"]


@pytest.mark.parametrize(
    "given,words",
    [
        ({"only": "gaps"}, "--only: no figure is called 'gaps'; did you mean 'gap'?"),
        ({"only": ["zzz"]}, "they are claims, gap, dose, differences"),
        ({"metric": "los"}, "--metric: 'los' is not one of accuracy, loss; did you mean 'loss'?"),
        ({"formats": "gif"}, "--format: 'gif' is not one of png, svg, pdf"),
        ({"size": "3"}, "--size: '3' is not WIDTHxHEIGHT in inches, as in --size 3.25x2.2"),
        ({"size": "0.5x2"}, "--size: 0.5 is not between 1 and 40 inches"),
    ],
)
def test_what_cannot_be_is_a_sentence(given, words):
    with pytest.raises(UsageError, match="--") as error:
        ordered(**given)
    assert words in str(error.value)


def test_a_size_is_read_as_it_is_written():
    assert size_of("3.25x2.2") == size_of("3.25 X 2.2".lower()) == size_of("3.25×2.2") == (3.25, 2.2)


def test_every_format_has_fixed_bytes_without_a_day(cases, tmp_path):
    contents = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        wanted = chosen(["gap"])
        paths, captions, left_out = draw_to_order(
            cases["two"](), tmp_path / folder, wanted, list(METADATA), (3.25, 2.2)
        )
        assert [p.name for p in paths] == ["gap.png", "gap.svg", "gap.pdf"]
        assert captions["gap"][0] == "Dropout 0.5 narrows the gap from 4.7 to 3.8 points, reach unknown, n = 10"
        assert not left_out
        contents.append([p.read_bytes() for p in paths])
    assert contents[0] == contents[1]
    assert b"Date" not in contents[0][2]
    assert b"MediaBox [ 0 0 234 158.4 ]" in contents[0][2]  # 3.25 x 2.2 inches of 72 points


def test_what_does_not_fit_or_apply_is_said(cases, tmp_path):
    wanted = chosen(["heat", "differences"])
    paths, _, left_out = draw_to_order(cases["rates"](), tmp_path, wanted, ["png"], (1.5, 1.2))
    assert paths == []
    assert left_out[0] == "heat: does not apply to this study"
    assert left_out[1].startswith("differences: does not fit into 1.5 x 1.2 inches; it needs about ")


def test_accuracy_ends_in_the_mean_of_the_table_and_does_not_jump(cases):
    tidy = cases["patience"]()
    for arm in tidy.arms:
        curve = kept(tidy, arm, "test_accuracy")
        assert curve["mean"].iloc[-1] == pytest.approx(tidy.values(arm, "test_accuracy").mean(), abs=1e-12)
    arm = next(arm for arm in tidy.arms if arm.monitor is not None)
    first = tidy.finished(arm)["selected_epoch"].min()
    rows = tidy.curves(arm)
    by_hand = rows[rows["epoch"] == first]["test_accuracy"].mean()
    assert kept(tidy, arm, "test_accuracy")["mean"].loc[first] == pytest.approx(by_hand)


def test_losses_end_where_the_first_run_stops(cases):
    tidy = cases["patience"]()
    for arm in tidy.arms:
        curve = trained(tidy, arm, "test_loss")
        assert curve.index.max() == tidy.finished(arm)["epochs_run"].min()
        last = tidy.curves(arm).groupby("epoch")["test_loss"].mean()
        assert np.allclose(curve["mean"], last.loc[curve.index])


def test_what_is_off_the_scale_is_named_with_its_value():
    rows = [("rate 0.9", "9.7", [9.7], []), ("rate 0", "95.0", [95.0], [80.0, 96.0]), ("rate 1", "95.1", [95.1], [])]
    assert beyond(Scale(90, 100), rows) == "off the scale: rate 0.9 (9.7); 1 interval is cut at the edge of the scale"
    assert beyond(Scale(0, 100), rows) == ""
    assert beyond(Scale(96, 100), [*rows, ("a", "1", [1.0], []), ("b", "2", [2.0], [])]).endswith("and 2 more")
