"""A study as resolved: base configuration, axes, seeds, claims, and the arms and runs they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from dropexp.spec.cells import leaf, shown
from dropexp.spec.claims import Claim
from dropexp.spec.config import Config
from dropexp.spec.identity import arm_id, canonical, run_ids
from dropexp.spec.layout import site_rates
from dropexp.spec.sources import SOURCES

PROBES = ("gradient_norms", "variance_shift")
Grid = tuple[tuple[str, tuple[Any, ...]], ...]  # (YAML path, values as written), ...


@dataclass(frozen=True)
class Arm:
    """One cell of the grid: the configuration as written, and the canonical one that is trained for it."""

    config: Config
    trained: Config
    arm_id: str

    def value(self, path: str) -> Any:
        return leaf(self.config, path)

    @property
    def masked(self) -> bool:
        """Whether any site drops anything."""
        return bool(site_rates(self.config.dropout, self.config.model))


@dataclass(frozen=True)
class Run:
    """An arm and a seed: one network to train."""

    config: Config
    seed: int
    arm_id: str
    run_id: str

    def stream_seed(self, purpose: str) -> int:
        """Return the seed of a named stream: the run's own, or the one that `streams` pins."""
        pinned = getattr(self.config.streams, purpose)
        return self.seed if pinned is None else int(pinned)


@dataclass(frozen=True)
class Study:
    """Everything that one YAML file and the options beside it ask for."""

    name: str
    folder: Path
    base: Config
    grids: tuple[Grid, ...]
    seeds: tuple[int, ...]
    configs: tuple[Config, ...]
    claims: tuple[Claim, ...] = ()
    probes: tuple[str, ...] = ()
    save_weights: str = "none"
    data_sha256: tuple[tuple[str, str], ...] = ()
    chosen: tuple[tuple[str, str], ...] = ()  # values, as shown, of the arms that the command line compares with
    asked: tuple[int, ...] = ()  # the seeds of the file or of --seeds, where stored ones have joined them
    wanted: frozenset[tuple[str, int]] = (
        frozenset()
    )  # arms and seeds that were asked for, where stored ones have joined them
    marks: tuple[tuple[str, str], ...] = field(default=(), compare=False)  # YAML path -> file:line:column or option
    arms: tuple[Arm, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        contents = dict(self.data_sha256)
        arms = []
        for config in self.configs:
            if (digest := contents.get(config.data.source)) and not config.data.sha256:
                config = config.model_copy(update={"data": config.data.model_copy(update={"sha256": digest})})
            trained = canonical(config)
            arms.append(Arm(config, trained, arm_id(trained)))
        object.__setattr__(self, "arms", tuple(arms))

    @cached_property
    def axes(self) -> tuple[str, ...]:
        """The swept paths that take more than one value, in the order in which they were written."""
        paths = dict.fromkeys(path for grid in self.grids for path, _ in grid)
        paths.pop("data.sha256", None)  # goes with data.source
        return tuple(p for p in paths if len({arm.value(p) for arm in self.arms}) > 1)

    def located(self, messages: Sequence[str]) -> list[str]:
        """Return messages that begin with a YAML path, with the place where that path was written before them."""
        marks = dict(self.marks)
        return [f"{marks[m.partition(':')[0]]}: {m}" if m.partition(":")[0] in marks else m for m in messages]

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(c.data.source for c in self.configs))

    @property
    def own_sources(self) -> tuple[str, ...]:
        """The data sources that are a user's own files."""
        return tuple(s for s in self.sources if s not in SOURCES)

    def with_contents(self, contents: dict[str, str]) -> Study:
        """Return the study with the sha256 of the user's own data as part of every name."""
        if not contents:
            return self
        return replace(self, data_sha256=tuple(sorted(contents.items())))

    def runs(self) -> list[Run]:
        """Return every network to train, each once, seeds innermost."""
        trained = {arm.arm_id: arm.trained for arm in self.arms}
        return [
            Run(config, seed, name, run)
            for name, config in trained.items()
            for seed, run in zip(self.seeds, run_ids(config, self.seeds), strict=True)
        ]

    def twins(self) -> list[tuple[Arm, Arm]]:
        """Return the arms that are the same function as an earlier one, with that one."""
        first: dict[str, Arm] = {}
        return [(arm, kept) for arm in self.arms if (kept := first.setdefault(arm.arm_id, arm)) is not arm]

    @cached_property
    def baselines(self) -> tuple[Arm | None, ...]:
        """For each arm the one that it is compared with, None for a baseline itself.

        It is the arm with rate 0 at every site that agrees in every axis outside dropout, and in as many of dropout's
        axes as possible; in a grid without one, the arm with the first value of the first axis. Arms named on the
        command line come before all these.
        """
        axes = self.axes
        if self.chosen:
            named = dict(self.chosen)
            like = [arm for arm in self.arms if all(shown(p, arm.value(p)) == v for p, v in named.items())]
            return self._nearest(like, [p for p in axes if p not in named], [])
        unmasked = [arm for arm in self.arms if not arm.masked]
        chosen = unmasked or [a for a in self.arms if axes and a.value(axes[0]) == self.arms[0].value(axes[0])]
        outer = [p for p in axes if not p.startswith("dropout.")] if unmasked else list(axes[1:])
        inner = [p for p in axes if p.startswith("dropout.")] if unmasked else []
        return self._nearest(chosen, outer, inner)

    def _nearest(self, chosen: list[Arm], outer: list[str], inner: list[str]) -> tuple[Arm | None, ...]:
        """Return for each arm the one of `chosen` that agrees in all of `outer`, and in most of `inner`."""
        by_place: dict[tuple[Any, ...], list[Arm]] = {}
        for arm in chosen:
            by_place.setdefault(tuple(arm.value(p) for p in outer), []).append(arm)
        found: list[Arm | None] = []
        for arm in self.arms:
            near = by_place.get(tuple(arm.value(p) for p in outer), [])
            best = max(near, key=lambda a: sum(a.value(p) == arm.value(p) for p in inner), default=None)
            found.append(None if best is None or best.arm_id == arm.arm_id else best)
        return tuple(found)
