"""The figures of overfitting: what the parts of a gap and the rules replayed claim."""

from __future__ import annotations

import pandas as pd
import pytest

from dropexp.analysis.number_format import untypeset
from dropexp.analysis.replay import replay
from dropexp.analysis.stats import estimate
from dropexp.analysis.tidy import tidy
from dropexp.figures.gap_parts import parts_figure
from dropexp.figures.stopping_heat import replay_figure
from dropexp.figures.style import styled
from dropexp.stopping import CRITERIA, Setting

ALL = [Setting(name, threshold) for name, row in CRITERIA.items() for threshold in row.usual]


def title(figure) -> str:
    return untypeset(" ".join(figure.texts[0].get_text().split()))


def test_the_heat_map_holds_the_means_and_its_title_what_the_ends_save(cases):
    data = cases["overfitting"]()
    found = replay(data, ALL)
    with styled():
        figure = replay_figure(data, found)
    cells = [untypeset(" ".join(text.get_text().split())) for text in figure.axes[0].texts]
    assert len(cells) == 7 * 3
    for at, setting in ((0, Setting("patience", 1)), (18, Setting())):  # the first row and the last
        e = estimate(found.of(data.arms[0], setting)["test_accuracy"])
        assert cells[at] == f"{100 * e.mean:.1f} ± {100 * e.half:.1f}"
    one = found.runs[found.runs["setting"] == 1]
    saved = 100 * one["epochs_saved"].sum() / (30 * 40)
    change = (
        one.set_index("run_id")["test_accuracy"]
        - found.runs[found.runs["setting"] == 0].set_index("run_id")["test_accuracy"]
    )
    assert title(figure).startswith(
        f"Patience 1: {saved:.0f}% of the epochs saved, test accuracy {100 * change.mean():+.1f} ±"
    )
    assert title(figure).endswith("; n = 10")


def test_the_title_of_the_parts_names_the_arm_whose_log_misleads_most(cases):
    data = cases["parts-one"]()
    with styled():
        figure = parts_figure(data)
    gap = data.values(data.arms[0], "gap")[0]
    assert (
        title(figure)
        == f"The training log shows a gap of {100 * (gap - 0.09):.1f} points, but the true gap is {100 * gap:.1f}, n = 1"
    )
    heights = [p.get_height() for p in figure.axes[0].patches]
    assert sum(heights) == pytest.approx(100 * (gap - 0.09))


def test_figures_that_do_not_apply_are_not_drawn(cases):
    data = cases["overfitting"]()
    assert parts_figure(data) is None
    assert replay_figure(tidy(data.study, data.runs, data.epochs.drop(columns="val_loss"))) is None
    never = data.epochs.assign(val_loss=-data.epochs["epoch"].astype(float))
    assert replay_figure(tidy(data.study, data.runs, never)) is None  # no rule ends a run that improves to the end
    assert replay_figure(tidy(data.study, pd.DataFrame(), pd.DataFrame())) is None
