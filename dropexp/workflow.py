"""The story of a run: prepare, train what is missing, store it, sum it up; returns values and prints nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dropexp
from dropexp.errors import StoreError
from dropexp.executors.inline import run_inline
from dropexp.executors.pool import may_start, run_pool
from dropexp.planning import Options, Plan, device_name, prepare
from dropexp.reading import reading
from dropexp.records import Failure
from dropexp.spec.parse import parse
from dropexp.spec.reader import read_text
from dropexp.spec.study import Run, Study
from dropexp.spec.union import seen_from
from dropexp.spec.writing import to_yaml
from dropexp.store import Store, Writer, set_aside


@dataclass(frozen=True)
class Listener:
    """Who is told what happens: each is a plain function, and none may change anything."""

    started: Callable[[Plan], None] = lambda plan: None
    heard: Callable[[list[Run], int, int, dict[str, float]], None] = lambda pack, epoch, left, accuracy: None
    finished: Callable[[list[Run]], None] = lambda pack: None
    warned: Callable[[str], None] = lambda text: None
    downloading: Callable[[str, int, int], None] | None = None


@dataclass(frozen=True)
class Finished:
    """What a command leaves: the folder, how many runs it trained, and those that failed."""

    folder: Path
    trained: int
    failures: tuple[Failure, ...]
    interrupted: bool = False


def run(study: Study, options: Options, listener: Listener = Listener()) -> Finished:
    """Train what the study's folder has not yet, and write its files.

    Raises DropexpError where nothing can be trained; a run that raises becomes a row of failures.csv instead.
    """
    made = prepare(study, options, downloading=listener.downloading)
    study, folder = made.study, options.results / study.name
    if options.fresh and folder.exists():
        set_aside(folder)
    text = written(study, folder)
    failures: list[Failure] = []
    trained, interrupted = 0, False
    with Store(folder).writing() as writer:
        for source, digest in study.data_sha256:
            if count := writer.store.trained_on_other_content(source, digest):
                listener.warned(
                    f"{source} has changed since {count} stored runs were trained on it; new runs are trained"
                )
        writer.write("study.yaml", text)
        listener.started(made)
        try:
            for pack, outcome in _outcomes(made, options, listener):
                if outcome.error is None:
                    writer.save_weights(outcome)
                    writer.append(pack, outcome)
                    trained += len(pack)
                else:
                    failures += [
                        Failure(
                            r.run_id,
                            r.arm_id,
                            r.seed,
                            outcome.error,
                            datetime.now(UTC).isoformat(timespec="seconds"),
                        )
                        for r in pack
                    ]
                    writer.append_failures(failures[-len(pack) :])
                listener.finished(pack)
        except KeyboardInterrupt:
            interrupted = True
        summarise(writer)
    return Finished(folder, trained, tuple(failures), interrupted)


def _outcomes(made: Plan, options: Options, listener: Listener) -> Any:
    """Yield (pack, outcome); a pack that raises is split until the run at fault is alone."""
    from dropexp.train.pack import Work, train_pack

    execute = _executor(made, options.device, listener)
    packs = list(made.packs)
    while packs:
        again: list[list[Run]] = []
        works = [
            Work(
                tuple(pack), pack[0].config.data.source, made.study.probes, made.study.save_weights,
                device_name(options.device), options.threads,
            )
            for pack in packs
        ]  # fmt: skip
        current = packs

        def listen(index: int, *heard: Any, current: list[list[Run]] = current) -> None:
            listener.heard(current[index], *heard)

        for index, outcome in execute(train_pack, works, made.datasets, made.jobs, listen):
            pack = current[index]
            if outcome.error is not None and len(pack) > 1:
                again += [pack[: len(pack) // 2], pack[len(pack) // 2 :]]
            else:
                yield pack, outcome
        packs = again


def _executor(made: Plan, device: str, listener: Listener) -> Callable[..., Any]:
    """Return what trains the packs: worker processes for several jobs, and where this process would round otherwise."""
    rounds = dropexp.TORCH_CAME_FIRST and device_name(device) == "cpu"
    if may_start():
        return run_pool if made.jobs > 1 or rounds else run_inline
    if rounds and made.packs:
        listener.warned(
            "torch was imported before dropexp, and this process may start no other: results can differ in their last "
            "digits from those trained elsewhere; import dropexp first"
        )
    return run_inline


def paths_from(study: Study, folder: Path) -> dict[str, str]:
    """Return the paths of the user's own data as seen from the results folder."""
    return {source: seen_from(folder, study.folder / source) for source in study.own_sources}


def written(study: Study, folder: Path) -> str:
    """Return study.yaml, having read it back: what cannot be read again must not cost a night of training."""
    text = to_yaml(study, paths_from(study, folder))
    again = parse(read_text(text, f"{folder / 'study.yaml'}"), folder=folder, large=True)
    before, after = (sorted(arm.arm_id for arm in made.arms) for made in (study, again))  # own files are regrouped
    if before != after:
        raise StoreError(
            f"{folder / 'study.yaml'}: would not read back as the same study; nothing was trained; please report it"
        )
    return text


def summarise(writer: Writer) -> None:
    """Write summary.csv from what the folder holds."""
    shown, _ = reading(writer.folder)
    from dropexp.analysis.summary import summary

    writer.write("summary.csv", summary(shown).to_csv(index=False, lineterminator="\n"))
