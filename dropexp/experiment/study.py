"""A study as resolved: base configuration, axes, seeds, claims, and the arms and runs they make."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from dropexp.experiment.applicability import cells
from dropexp.experiment.boxes import Box, where
from dropexp.experiment.boxes import cells as cells_of
from dropexp.experiment.claims import Claim
from dropexp.experiment.config import Config, Data
from dropexp.experiment.design import MARGINS, Arm, Design
from dropexp.experiment.growth import Grow
from dropexp.experiment.identity import arm_id, canonical, run_ids
from dropexp.experiment.layout import site_rates
from dropexp.experiment.leaves import folded, leaf, spell
from dropexp.experiment.sources import SOURCES

Grid = tuple[tuple[str, tuple[Any, ...]], ...]  # (YAML path, values as written), ...


@dataclass(frozen=True)
class ConfiguredArm(Arm):
    """One cell of the grid: the configuration as written, and the canonical one that is trained for it."""

    config: Config
    trained: Config
    arm_id: str

    def value(self, path: str) -> Any:
        return leaf(self.config, path)

    def shown(self, path: str) -> str:
        """Return a value as a person reads it: an order as its chain of functions, a file by its name."""
        model, data = self.config.model, self.config.data
        if path == "model.order":
            return model.order.replace("activation", model.activation).replace("-", " > ")
        return _file_name(data.source) if path == "data.source" else folded(path, self.value(path))

    @property
    def cells(self) -> dict[str, str]:
        return cells(self.config)

    @property
    def masked(self) -> bool:
        return bool(site_rates(self.config.dropout, self.config.model))

    @property
    def label_noise(self) -> float:
        return self.config.data.label_noise

    @property
    def monitor(self) -> str | None:
        stop = self.config.early_stopping
        return None if stop.patience is None else stop.monitor

    @property
    def population(self) -> tuple[object, ...]:
        """The data and how the test examples are set aside, which a seed then draws."""
        data = self.trained.data
        lines = data.blanks, data.ignore if data.blanks == "drop" else None  # which lines of a .csv are examples
        return data.sha256 or data.source, data.label, lines, data.test_size, self.trained.streams.split


def _file_name(path: str) -> str:
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2]


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
class Study(Design):
    """Everything that one YAML file and the options beside it ask for."""

    name: str
    folder: Path
    base: Config
    grids: tuple[Grid, ...]
    seeds: tuple[int, ...]
    configs: tuple[Config, ...]
    claims: tuple[Claim, ...] = ()
    margins: Mapping[str, float] = field(default_factory=lambda: dict(MARGINS), hash=False, kw_only=True)
    grow: Grow | None = field(default=None, kw_only=True)  # `seeds` are then those of the current round
    probes: tuple[str, ...] = ()
    save_weights: str = "none"
    save_predictions: str = "classes"
    data_sha256: tuple[tuple[str, str], ...] = ()
    chosen: tuple[tuple[str, str], ...] = ()  # values, as shown, of the arms that the command line compares with
    asked: tuple[int, ...] = ()  # the seeds of the file or of --seeds, where stored ones have joined them
    # arms and seeds that were asked for, where stored ones have joined them
    wanted: frozenset[tuple[str, int]] = frozenset()
    boxes: tuple[Box, ...] = ()  # the grids, where only the arms with rows were made of them
    marks: tuple[tuple[str, str], ...] = field(default=(), compare=False)  # YAML path -> file:line:column or option
    arms: tuple[ConfiguredArm, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        contents = dict(self.data_sha256)
        arms = []
        for config in self.configs:
            if (digest := contents.get(config.data.source)) and not config.data.sha256:
                config = config.model_copy(update={"data": config.data.model_copy(update={"sha256": digest})})
            trained = canonical(config)
            arms.append(ConfiguredArm(config, trained, arm_id(trained)))
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
    def kept(self) -> tuple[tuple[str, ...], str, str]:
        """What is kept of each run beside its rows: probes, weights and predictions."""
        return self.probes, self.save_weights, self.save_predictions

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(c.data.source for c in self.configs))

    @property
    def readings(self) -> dict[str, Data]:
        """The data sets of the study, each once, under what it is read as."""
        found: dict[str, Data] = {}
        for config in self.configs:
            found.setdefault(config.data.as_read, config.data)
        return found

    @property
    def own_sources(self) -> tuple[str, ...]:
        """The data sources that are a user's own files."""
        return tuple(s for s in self.sources if s not in SOURCES)

    def with_contents(self, contents: dict[str, str]) -> Study:
        """Return the study with the sha256 of the user's own data as part of every name."""
        if not contents:
            return self
        return replace(self, data_sha256=tuple(sorted(contents.items())))

    def grown(self, rows: Iterable[Mapping[str, str]]) -> Study:
        """Return a growing study with the seeds of the last round that stored rows complete; others are as they were."""
        if self.grow is None:
            return self
        stored: dict[str, set[int]] = {arm.arm_id: set() for arm in self.arms}
        for row in rows:
            if row["arm_id"] in stored:
                stored[row["arm_id"]].add(int(row["seed"]))
        return self.with_seeds(self.grow.start if self.unmade else self.grow.reached(list(stored.values())))

    def with_seeds(self, count: int) -> Study:
        """Return the study with seeds 0, 1, 2 and on."""
        return self if self.seeds == tuple(range(count)) else replace(self, seeds=tuple(range(count)))

    def runs(self) -> list[Run]:
        """Return every network to train, each once, seeds innermost."""
        return list(self._runs)

    @cached_property
    def _runs(self) -> tuple[Run, ...]:
        trained = {arm.arm_id: arm.trained for arm in self.arms}
        return tuple(
            Run(config, seed, name, run)
            for name, config in trained.items()
            for seed, run in zip(self.seeds, run_ids(config, self.seeds), strict=True)
        )

    @property
    def unmade(self) -> int:
        return self.unmade_at({})

    def unmade_at(self, wanted: Mapping[str, Collection[Any]]) -> int:
        parts = where(self.boxes, wanted)
        made = [arm for arm in self.arms if any(all(arm.value(p) in side for p, side in box.items()) for box in parts)]
        return cells_of(parts) - len(made)

    def twins(self) -> list[tuple[ConfiguredArm, ConfiguredArm]]:
        """Return the arms that are the same function as an earlier one, with that one."""
        first: dict[str, ConfiguredArm] = {}
        return [(arm, kept) for arm in self.arms if (kept := first.setdefault(arm.arm_id, arm)) is not arm]

    @property
    def hint(self) -> str | None:
        """What to do about a grid without an arm at rate 0, with the runs that adding one takes."""
        if self.unmade or any(not arm.masked for arm in self.arms):
            return None
        bare = []
        for arm in self.arms:
            dropout = arm.config.dropout.model_copy(update={"rate": 0.0})
            bare.append(canonical(arm.config.model_copy(update={"dropout": dropout})))
        if any(site_rates(config.dropout, config.model) for config in bare):
            return "no arm without dropout: with rate 0, the places under dropout.rate_at are still masked"
        new = {arm_id(config) for config in bare} - {arm.arm_id for arm in self.arms}
        rates = dict.fromkeys(spell(arm.value("dropout.rate")) for arm in self.arms)
        count = len(new) * len(self.seeds)
        return f"no arm without dropout; 'run --rates {' '.join(['0', *rates])}' adds {count} run{'s' * (count != 1)}"

    @property
    def data(self) -> str:
        """The data in words: the name of each built-in set or of each file."""
        return " and ".join(SOURCES[s].title if s in SOURCES else _file_name(s) for s in self.sources)
