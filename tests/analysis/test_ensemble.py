"""Ensembles against voting and averaging by hand, and which runs may be members."""

import dataclasses
import itertools
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from dropexp.analysis.ensemble import RULES, averaged, ensembles, groups, table, unfit, voted
from dropexp.analysis.outcomes import Outcome
from dropexp.analysis.stats import paired
from dropexp.analysis.tidy import tidy
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text

N, K = 40, 3
TEXT = """
data: {{label_noise: {noise}}}
streams: {{{streams}}}
seeds: {seeds}
sweep: {{dropout.rate: [0, 0.5]}}
"""


class Made(dict):
    """Outcomes by run_id."""


def made(seeds=6, streams="split: 0", noise=0, diverged=(), bare=()):
    """Return a study whose runs have drawn probabilities; `diverged` and `bare`, without probabilities, are (arm, seed)."""
    text = TEXT.format(seeds=seeds, streams=streams, noise=noise)
    study = parse(read_text(text, "made-up.yaml"))
    rows, outcomes = [], Made()
    index = {arm.arm_id: i for i, arm in enumerate(study.arms)}
    for run in study.runs():
        place = index[run.arm_id], run.seed
        ended = "diverged" if place in diverged else "max_epochs"
        rows.append({"run_id": run.run_id, "arm_id": run.arm_id, "seed": run.seed, "stop_reason": ended})
        rng = np.random.default_rng(place)
        label = np.arange(N) % K
        p = rng.dirichlet(np.ones(K), N) + 0.3 * np.eye(K)[label]
        p = (p / p.sum(1, keepdims=True)).astype(np.float32)
        kept = None if place in bare else p
        outcomes[run.run_id] = Outcome(np.arange(N), label, p.argmax(1), kept)
    return tidy(
        study, pd.DataFrame(rows), pd.DataFrame(columns=["run_id", "arm_id", "seed", "epoch"]), outcomes=outcomes
    )


def by_hand(rule, members):
    """Count example by example: votes and then summed probability, or that alone."""
    answers = []
    for example in zip(*members, strict=True):
        summed = [sum(float(p[k]) for p in example) for k in range(K)]
        votes = Counter(max(range(K), key=lambda k, p=p: p[k]) for p in example)
        ranks = [(votes[k] if rule == "vote" else 0, summed[k], -k) for k in range(K)]
        answers.append(ranks.index(max(ranks)))
    return np.array(answers)


@pytest.mark.parametrize("m", [1, 2, 3, 4, 7])
def test_votes_and_means_are_those_counted_by_hand(m):
    p = np.random.default_rng(m).dirichlet(np.ones(K), (m, 200)).astype(np.float32)
    for rule, decide in RULES.items():
        assert np.array_equal(decide(p, p.argmax(2)), by_hand(rule, p))
    assert m < 3 or not np.array_equal(voted(p, p.argmax(2)), averaged(p, p.argmax(2)))


def test_of_as_many_votes_the_larger_summed_probability_wins_and_no_class_without_a_vote():
    p = np.array([[[0.6, 0.4, 0.0]], [[0.1, 0.9, 0.0]], [[0.0, 0.45, 0.55]]])
    assert voted(p, p.argmax(2)).tolist() == [1], "one vote each: 1.75 against 0.7 and 0.55"
    p = np.array([[[0.55, 0.0, 0.45]], [[0.0, 0.55, 0.45]]])
    assert averaged(p, p.argmax(2)).tolist() == [2]
    assert voted(p, p.argmax(2)).tolist() == [0], "class 2 has no vote; of equal ones the first"


def test_a_replicate_is_one_ensemble_and_no_network_is_in_two():
    study = made(seeds=7)
    found = ensembles(study, 3)
    assert found.spare == 1
    assert groups(range(7), 3) == [(0, 1, 2), (3, 4, 5)]
    for arm, (rule, m) in itertools.product(study.arms, itertools.product(RULES, (1, 2, 3))):
        runs = study.finished(arm)["run_id"]
        expected = {}
        for group in ((0, 1, 2), (3, 4, 5)):
            parts = [group[i : i + m] for i in range(0, 3 - m + 1, m)]
            right = [
                (by_hand(rule, [study.outcomes.get(runs[s]).probabilities for s in part]) == np.arange(N) % K).mean()
                for part in parts
            ]
            expected[group[0]] = np.mean(right)
        assert found.accuracy[arm.arm_id, rule, m].to_dict() == pytest.approx(expected)


def test_comparisons_are_paired_by_ensemble_and_hold_together():
    study = made(seeds=12)
    found = ensembles(study, 3)
    zero, half = study.arms
    assert found.family == 6
    alone = paired(found.accuracy[half.arm_id, "mean", 1], found.accuracy[zero.arm_id, "mean", 3])
    held = found.versus((half, "mean", 1), (zero, "mean", 3))
    assert held.difference.mean == alone.mean
    assert held.difference.n == 4
    assert held.difference.low < alone.low
    own = found.versus((zero, "mean", 3), (zero, "mean", 1))
    assert (own.word == "better") == (own.difference.low > 0)
    assert found.versus((zero, "mean", 1), (zero, "mean", 3)) is None
    rows = table(found)
    assert len(rows) == 2 * 2 * 3
    whole = rows[(rows["rule"] == "mean") & (rows["members"] == 3)].iloc[0]
    assert whole["diff_mean"] == own.difference.mean
    assert whole["diff_word"] == own.word
    assert rows.loc[rows["members"] < 3, "diff_mean"].isna().all()


def test_an_ensemble_that_lacks_a_run_is_left_out_and_all_others_keep_their_seeds():
    found = ensembles(made(seeds=9, diverged=[(1, 4)], bare=[(1, 8)]), 3)
    zero, half = found.tidy.arms
    assert found.left_out == {zero.arm_id: 0, half.arm_id: 2}
    assert list(found.accuracy[half.arm_id, "vote", 2].index) == [0]
    assert list(found.accuracy[zero.arm_id, "vote", 2].index) == [0, 3, 6]
    whole = ensembles(made(seeds=9), 3)
    assert found.accuracy[half.arm_id, "mean", 3][0] == whole.accuracy[half.arm_id, "mean", 3][0]
    assert found.versus((half, "mean", 3), (zero, "mean", 3)).difference.n == 1


@pytest.mark.parametrize(
    ("streams", "noise", "says"),
    [
        ("", 0, "streams.split is not pinned"),
        ("labels: 0", 0, "streams.split is not pinned"),
        ("split: 0", 0.2, "streams.labels is not pinned"),
        ("split: 0, labels: 1", 0.2, None),
        ("split: 0", 0, None),
        ("split: 0, init: 3", 0, "streams.init is pinned to 3"),
        ("split: 0, order: 0", 0, "streams.order is pinned to 0"),
        ("split: 0, mask: 0", 0, "streams.mask is pinned to 0"),
    ],
)
def test_members_share_their_examples_and_differ_in_all_else(streams, noise, says):
    study = made(seeds=2, streams=streams, noise=noise)
    for arm in study.arms:
        why = unfit(study, arm)
        assert (why is None) == (says is None)
        assert says is None or (why.startswith(says) and "--set streams." in why)
    assert bool(ensembles(study, 2).arms) == (says is None)


def test_runs_that_were_tested_on_other_examples_are_never_put_together():
    study = made(seeds=2)
    run_id = study.finished(study.arms[0])["run_id"][1]
    own = study.outcomes[run_id]
    study.outcomes[run_id] = dataclasses.replace(own, place=own.place + 1)
    with pytest.raises(AssertionError, match="same examples"):
        ensembles(study, 2)
