"""The story of a run: prepare, train what is missing, store it, sum it up; returns values and prints nothing."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dropexp
from dropexp.errors import StoreError
from dropexp.executors.all_executors import chosen
from dropexp.executors.executor import Executor, Stop
from dropexp.executors.template import forget
from dropexp.experiment.study import Run, Study
from dropexp.records import Failure, Outcome
from dropexp.store.folder import set_aside
from dropexp.store.removal import ALONG
from dropexp.store.writer import Writer
from dropexp.study_files.parse import parse
from dropexp.study_files.union import seen_from
from dropexp.study_files.writing import to_yaml
from dropexp.study_files.yaml_reader import read_text
from dropexp.train.alarms import sentences
from dropexp.train.checkpoint import FOLDER, remove, tidy
from dropexp.train.work import TRAINS, Work, train_work, without_collecting
from dropexp.workflow.calibrating import calibrate
from dropexp.workflow.interrupts import finishing
from dropexp.workflow.planning import Plan, begun, prepare, widened
from dropexp.workflow.reading import accused, reading
from dropexp.workflow.registering import looked, register
from dropexp.workflow.request import Options

if TYPE_CHECKING:
    from dropexp.analysis.tidy import Tidy


@dataclass(frozen=True)
class Listener:
    """Who is told what happens: each is a plain function, and none may change anything."""

    started: Callable[[Plan], None] = lambda plan: None
    heard: Callable[[list[Run], int, int, dict[str, float]], None] = lambda pack, epoch, left, accuracy: None
    finished: Callable[[list[Run]], None] = lambda pack: None
    warned: Callable[[str], None] = lambda text: None
    downloading: Callable[[str, int, int], None] | None = None
    waiting: Callable[[], None] = lambda: None  # called once a round, while worker processes begin
    registered: Callable[[str], None] = lambda text: None  # before anything is trained


@dataclass(frozen=True)
class Finished:
    """What a command leaves: the folder, how many runs it trained, those that failed, and those left at a checkpoint."""

    folder: Path
    trained: int
    failures: tuple[Failure, ...]
    interrupted: bool = False
    begun: dict[str, int] = field(default_factory=dict)  # epochs behind each unfinished run


def run(study: Study, options: Options, listener: Listener = Listener()) -> Finished:
    """Train what the study's folder has not yet, and write its files.

    A study that grows is judged after each round of seeds, and the next is trained where something is undecided. Raises
    DropexpError where nothing can be trained; a run that raises becomes a row of failures.csv instead.
    """
    made = prepare(study, options, downloading=listener.downloading)
    study, folder = made.study, options.results / study.name
    if options.fresh:
        options = replace(options, fresh=False)
        if folder.exists():
            set_aside(folder)
    text = written(study, folder)
    total = Trained()
    with Writer(folder) as writer:
        for source, digest in study.data_sha256:
            if count := writer.store.trained_on_other_content(source, digest):
                listener.warned(
                    f"{source} has changed since {count} stored runs were trained on it; new runs are trained"
                )
        if said := register(writer, study):
            listener.registered(said)
        writer.write("study.yaml", text)
        for note in writer.notes:
            listener.warned(note)
        checkpoints = made.executor.keeps(folder) / FOLDER
        tidy(checkpoints)
        while True:
            interrupted = _train(made, options, listener, writer, checkpoints, total)
            shown = summarise(writer)
            if not interrupted and not total.failures:
                looked(writer, shown)
            more = _more(made.study, shown, total, interrupted)
            if more is None:
                break
            made = widened(made, more, options)
        done = writer.store.done(*study.kept)
        remove(checkpoints, done)
        tidy(checkpoints)
        left = begun(made, options, [run for run in made.todo if run.run_id not in done])[0] if interrupted else {}
    return Finished(folder, total.runs, tuple(total.failures), interrupted, left)


@dataclass
class Trained:
    """What a command has trained so far: how many runs, and those that failed."""

    runs: int = 0
    failures: list[Failure] = field(default_factory=list)


def _train(made: Plan, options: Options, listener: Listener, writer: Writer, checkpoints: Path, total: Trained) -> bool:
    """Train and store what a plan has to train; return whether that was interrupted."""
    before = total.runs + len(total.failures)
    for note in made.notes:
        listener.warned(note)
    if made.begun:
        listener.warned(f"continuing from checkpoints: {len(made.begun)} runs, up to epoch {max(made.begun.values())}")
    calibrate(made, options)
    if made.jobs == 1:  # training is in this process, if there is any
        forget()
    listener.started(made)
    try:
        with closing(outcomes(made, options, listener, checkpoints)) as found:
            for pack, outcome in found:
                if outcome.error is None:
                    for sentence in writer.append(pack, outcome, *made.study.kept):
                        listener.warned(sentence)
                    remove(checkpoints, [run.run_id for run in pack])
                    total.runs += len(pack)
                else:
                    total.failures += _failed(pack, outcome.error)
                    writer.append_failures(total.failures[-len(pack) :])
                listener.finished(pack)
        return total.runs + len(total.failures) < before + len(made.todo)
    except KeyboardInterrupt:
        return True


def _more(study: Study, shown: Tidy, total: Trained, interrupted: bool) -> int | None:
    """Return how many seeds the next round has, None where nothing is left to decide or to add, or runs are to be mended."""
    if study.grow is None or interrupted or total.failures or accused(shown):
        return None
    from dropexp.analysis.growing import decided

    if study.chosen and isinstance(shown.study, Study):  # the arms that the command line compares with
        shown = replace(shown, study=replace(shown.study, chosen=study.chosen))
    more = study.grow.after(len(study.seeds))
    return None if more is None or decided(shown) else more


def _failed(pack: list[Run], error: str) -> list[Failure]:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return [Failure(run.run_id, run.arm_id, run.seed, error, now) for run in pack]


def outcomes(
    made: Plan, options: Options, listener: Listener, checkpoints: Path | None
) -> Generator[tuple[list[Run], Outcome], None, None]:
    """Yield (pack, outcome); a pack that raises is split until the run at fault is alone.

    The first Ctrl-C or SIGTERM leaves every pack at a checkpoint and ends this; the second raises KeyboardInterrupt.
    """

    def tell() -> None:
        listener.warned("stopping at the end of this epoch; press Ctrl-C again to quit now")

    with finishing(tell) as stop:
        packs = list(made.packs)
        while packs and not stop():
            again: list[list[Run]] = []
            for pack, outcome in _round(made, packs, options, listener, checkpoints, stop):
                for note in (*outcome.notes, *sentences(outcome.probes)):
                    listener.warned(note)
                if outcome.paused:
                    continue
                if outcome.error is not None and len(pack) > 1:
                    again += [pack[: len(pack) // 2], pack[len(pack) // 2 :]]
                else:
                    yield pack, outcome
            packs = [part for half in again for part in _at_one_epoch(made, options, half, checkpoints)]


def load_statistics() -> None:
    """Load what sums a study up, while workers train."""
    import dropexp.analysis.claims_csv
    import dropexp.analysis.judging
    import dropexp.analysis.overfit
    import dropexp.analysis.summary
    import dropexp.tables.arms  # noqa: F401


def _round(
    made: Plan, packs: list[list[Run]], options: Options, listener: Listener, checkpoints: Path | None, stop: Stop
) -> Generator[tuple[list[Run], Outcome], None, None]:
    def meanwhile() -> None:
        with without_collecting():
            load_statistics()
            listener.waiting()

    executor = _executor(made, options, listener)
    device = executor.device(options.device)
    works = [
        Work(
            tuple(pack), pack[0].config.data.as_read, *made.study.kept,
            device, options.threads, checkpoints,
        )
        for pack in packs
    ]  # fmt: skip

    def listen(index: int, *heard: Any) -> None:
        listener.heard(packs[index], *heard)

    mapped = executor.map(train_work, works, made.datasets, made.jobs, listen, stop, meanwhile)
    with executor.loading(TRAINS), closing(mapped) as found:
        for index, outcome in found:
            yield packs[index], outcome


def _at_one_epoch(made: Plan, options: Options, pack: list[Run], checkpoints: Path | None) -> list[list[Run]]:
    """Return a pack in parts whose checkpoints stand at one epoch."""
    behind = {} if checkpoints is None else begun(made, options, pack)[0]
    parts: dict[int, list[Run]] = {}
    for run in pack:
        parts.setdefault(behind.get(run.run_id, 0), []).append(run)
    return list(parts.values())


def _executor(made: Plan, options: Options, listener: Listener) -> Executor:
    """Return what trains the packs: by its name, else worker processes where packs or the rounding here ask for them."""
    jobs = made.jobs
    rounds = dropexp.TORCH_CAME_FIRST and made.executor.device(options.device) == "cpu"
    if options.executor is None and rounds:
        jobs = max(2, jobs)
    executor = chosen(options.executor, jobs)
    if rounds and not executor.workers and made.packs:
        listener.warned(
            "torch was imported before dropexp, and training cannot move to another process: the last digits of "
            "results can differ from those trained elsewhere; import dropexp first"
        )
    return executor


def written(study: Study, folder: Path) -> str:
    """Return study.yaml, having read it back: what cannot be read again must not cost a night of training."""
    text = to_yaml(study, {source: seen_from(folder, study.folder / source) for source in study.own_sources})
    again = parse(read_text(text, f"{folder / 'study.yaml'}"), folder=folder, large=True, stored=True)
    before, after = (sorted(arm.arm_id for arm in made.arms) for made in (study, again))  # own files are regrouped
    if before != after:
        raise StoreError(
            f"{folder / 'study.yaml'}: would not read back as the same study; nothing was trained; please report it"
        )
    return text


def summarise(writer: Writer) -> Tidy:
    """Write summary.csv, overfit.csv and, where there are any, comparisons along axes and claims; return what the folder holds."""
    shown, _ = reading(writer.folder)
    from dropexp.analysis.axis_differences import axis_differences
    from dropexp.analysis.claims_csv import entries
    from dropexp.analysis.claims_csv import written as text_of
    from dropexp.analysis.judging import judge
    from dropexp.analysis.overfit import overfit
    from dropexp.analysis.summary import summary

    tables = [("summary.csv", summary(shown)), ("overfit.csv", overfit(shown))]
    if shown.along or (writer.folder / ALONG).exists():
        tables.insert(1, (ALONG, axis_differences(shown)))
    for name, rows in tables:
        writer.write(name, rows.to_csv(index=False, lineterminator="\n"))
    if shown.study.claims or shown.judged:
        writer.write("claims.csv", text_of(entries(judge(shown), shown.judged)))
    return shown
