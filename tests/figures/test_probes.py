"""The figures of probes: when they are drawn, that they show what the rows say, and that titles say no more."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from made_up_probes import diverged, probed
from made_up_studies import made_up
from matplotlib.colors import to_rgb

from dropexp.analysis.probed import against_baselines, at_the_end, sample
from dropexp.analysis.stats import estimate, paired
from dropexp.figures.all_figures import FIGURES
from dropexp.figures.gradient_norms import gradient_norms_figure
from dropexp.figures.memorisation import memorisation_figure
from dropexp.figures.style import INK, TEST, TRAIN, styled
from dropexp.figures.variance_shift import variance_shift_figure
from dropexp.wording.probed import PERCENT, sentence

NAMES = (
    "gradient-norms",
    "variance-shift",
    "gradient-noise",
    "activations",
    "weights",
    "first-layer",
    "co-adaptation",
    "memorisation",
)
NEWER = ("live", "predicted", "left_out")
EACH = ", against rate 0: "
RATES = {1: (0.5,), 2: (0.0, 0.5), 6: (0.0, 0.1, 0.2, 0.3, 0.5, 0.7)}


@cache
def study(arms: int, seeds: int = 5, wrong: bool = False):
    return probed(made_up({"dropout.rate": RATES[arms]} if arms > 1 else {}, seeds, epochs=20), wrong)


@cache
def figure(name: str, arms: int, seeds: int = 5, wrong: bool = False):
    with styled():
        ((stem, made),) = FIGURES[name](study(arms, seeds, wrong))
    assert stem == name
    return made


def title(name: str, *of: object) -> str:
    return " ".join(figure(name, *of).texts[0].get_text().split()).replace("\u00a0", " ").replace("\u2212", "-")


def note(made) -> str:
    return " ".join(made.texts[-1].get_text().split())


@pytest.mark.parametrize("arms", [pytest.param(a, marks=[pytest.mark.slow] * (a != 2)) for a in RATES])
@pytest.mark.parametrize("name", NAMES)
def test_each_is_drawn_at_any_number_of_arms_and_seeds(name, arms):
    panels = {
        "gradient-norms": 6,
        "gradient-noise": 4 * arms,
        "variance-shift": 3,
        "activations": 5,
        "weights": 5,
        "first-layer": arms,
        "co-adaptation": 4,
        "memorisation": 1,
    }
    assert len(figure(name, arms).axes) == panels[name]
    assert figure(name, arms, 1).axes, "one seed has no interval, and is drawn"


@pytest.mark.parametrize(
    "name,of,words",
    [
        ("activations", (1,), "Outputs of hidden.2 that are 0: "),
        ("activations", (2,), "Outputs of hidden.2 that are 0: 65.5 percent at rate 0.5, 40.5 at rate 0: +25.0 ± "),
        ("activations", (2,), " points higher, n = 5"),
        ("activations", (6,), f"Outputs of hidden.2 that are 0{EACH}higher in 5 of 5 arms, most at rate 0.7: +3"),
        ("activations", (6, 1), "Outputs of hidden.2 that are 0, against rate 0: one seed each, no interval"),
        ("gradient-norms", (1,), "Before training, gradients fall 3.50 ± <0.01-fold per layer towards the inputs, n = 5"),
        ("gradient-norms", (1, 1), "-fold per layer towards the inputs, n = 1, no interval"),
        ("gradient-norms", (2,), "Fall of gradients per layer towards the inputs, before training: 3.50-fold at rate 0.5, 4.00 at "
         "rate 0: -0.50 ± <0.01 lower, n = 5"),
        ("gradient-norms", (6,), "Before training, gradients fall between 3.3"),
        ("gradient-norms", (6,), f"; fall per layer{EACH}lower in 5 of 5 arms, most at rate 0.7: -0.70 ± "),
        ("gradient-noise", (1,), "Scatter of gradients of 8 examples, a mask each: 3.1"),
        ("gradient-noise", (1,), "; share by masks: 60.0 ± <0.1 percent, n = 5"),
        ("gradient-noise", (2,), "a mask each: 3.13 at rate 0.5, 1.25 at rate 0: +1.9 ± "),
        ("gradient-noise", (6,), f"a mask each{EACH}higher in 5 of 5 arms, most at rate 0.7: +2.6 ± "),
        ("variance-shift", (1,), "Variance at hidden.2 without dropout over the running variance: 0.50 ± <0.01; change"),
        ("variance-shift", (2,), "running variance: 0.50 at rate 0.5, 1.00 at rate 0: -0.50 ± <0.01 lower; change"),
        ("variance-shift", (2,), " change of test accuracy by repair: +5.5 points at rate 0.5, +0.5 at rate 0: +5.0 ± "),
        ("variance-shift", (6,), f"running variance{EACH}lower in 5 of 5 arms, most at rate 0.7: -0.7"),
        ("variance-shift", (6,), f"change of test accuracy by repair{EACH}higher in 5 of 5 arms, most at rate 0.7: +7"),
        ("weights", (6,), f"Norm of the loss's gradient with respect to inputs{EACH}lower in 5 of 5 arms, most at rate 0.7: -0.7"),
        ("first-layer", (6,), "Weights of the first 3 units of hidden.1, as images"),
        ("co-adaptation", (6,), f"Accuracy with 50 percent of the units removed, the others rescaled{EACH}higher in 5 of 5"),
        ("memorisation", (6,), f"Mean epoch since which examples stay learned{EACH}higher in 5 of 5 arms, most at rate 0.7: +7"),
        ("memorisation", (6, 5, True), f"Wrong labels that are learned at the last epoch{EACH}lower in 5 of 5 arms"),
        ("memorisation", (1, 1), "Mean epoch since which examples stay learned: "),
    ],
)  # fmt: skip
def test_titles_say_what_the_study_infers(name, of, words):
    assert words in title(name, *of)


def test_a_difference_that_no_interval_supports_is_called_undecided():
    rng = np.random.default_rng(3)
    made = study(6)
    noise = made.probes["value"].mask(made.probes["at"] == "zeros", 0.5 + 0.1 * rng.standard_normal(len(made.probes)))
    made.probes["value"], kept = noise, made.probes["value"]
    try:
        rows = at_the_end(made, "activations")
        found = sample(rows, "hidden.2", "zeros")
        assert {answer.word for *_, answer in against_baselines(made, found)} == {"undecided"}
        assert sentence(made, "Zeros", found, PERCENT) == "Zeros, against rate 0: undecided in 5 of 5 arms, n = 5"
    finally:
        made.probes["value"] = kept


def test_differences_are_those_of_the_studys_family():
    made = study(6)
    samples = sample(at_the_end(made, "weights"), "input", "gradient")
    answers = against_baselines(made, samples)
    assert len(answers) == 5
    for arm, base, answer in answers:
        alone = paired(samples[arm.arm_id], samples[base.arm_id])
        assert answer.difference.mean == pytest.approx(alone.mean)
        assert answer.family == 5
        assert answer.level < 0.05


def test_nothing_is_said_of_an_arm_one_of_whose_runs_diverged():
    made = diverged(study(2), 1, 0)
    rows = at_the_end(made, "activations")
    samples = sample(rows, "hidden.1", "zeros")
    assert [len(samples[arm.arm_id]) for arm in made.arms] == [5, 4]
    ((_, _, answer),) = against_baselines(made, samples)
    assert answer.word == "undecided"


def test_curves_of_memory_end_where_what_was_never_learned_is_left_out():
    made = figure("memorisation", 2, 5, True)
    data = study(2, 5, True)
    never = sample(at_the_end(data, "memorisation", "last"), "wrong", "never")
    ends = [line.get_ydata()[-1] for line in made.axes[1].lines]
    assert ends == pytest.approx([100 * (1 - never[arm.arm_id].mean()) for arm in data.arms])
    starts = [line.get_ydata()[0] for line in made.axes[0].lines]
    assert starts == pytest.approx([50, 0]), "at rate 0.5 nothing stays learned from the first epoch on"


def test_a_bin_without_a_row_counts_as_empty():
    """At rate 0 no output lies above 1, and so there is no row."""
    made = figure("activations", 2)
    rate_0, rate_half = (line.get_ydata() for line in made.axes[0].lines)
    assert rate_0.tolist() == pytest.approx([50, 0, 50, 0])
    assert rate_half.tolist() == pytest.approx([50, 0, 25, 25])


def test_accuracies_begin_with_the_whole_network_and_stand_at_their_shares():
    made = figure("co-adaptation", 2)
    lines = [line for line in made.axes[0].lines if line.get_linestyle() == "-"]
    assert [list(line.get_xdata()) for line in lines] == [[0.0, 0.25, 0.5, 0.9]] * 2
    data = study(2)
    samples = sample(at_the_end(data, "co_adaptation"), "units", "0.5.rescaled")
    expected = [100 * estimate(samples[arm.arm_id]).mean for arm in data.arms]
    assert [line.get_ydata()[2] for line in lines] == pytest.approx(expected)
    assert [line.get_ydata()[0] for line in lines] == [95.0, 95.0]


def test_norms_are_those_of_one_epoch_with_and_without_averages():
    made = figure("gradient-norms", 1)
    for ax, scale in zip(made.axes[:2], (1.0, 0.1), strict=True):
        averaged, one = (line.get_ydata() for line in ax.lines)
        assert one[1:] == pytest.approx([scale, scale])
        assert averaged == pytest.approx(one / 2)
        assert ax.get_yscale() == "log"
    assert made.axes[0].get_ylim() == made.axes[1].get_ylim(), "one scale for both moments"
    assert made.axes[4].lines[0].get_ydata() == pytest.approx([25, 25])
    assert "at the end: epoch 18, the last with averages over masks" in note(made)


def test_no_average_over_masks_is_drawn_where_nothing_is_dropped():
    made = gradient_norms_figure(probed(made_up({"dropout.rate": (0.0,)}, 2, epochs=20)))
    assert len(made.axes[0].lines) == 1
    assert "averages over masks" not in note(made)


def test_means_of_norms_are_geometric_and_norms_of_0_are_left_out():
    plain = study(1)
    probes = plain.probes.copy()
    first = (probes["probe"] == "gradient_norms") & (probes["layer"] == "hidden.1") & (probes["at"] == "preactivations")
    first &= probes["epoch"] == 0
    probes.loc[first, "value"] = [0.0, 0.01, 0.01, 1.0, 1.0]
    made = gradient_norms_figure(replace(plain, probes=probes))
    assert made.axes[0].lines[1].get_ydata()[0] == pytest.approx(0.1)
    assert "norms of 0 have no place on this scale" in note(made)
    assert "n = 4" in made.texts[0].get_text().replace("\u00a0", " "), "no fall can be computed of a norm of 0"


def test_without_a_second_hidden_layer_the_title_gives_the_norm():
    plain = study(1)
    one = replace(plain, probes=plain.probes[plain.probes["layer"] != "hidden.1"])
    words = " ".join(gradient_norms_figure(one).texts[0].get_text().split())
    assert words.startswith("Norm of the gradient of hidden.2's pre-activations before training: 1")


def test_scatter_is_in_parts_by_granularity_and_what_is_0_is_not_drawn():
    made = figure("gradient-noise", 2)
    without, with_masks = made.axes[0], made.axes[4]
    drawn = [(line.get_color(), line.get_linestyle(), line.get_ydata()) for line in with_masks.lines]
    by_look = {(color, style): y for color, style, y in drawn}
    assert by_look[TRAIN, "-"] == pytest.approx([15, 15 / 8])
    assert by_look[TRAIN, "--"] == pytest.approx([15, 15]), "masks of a whole mini-batch do not average out"
    assert by_look[TEST, "-"] == pytest.approx([10, 10 / 8], rel=0.01)
    hollow = {line.get_linestyle() for line in with_masks.lines if line.get_markerfacecolor() == "white"}
    assert hollow == {"--"}, "with one batch size there is no line that tells granularities apart"
    masks = [line for line in without.lines if line.get_color() == TRAIN]
    assert [len(line.get_ydata()) for line in masks] == [0, 0, 0]
    assert with_masks.get_ylim() == without.get_ylim()
    middles = [line.get_ydata()[0] for line in made.axes[6].lines]
    assert middles == pytest.approx([0.35] * 3 + [0.25] * 3)


def test_the_ratio_of_variances_stands_beside_its_closed_form_where_there_is_one():
    made = figure("variance-shift", 2)
    closed = [line for line in made.axes[0].collections if line.get_color()[0].tolist()[:3] == list(to_rgb(INK))]
    assert [line.get_segments()[0][:, 1].tolist() for line in closed] == [[1, 1], [0.5, 0.5]], "hidden.2 has none"
    assert made.axes[0].get_ylim()[1] >= 1, "the ratio of no shift is marked"
    assert "channels with a running variance below 1e-4 are left out, 40 in all runs and layers" in note(made)


def test_changes_by_statistics_are_by_seed():
    made = figure("variance-shift", 2)
    middles = [line.get_ydata()[0] for line in made.axes[2].lines if line.get_markersize() == 6.5]
    data = study(2)
    rows = at_the_end(data, "variance_shift")
    batch = sample(rows, "test_accuracy", "batch")
    assert middles[:2] == pytest.approx([100 * (batch[arm.arm_id] - 0.8).mean() for arm in data.arms])


def test_a_folder_without_repair_or_live_channels_has_its_ratio():
    """As versions before 0.5.0 wrote it."""
    plain = study(2)
    old = replace(
        plain, probes=plain.probes[~plain.probes["at"].isin(NEWER) & (plain.probes["layer"] != "test_accuracy")]
    )
    made = variance_shift_figure(old)
    assert len(made.axes) == 1
    assert [line.get_ydata()[0] for line in made.axes[0].lines if line.get_markersize() == 6.5] == [9.0] * 4
    assert "closed form" not in " ".join(text.get_text() for legend in made.legends for text in legend.get_texts())


def test_nothing_is_drawn_without_rows():
    plain = made_up({"dropout.rate": (0.0, 0.5)}, 2, epochs=3)
    assert not [name for name in NAMES for _ in FIGURES[name](plain)]
    without = probed(plain, images=False)
    assert not list(FIGURES["first-layer"](without))
    assert memorisation_figure(without) is not None
