"""Which arms are compared: with their baselines, and along each axis with its first value or the one named."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up_studies import study, with_leaf

from dropexp.experiment.config import Config

RATE, HIDDEN, KIND, PLACE = "dropout.rate", "model.hidden", "dropout.kind", "dropout.placement"
BARE = with_leaf(Config(), RATE, 0.0)
DEPTHS = ((16,), (16, 16), (16, 16, 16, 16))


def told(made):
    axes = made.axes
    return {
        (x.axis, *(tuple(arm.value(p) for p in axes) for arm in (x.arm, x.against))) for x in made.along
    }  # fmt: skip


def test_rates_alone_are_compared_by_their_baselines():
    assert study({RATE: (0.0, 0.2, 0.5)}).along == ()
    assert study({RATE: (0.2, 0.5)}).along == ()


def test_depths_are_compared_at_each_rate():
    made = study({HIDDEN: DEPTHS, RATE: (0.0, 0.2)})
    assert told(made) == {(HIDDEN, (d, r), (DEPTHS[0], r)) for d in DEPTHS[1:] for r in (0.0, 0.2)}
    assert [a.value(RATE) for a in made.baselines if a] == [0.0] * 3


def test_what_is_one_function_is_not_compared():
    made = study({KIND: ("bernoulli", "gaussian"), RATE: (0.0, 0.5)})  # at rate 0 both are one
    assert told(made) == {(KIND, ("gaussian", 0.5), ("bernoulli", 0.5))}


def test_a_union_of_grids_compares_what_has_the_reference():
    made = study([{RATE: (0.0,)}, {RATE: (0.5,), KIND: ("bernoulli", "gaussian", "uniform")}])
    assert {(a[2][1], b) for a in told(made) for b in [a[1][1]]} == {
        ("bernoulli", "gaussian"),
        ("bernoulli", "uniform"),
    }


def test_a_grid_without_dropout_is_compared_along_its_first_axis_by_baselines():
    made = study({HIDDEN: DEPTHS, "model.norm": ("none", "batch")}, base=BARE)
    assert made.baseline_axis == HIDDEN
    assert [a and a.value(HIDDEN) for a in made.baselines] == [None, None, *[DEPTHS[0]] * 4]
    assert told(made) == {("model.norm", (d, "batch"), (d, "none")) for d in DEPTHS}


def test_a_grid_without_rate_0_is_compared_with_its_first_rate():
    made = study({KIND: ("bernoulli", "gaussian"), RATE: (0.5, 0.2)})
    assert made.baseline_axis == KIND
    assert told(made) == {(RATE, (k, 0.2), (k, 0.5)) for k in ("bernoulli", "gaussian")}


def test_a_named_value_is_the_reference_and_the_rate_is_then_an_axis():
    made = replace(study({HIDDEN: DEPTHS, RATE: (0.0, 0.2)}), chosen=((HIDDEN, "16+16"),))
    assert made.baseline_axis == HIDDEN
    assert told(made) == {(RATE, (d, 0.2), (d, 0.0)) for d in DEPTHS}


def test_no_pair_is_compared_twice_nor_both_ways():
    for made in (
        study({PLACE: (("hidden",), ("input",)), HIDDEN: DEPTHS, RATE: (0.0, 0.2, 0.5)}),
        study({RATE: (0.5, 0.2), KIND: ("gaussian", "bernoulli")}),
    ):
        based = [{a.arm_id, b.arm_id} for a, b in zip(made.arms, made.baselines, strict=True) if b]
        along = [frozenset((x.arm.arm_id, x.against.arm_id)) for x in made.along]
        assert len(set(along)) == len(along)
        assert not any(pair in based for pair in along)


@pytest.mark.parametrize("path,values", [("data.source", ("digits", "mnist")), ("streams.split", (1, 2))])
def test_two_tasks_are_not_compared(path, values):
    made = study({path: values, RATE: (0.0, 0.5)})
    assert not made.along
    assert study({path: values}, base=BARE).baselines == (None, None)
