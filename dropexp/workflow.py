"""The story: check, run, plot as plain functions that return values and print nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import dropexp
from dropexp.errors import StoreError
from dropexp.executors.inline import run_inline
from dropexp.executors.pool import run_pool
from dropexp.planning import Options, Plan, device_name, prepare
from dropexp.records import Failure
from dropexp.spec.parse import parse
from dropexp.spec.reader import read, read_text
from dropexp.spec.stored import joined
from dropexp.spec.study import Run, Study
from dropexp.spec.writing import to_yaml
from dropexp.store import Store, Writer, set_aside

FIGURES_STAMP = ".drawn"


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

    execute = run_pool if made.jobs > 1 else run_inline
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


def _paths(study: Study, folder: Path) -> dict[str, str]:
    """Return the paths of the user's own data as seen from the results folder."""
    found = {}
    for source in study.own_sources:
        path = (study.folder / source).resolve()
        try:
            found[source] = Path(os.path.relpath(path, folder.resolve())).as_posix()
        except ValueError:
            found[source] = path.as_posix()  # another drive
    return found


def written(study: Study, folder: Path) -> str:
    """Return study.yaml, having read it back: what cannot be read again must not cost a night of training."""
    text = to_yaml(study, _paths(study, folder))
    again = parse(read_text(text, f"{folder / 'study.yaml'}"), folder=folder, large=True)
    if [arm.arm_id for arm in again.arms] != [arm.arm_id for arm in study.arms]:
        raise StoreError(
            f"{folder / 'study.yaml'}: would not read back as the same study; nothing was trained; please report it"
        )
    return text


def summarise(writer: Writer) -> None:
    """Write summary.csv from what the folder holds."""
    shown, _ = reading(writer.folder)
    from dropexp.analysis.summary import summary

    writer.write("summary.csv", summary(shown).to_csv(index=False, lineterminator="\n"))


def reading(folder: Path, everything: bool = False) -> tuple[Any, str | None]:
    """Return the tidy tables of a study's folder, and a line on what is not shown.

    Raises StoreError where the folder holds no study.
    """
    from dropexp.analysis.tidy import tidy

    if not (folder / "study.yaml").is_file():
        raise StoreError(
            f"{folder}: no study.yaml here, so this is no study's folder; name results/ or results/<study>"
        )
    store = Store(folder)
    study = parse(read(folder / "study.yaml"), folder=folder, large=True)
    runs = store.frame("runs.csv")
    study, note = joined(study, store.cells(), everything)
    return tidy(study, runs, store.frame("epochs.csv")), "\n".join(filter(None, [note, _mixed(study, store)])) or None


def _mixed(study: Study, store: Store) -> str | None:
    """Return a line where the runs shown were trained in more than one way, so that bytes need not agree."""
    shown = {run.run_id for run in study.runs()}
    rows = store.frame("provenance.csv")
    rows = rows[rows["run_id"].isin(shown)]
    counts = rows.groupby(["device", "threads", "torch"]).size()
    if len(counts) < 2:
        return None
    parts = [
        f"{n} on {device}, {threads} thread{'s' * (threads != '1')}, torch {torch}"
        for (device, threads, torch), n in counts.items()
    ]
    return f"trained in more than one way: {'; '.join(parts)}"


def studies_below(path: Path) -> list[Path]:
    """Return the studies that a path names: itself, or the folders one level below it."""
    if (path / "study.yaml").is_file():
        return [path]
    if not path.is_dir():
        raise StoreError(f"{path}: no such folder; 'dropexp sweep' makes results/quickstart")
    found = sorted(p.parent for p in path.glob("*/study.yaml") if ".old-" not in p.parent.name)
    if not found:
        raise StoreError(f"{path}: no study in this folder yet; 'dropexp sweep --rates 0 0.2 0.5' makes one")
    return found


@dataclass(frozen=True)
class Drawn:
    """The figures of one study: `paths` empty and `current` true where they were up to date."""

    folder: Path
    paths: tuple[Path, ...]
    current: bool
    note: str | None


def plot(folder: Path, everything: bool = False, again: bool = False) -> Drawn:
    """Draw a study's figures into its folder, unless they are up to date."""
    try:
        return _draw(folder, everything, again)
    except PermissionError as error:
        raise StoreError(f"{error.filename or folder}: cannot be read or written ({error.strerror})") from None


def _draw(folder: Path, everything: bool, again: bool) -> Drawn:
    import matplotlib

    stamp = sha256(f"{dropexp.__version__} {matplotlib.__version__} {everything}".encode())
    for name in ("study.yaml", "runs.csv", "epochs.csv"):
        path = folder / name
        stamp.update(path.read_bytes() if path.is_file() else b"-")
    figures = folder / "figures"
    mark = figures / FIGURES_STAMP
    if not again and mark.is_file() and mark.read_text(encoding="utf-8") == stamp.hexdigest():
        return Drawn(folder, tuple(sorted(figures.glob("*.png"))), True, None)
    shown, note = reading(folder, everything)
    if shown.runs.empty:
        raise StoreError(f"{folder}: no finished run to draw yet; run its study again")
    from dropexp.report.figures import draw

    aside = folder / ".figures.new"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir()
        draw(shown, aside)
        (aside / FIGURES_STAMP).write_text(stamp.hexdigest(), encoding="utf-8")
        shutil.rmtree(figures, ignore_errors=True)
        aside.replace(figures)
    except OSError as error:
        raise StoreError(f"{figures}: cannot be written ({error.strerror})") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Drawn(folder, tuple(sorted(figures.glob("*.png"))), False, note)
