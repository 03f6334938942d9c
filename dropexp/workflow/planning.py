"""What would be done: a study with its data in sight, its networks laid out, its packs and workers planned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dropexp.data import Balance, Dataset, balance, cache_dir, load, sizes
from dropexp.errors import ConfigError, DataError, UsageError
from dropexp.executors.all_executors import chosen
from dropexp.executors.executor import Executor
from dropexp.experiment.config import Data
from dropexp.experiment.layout import Layout, layout
from dropexp.experiment.levels import FEWEST
from dropexp.experiment.packs import PACK_BYTES, Size, bytes_per_run, keys_by_arm, pack_key, plan, seconds
from dropexp.experiment.sources import SOURCES
from dropexp.experiment.study import Run, Study
from dropexp.quoting import counted, spelt
from dropexp.store.folder import Store
from dropexp.store.intact import few
from dropexp.train.checkpoint import FOLDER, circumstances, interval
from dropexp.train.checkpoint import begun as checkpoints
from dropexp.workflow.request import Options

INLINE_SECONDS = 10.0  # below about this much work, starting workers costs more than they save
DEVICES = ("cpu", "cuda", "mps", "auto")
WORKER_BYTES = 2**30  # what a worker takes beside its data and one run, generously


@dataclass
class Plan:
    """A study with its data in sight: what is to be trained, in which packs, by how many workers."""

    study: Study
    datasets: dict[str, Dataset]  # under `Data.as_read`
    layouts: dict[tuple[str, ...], Layout]
    sizes: dict[tuple[str, ...], Size]
    todo: list[Run]
    done: int
    executor: Executor = field(default_factory=lambda: chosen(None))
    jobs: int = 1
    packs: list[list[Run]] = field(default_factory=list)
    begun: dict[str, int] = field(default_factory=dict)  # epochs that a run's checkpoint has behind it
    notes: list[str] = field(default_factory=list)  # checkpoints that cannot be used

    def balance(self, data: Data) -> Balance:
        """Return how many examples each class of a data set has."""
        return balance(self.datasets.get(data.as_read) or SOURCES[data.source])

    @cached_property
    def seconds(self) -> float:
        """A rough estimate of the work in one thread's seconds."""
        return seconds(self.todo, self.layouts, self.sizes)


def tally(made: Plan) -> str:
    """Return in words how many runs a study has and how many of them are to be trained, as check and run say it.

    Arms that are the same function share their runs: `9 arms x 10 seeds = 90 runs, 20 shared: 70 to train`.
    """
    study = made.study
    arms, seeds = len(study.arms), len(study.seeds)
    parts = [counted(arms * seeds, "run")]
    if (shared := arms * seeds - made.done - len(made.todo)) > 0:
        parts.append(f"{shared} shared")
    if made.done:
        parts.append(f"{made.done} stored")
    return f"{counted(arms, 'arm')} x {counted(seeds, 'seed')} = {', '.join(parts)}: {len(made.todo)} to train"


def prepare(
    study: Study, options: Options, *, data: bool = True, downloading: Callable[[str, int, int], None] | None = None
) -> Plan:
    """Look at the data, lay out every network and plan the packs; with `data` false built-in sets are not read.

    Raises ConfigError and DataError where study and data do not fit, UsageError for what machine or environment refuse.
    """
    executor_check(options)
    interval()  # says now what would fail every run
    cache_dir(options.data_dir)
    try:
        return _prepare(study, options, data, downloading)
    except (ConfigError, DataError) as error:
        raise type(error)(study.located(error.messages)) from None


def _prepare(study: Study, options: Options, data: bool, downloading: Callable[[str, int, int], None] | None) -> Plan:
    datasets: dict[str, Dataset] = {}
    for as_read, asked in study.readings.items():
        if data or asked.source not in SOURCES:
            datasets[as_read] = load(asked, folder=study.folder, data_dir=options.data_dir, progress=downloading)
    contents = {d.source: d.sha256 for d in datasets.values() if d.source not in SOURCES and d.sha256}
    study = study.with_contents(contents)
    layouts: dict[tuple[str, ...], Layout] = {}
    counts: dict[tuple[str, ...], Size] = {}
    for arm in study.arms:
        key = pack_key(arm.trained)
        if key not in layouts:
            example, classes, total, test = _facts(arm.trained.data, datasets)
            layouts[key] = layout(arm.trained, example, classes)
            counts[key] = Size(*sizes(arm.trained.data, total, test))
            _fits(arm.trained, counts[key])
    if study.grow is not None and not options.fresh:
        study = study.grown(Store(options.results / study.name).cells())
    return _to_train(study, Plan(study, datasets, layouts, counts, [], 0), options)


def widened(made: Plan, seeds: int, options: Options) -> Plan:
    """Return the plan of the next round of a study that grows, which has the same arms and so the same networks."""
    return _to_train(made.study.with_seeds(seeds), made, options)


def _to_train(study: Study, like: Plan, options: Options) -> Plan:
    """Return the plan of what the folder lacks of a study with the data and networks of another plan."""
    store = Store(options.results / study.name)
    finished = set() if options.fresh else store.done(*study.kept)
    lacking = {} if options.fresh else store.lacking(*study.kept)
    runs = study.runs()
    if not options.fresh:
        store.refuse_another(study.name, (run.run_id for run in runs))
    todo = [run for run in runs if run.run_id not in finished]
    made = Plan(study, like.datasets, like.layouts, like.sizes, todo, len(runs) - len(todo))
    if todo:
        pack(made, options)
        made.notes += few(
            [f"{run.run_id} {lacking[run.run_id]}; trained again" for run in todo if run.run_id in lacking]
        )
        made.notes += [
            doubt for doubt in [hopeless(study)] if doubt and len(study.seeds) >= FEWEST
        ]  # fewer are a trial
    return made


def hopeless(study: Study) -> str:
    """Return a warning where a study's seeds can hardly show a difference, so many comparisons does it make; else ''."""
    from dropexp.analysis.outlook import outlook
    from dropexp.wording.outlook import warning

    return warning(outlook(study))


def pack(made: Plan, options: Options, measured: Mapping[tuple[str, ...], int] | None = None) -> None:
    """Put the runs that are to be trained into packs, and say how many workers train them; see `plan` for `measured`."""
    todo = made.todo
    made.executor = chosen(options.executor, options.jobs)
    made.begun, made.notes = begun(made, options, todo)
    made.jobs = options.jobs or _jobs(made, options)
    made.packs = plan(todo, made.layouts, made.jobs, options.pack, made.begun, room=room(made), measured=measured)
    made.jobs = min(made.jobs, len(made.packs))


def _jobs(made: Plan, options: Options) -> int:
    """Return how many packs to train at once: one for a little work, else what the executor's cores and memory allow."""
    if made.seconds < INLINE_SECONDS:
        return 1
    keys = keys_by_arm(made.todo)
    configs = {keys[run.arm_id]: run.config for run in made.todo}
    largest = max(bytes_per_run(config, made.layouts[key]) for key, config in configs.items())
    held = sum(dataset.x.nbytes for dataset in made.datasets.values())
    return min(len(made.todo), made.executor.jobs(WORKER_BYTES + held + largest, options.threads))


def room(made: Plan) -> int:
    """Return the bytes that a pack may take: what its executor has for each, and never very much."""
    return min(PACK_BYTES, made.executor.room(made.jobs))


def begun(made: Plan, options: Options, runs: Sequence[Run]) -> tuple[dict[str, int], list[str]]:
    """Return the epochs behind each run that has a checkpoint, and a line on each that cannot be used."""
    if options.fresh:
        return {}, []
    study, executor = made.study, made.executor
    device = executor.device(options.device)
    alike = circumstances(study.probes, study.save_weights, study.save_predictions, device, options.threads)
    kept = executor.keeps(options.results / study.name) / FOLDER
    found, notes = checkpoints(kept, [run.run_id for run in runs], alike)
    return {run_id: checkpoint.epoch for run_id, checkpoint in found.items()}, notes


def executor_check(options: Options) -> None:
    """Raise UsageError where the executor cannot do what was asked, or has not the device."""
    executor = chosen(options.executor, options.jobs)
    if options.device == "cpu":
        return
    if options.device not in DEVICES:
        raise UsageError(f"--device: {spelt(options.device)} is not one of {', '.join(DEVICES)}")
    if options.device != "auto" and options.device not in executor.machine.devices():
        raise UsageError(f"--device: torch finds no {options.device} device here; use --device cpu")


def _facts(data: Data, datasets: dict[str, Dataset]) -> tuple[tuple[int, ...], int, int, int | None]:
    """Return example shape, classes, examples in all and official test examples of a data set."""
    if data.as_read in datasets:
        made = datasets[data.as_read]
        return made.example, len(made.classes), len(made.y), made.n_test
    row = SOURCES[data.source]
    return row.example, row.classes, row.pool + (row.test or 0), row.test


def _fits(config: Any, size: Size) -> None:
    if config.model.norm == "batch" and size.train == 1:
        raise ConfigError(
            "data.train_size: 1 example leaves batch norm nothing to normalise; use 2 or more, or norm layer"
        )
