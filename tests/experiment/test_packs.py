"""Packs: as large as memory and caches allow, as even as workers can share, and never a run lost."""

import itertools

import pytest

from dropexp.experiment.layout import layout
from dropexp.experiment.packs import bytes_per_run, largest, pack_key, pack_size, plan
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text


def study(seeds, rates=2, hidden="[256, 256]", extra=""):
    text = f"""study: a
data: {{source: digits}}
model: {{hidden: {hidden}}}
seeds: {seeds}
sweep: {{dropout.rate: {[i / 10 for i in range(rates)]}{extra}}}
"""
    made = parse(read_text(text, "a.yaml"))
    return made.runs(), {pack_key(arm.trained): layout(arm.trained, (1, 8, 8), 10) for arm in made.arms}


@pytest.mark.parametrize(
    ("seeds", "rates", "jobs", "size"), list(itertools.product((1, 7, 30), (1, 6), (1, 2, 3), (None, 4)))
)
def test_every_run_is_in_one_pack(seeds, rates, jobs, size):
    runs, layouts = study(seeds, rates)
    packs = plan(runs, layouts, jobs, size)
    assert sorted(run.run_id for pack in packs for run in pack) == sorted(run.run_id for run in runs)
    assert size is None or max(map(len, packs)) <= size


@pytest.mark.parametrize(("runs", "jobs"), [(60, 2), (60, 3), (200, 2), (64, 8), (6, 4)])
def test_workers_have_as_many_packs_as_each_other(runs, jobs):
    """60 runs in packs of at most 20 are four packs of 15 for two workers, and not three of 20."""
    members, layouts = study(runs, 1)
    packs = plan(members, layouts, jobs, measured=dict.fromkeys(layouts, 20))
    assert len(packs) % jobs == 0 or max(map(len, packs)) == 2  # six runs do for three of four workers
    assert max(map(len, packs)) - min(map(len, packs)) < max(2, len(packs))
    assert max(map(len, packs)) <= 20


def test_memory_bounds_a_pack_down_to_one_run():
    runs, layouts = study(8, 1)
    config, network = runs[0].config, next(iter(layouts.values()))
    each = bytes_per_run(config, network)
    assert each > 4 * 4 * network.parameters  # weights, gradients, velocities, and what passes through
    assert largest(config, network, 3 * each) == pack_size(config, network, 3 * each) == 3
    assert largest(config, network, each // 2) == 1
    assert [len(pack) for pack in plan(runs, layouts, 1, room=2 * each)] == [2, 2, 2, 2]


def test_kinds_of_network_are_packed_apart_and_a_measured_size_is_their_own():
    runs, layouts = study(4, 1, extra=", model.activation: [relu, tanh]")
    first, second = layouts
    packs = plan(runs, layouts, 1, measured={first: 2})
    assert sorted(len(pack) for pack in packs) == [2, 2, 4]
    assert all(len({pack_key(run.config) for run in pack}) == 1 for pack in packs)
    assert {pack_key(pack[0].config) for pack in packs if len(pack) == 4} == {second}


@pytest.mark.parametrize(
    ("field", "values"), [("l1", "[0, 0.1, 0.2]"), ("weight_decay", "[0, 0.1, 0.2]"), ("max_norm", "[null, 1, 2]")]
)
def test_runs_with_a_penalty_are_packed_apart_from_those_without(field, values):
    runs, _ = study(1, 1, extra=f", training.{field}: {values}")
    without, weak, strong = (pack_key(run.config) for run in runs)
    assert without != weak == strong
