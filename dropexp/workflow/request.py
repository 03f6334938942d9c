"""What is asked for, by a command or a call: which study, what is to differ from its file, and how to train it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropexp.errors import UsageError
from dropexp.experiment.vocabulary import SHORT_NAMES
from dropexp.quoting import clean

if TYPE_CHECKING:  # pydantic takes longer to load than `--help` should
    from dropexp.experiment.study import Study
    from dropexp.study_files.path_values import Override

# options that make an axis, even of one value -> the path that they sweep
AXES = {
    "rates": "dropout.rate",
    "kinds": "dropout.kind",
    "placements": "dropout.placement",
    "orders": "model.order",
    "patiences": "early_stopping.patience",
}
# fields that are options of their own, by their short name; one value sets the field, several make an axis
SHORTCUTS = {name: SHORT_NAMES[name] for name in ("data", "epochs", "lr")}
DEEP = 200  # folders below each other, beyond which a path is a slip
MOST = {"jobs": 1024, "threads": 1024, "pack": 4096}  # of each, beyond which a number is a slip


@dataclass(frozen=True)
class Options:
    """How to run, none of which can change a result on a CPU with one thread.

    Raises UsageError for a number that is not from 1 to MOST, and for a folder too deep to be cleared away again.
    """

    results: Path = Path("results")
    jobs: int | None = None
    threads: int = 1
    pack: int | None = None
    device: str = "cpu"
    data_dir: Path | None = None
    fresh: bool = False
    executor: str | None = None  # a row of EXECUTORS; None for the one that suits the work

    def __post_init__(self) -> None:
        if len(self.results.parts) > DEEP:
            shown = clean(self.results.as_posix())
            raise UsageError(f"results: {shown}: more than {DEEP} nested folders; use a shorter path")
        for name, most in MOST.items():
            number = getattr(self, name)
            if number is not None and not (type(number) is int and 1 <= number <= most):
                raise UsageError(f"{name}={number!r}: must be a whole number from 1 to {most}")


@dataclass(frozen=True)
class Request:
    """A study, as it is asked for; `config` is the path of a YAML file, or a dict as YAML would be.

    `seeds` is what `--seeds` was given, `large` allows more than 100,000 runs, and `baseline` holds the conditions,
    PATH=VALUE each, on the arms that others are compared with.
    """

    config: str | Path | Mapping[str, Any] | None = None
    overrides: tuple[Override, ...] = ()
    seeds: Sequence[Any] | None = None
    name: str | None = None
    large: bool = False
    baseline: tuple[str, ...] = ()
    options: Options = Options()

    def study(self) -> Study:
        """Return the study; raises ConfigError with every mistake, and UsageError where no arm is like the baseline."""
        from dropexp.study_files.arm_conditions import with_baseline
        from dropexp.study_files.from_dict import read_mapping
        from dropexp.study_files.parse import parse
        from dropexp.study_files.yaml_reader import read

        if isinstance(self.config, Mapping):
            document = read_mapping(self.config)
        elif isinstance(self.config, str | Path):
            document = read(Path(self.config), str(self.config))
        else:
            raise UsageError(f"config: a {type(self.config).__name__}; pass the path of a YAML file or a dict")
        made = parse(document, self.overrides, name=self.name, seeds=self.seeds, large=self.large)
        return with_baseline(made, self.baseline)  # says now, not after a night, that no arm is like that
