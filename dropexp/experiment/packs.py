"""Packs: which runs train together, how many at once, and a rough count of the work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from dropexp.experiment.config import Config
from dropexp.experiment.fields import Section
from dropexp.experiment.kinds import KINDS
from dropexp.experiment.layout import Layout, biased, site_rates
from dropexp.experiment.leaves import roles, spelt_section
from dropexp.experiment.study import Run

PACK_BYTES = 512 * 2**20  # what the tensors of a pack may take, where there is as much
CACHE_BYTES = 24 * 2**20  # beyond it, a larger pack saves no overhead that matters
LARGEST = 64
# a step's fixed cost, and multiply-adds a second of one thread: rough, for estimates
STEP_SECONDS, FLOPS = 4e-4, 2e10


@dataclass(frozen=True)
class Size:
    """What the examples of a data set come to for one run: training, validation, test."""

    train: int
    val: int
    test: int


@lru_cache(maxsize=2**18)
def pack_key(config: Config) -> tuple[str, ...]:
    """Return what runs of one pack agree in: their shape fields, their parameters, and which penalties they use at all."""
    used: tuple[object, ...] = (
        config.training.weight_decay > 0,
        config.training.l1 > 0,
        config.training.max_norm is not None,
    )
    if KINDS[config.dropout.kind].acts_on == "weight":  # masked and plain weights take different products
        used = (*used, *site_rates(config.dropout, config.model))
    used = (*used, *sorted(biased(config) or ()))  # placements are no shape fields, and these decide on parameters
    cells = (cell for name in Config.model_fields for cell in _shape_cells(name, getattr(config, name)))
    return (*cells, *map(str, used))


@lru_cache(maxsize=65536)
def _shape_cells(name: str, section: Section) -> tuple[str, ...]:
    """Return the cells of a section's shape fields."""
    kinds = roles()
    return tuple(cell for path, cell in spelt_section(name, section) if kinds[path] == "shape")


def keys_by_arm(runs: Iterable[Run]) -> dict[str, tuple[str, ...]]:
    """Return the pack key of every arm, each found once."""
    configs = {run.arm_id: run.config for run in runs}
    return {name: pack_key(config) for name, config in configs.items()}


def bytes_per_run(config: Config, layout: Layout) -> int:
    """Return about how much memory one run of a pack takes: weights, gradients, optimiser, activations, in bytes."""
    states = 4 if config.training.optimizer == "sgd" else 5
    activations = layout.activations * max(3 * config.training.batch_size, 512)
    return 4 * (states * layout.parameters + activations)


def largest(config: Config, layout: Layout, room: int = PACK_BYTES) -> int:
    """Return how many runs at most may train at once in `room` bytes, at least 1."""
    return max(1, min(room // bytes_per_run(config, layout), LARGEST))


def pack_size(config: Config, layout: Layout, room: int = PACK_BYTES) -> int:
    """Return how many runs to train at once by rule of thumb: within `room`, and within reach of the caches."""
    weights = 12 * layout.parameters
    return min(largest(config, layout, room), max(4, CACHE_BYTES // max(weights, 1)))


def plan(
    runs: Sequence[Run],
    layouts: dict[tuple[str, ...], Layout],
    jobs: int,
    size: int | None = None,
    begun: Mapping[str, int] | None = None,
    *,
    room: int = PACK_BYTES,
    measured: Mapping[tuple[str, ...], int] | None = None,
) -> list[list[Run]]:
    """Return the packs: runs of one key, seeds together so that they share their data, largest packs first.

    `layouts` holds a layout by pack key; `size` overrides the automatic one, `measured` the rule of thumb by key; `room` is
    what a pack may take, in bytes; `begun` holds the epochs that a run has behind it, which the runs of a pack agree in.
    How runs are packed leaves no trace in their results.
    """
    groups: dict[tuple[tuple[str, ...], int], list[Run]] = {}
    keys = keys_by_arm(runs)
    for run in runs:
        groups.setdefault((keys[run.arm_id], (begun or {}).get(run.run_id, 0)), []).append(run)
    packs: list[list[Run]] = []
    for (key, _), members in groups.items():
        members.sort(key=lambda run: run.seed)
        each = size or (measured or {}).get(key) or pack_size(members[0].config, layouts[key], room)
        if size is None:
            each = _even(len(members), each, max(1, round(jobs * len(members) / len(runs))))
        packs += [members[i : i + each] for i in range(0, len(members), each)]
    return packs


def _even(runs: int, most: int, workers: int) -> int:
    """Return a size of at most `most` that gives each of some workers as many packs as any other."""
    rounds = -(-runs // (most * workers))
    return -(-runs // (rounds * workers))


def seconds(runs: Sequence[Run], layouts: dict[tuple[str, ...], Layout], sizes: dict[tuple[str, ...], Size]) -> float:
    """Return a rough estimate of one thread's seconds of work, all epochs taken."""
    total = 0.0
    keys = keys_by_arm(runs)
    for run in runs:
        key = keys[run.arm_id]
        layout, size, training = layouts[key], sizes[key], run.config.training
        steps = training.steps_per_epoch or -(-size.train // training.batch_size)
        trained = steps * min(training.batch_size, size.train)
        work = layout.operations * (3 * trained + size.train + size.val + size.test)
        total += training.epochs * (steps * STEP_SECONDS / 8 + work / FLOPS)
    return total
