"""`import dropexp`: the commands as functions, for scripts and notebooks; they print nothing, and mistakes are exceptions."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dropexp.console.progress import Progress
from dropexp.errors import ConfigError, Interrupted, UsageError
from dropexp.inline import Figures
from dropexp.notebook import Comparison, Results
from dropexp.signatures import taking
from dropexp.study_files.command_words import read_word
from dropexp.study_files.from_dict import read_mapping
from dropexp.study_files.path_values import Override, from_here, pairs, resolved
from dropexp.study_files.shipped import shipped
from dropexp.train.work import threads_kept
from dropexp.workflow import comparing, drawing, running
from dropexp.workflow.checking import facts
from dropexp.workflow.reading import reading, studies_below
from dropexp.workflow.request import AXES, SHORTCUTS, Options, Request
from dropexp.workflow.together import together

Config = str | Path | Mapping[str, Any]
Axis = Any  # one value, or a list, range or array of them
Conditions = str | Mapping[str, Any] | Sequence[str]  # "rate=0.5 norm=batch", or {"rate": 0.5, "norm": "batch"}


def _request(
    config: Config,
    *,
    rates: Axis = None,
    kinds: Axis = None,
    placements: Axis = None,
    orders: Axis = None,
    patiences: Axis = None,
    data: Axis = None,
    epochs: Axis = None,
    lr: Axis = None,
    seeds: int | Sequence[int] | None = None,
    set: Mapping[str, Axis] | None = None,
    baseline: Conditions | None = None,
    results: str | Path = Options.results,
    study: str | None = None,
    jobs: int | None = None,
    threads: int = Options.threads,
    pack: int | None = None,
    device: str = Options.device,
    executor: str | None = None,
    data_dir: str | Path | None = None,
    fresh: bool = False,
    yes: bool = False,
) -> Request:
    """Return what these options request; run, sweep and check share them with the command line."""
    axes = dict(zip(AXES, (rates, kinds, placements, orders, patiences), strict=True))
    fields = dict(zip(SHORTCUTS, (data, epochs, lr), strict=True))
    return Request(
        config,
        tuple(_overrides(axes, fields, set)),
        None if seeds is None else [_plain("seeds", seeds)],  # [5] is a count, [[5]] a list of one seed
        study,
        yes,
        tuple(pairs(baseline or ())),
        Options(
            Path(results), jobs, threads, pack, device, None if data_dir is None else Path(data_dir), fresh, executor
        ),
    )


@taking(_request)
def run(request: Request, *, progress: bool = False) -> Results:
    """Train a study, given as the path of a YAML file or as a dict with the same keys, and return its results.

    The options are those of the command line: `rates=[0, 0.5]`, `seeds=3` for seeds 0 to 2 or `[3, 4]` for those two,
    `set={"lr": [0.01, 0.1]}`, where a list has the values to sweep. Runs that are already stored are not trained again.

    If torch was imported before dropexp, runs train in a worker process, because their last digits depend on a setting
    that torch reads only once. Raises ConfigError with one message for each mistake, DataError, StoreError, UsageError,
    and Interrupted after Ctrl-C. A run that fails causes a warning and is listed in `failed`.
    """
    made = request.study()
    bar = Progress(sys.stderr) if progress else None
    try:
        with threads_kept():
            finished = running.run(made, request.options, bar.listener() if bar else running.Listener(warned=_warn))
    finally:
        if bar:
            bar.close()
    if finished.interrupted:
        raise Interrupted(
            f"interrupted: {finished.trained} runs are kept in {finished.folder}; repeat the call to continue"
        )
    if finished.failures:
        first = finished.failures[0]
        _warn(f"{len(finished.failures)} runs failed, the first with {first.error}; repeat the call to try them again")
    return Results(
        finished.folder, *reading(finished.folder, baseline=request.baseline), finished.trained, finished.failures
    )


def sweep(config: Config | None = None, **options: Any) -> Results:
    """Train a study over the axes in `options`, which are those of `run`; without a config, the built-in quickstart."""
    return run(shipped()["quickstart"] if config is None else config, **options)


@taking(_request)
def check(request: Request, *, time: bool = False) -> dict[str, Any]:
    """Return what a study would train: arms, runs, packs and parameters of its networks; with `time`, also the seconds."""
    with threads_kept():
        return facts(request.study(), request.options, time)


def read(folder: str | Path, everything: bool = False) -> Results:
    """Return the results in a study's folder; with `everything`, also runs that differ in more than axes and seeds."""
    return Results(Path(folder), *reading(Path(folder), everything))


def plot(*folders: str | Path, everything: bool = False, fresh: bool = False, **order: Any) -> Figures:
    """Draw the figures of every study in or below the folders; return the paths of the figures.

    `order` takes the options of `Results.plot` that choose figures.
    """
    found = studies_below(*map(Path, folders or ("results",)))
    wanted = drawing.ordered(**order)
    return Figures(
        path
        for folder in found
        for path in drawing.plot(folder, everything, fresh, order=wanted.of(folder, found)).paths
    )


def compare(*folders: str | Path, arms: Conditions | Sequence[Conditions] = ()) -> Comparison:
    """Compare two studies, or two arms of one study: `compare("results/x", arms=["rate=0.5", "rate=0"])`, or with dicts."""
    sides = [pairs(side) for side in ([arms] if isinstance(arms, str | Mapping) else arms)]
    found, names = comparing.compare([Path(folder) for folder in folders], sides)
    return Comparison(names, found)


def join(*folders: str | Path, out: str | Path, prefer: str | Path | None = None) -> Results:
    """Combine several folders into one study, written to `out`; `prefer` is the folder that counts if runs disagree."""
    together(studies_below(*map(Path, folders)), Path(out), None if prefer is None else Path(prefer))
    return read(out)


def check_laws(name: str | None = None) -> pd.DataFrame:
    """Check the laws of dropout, or one of them, on the code that trains; return one row per law."""
    from dropexp.laws.all_laws import chosen, examine

    rows = [
        {"law": law.id, "says": law.says, "source": law.source, **found.numbers(), "holds": found.holds}
        for law in chosen(name)
        if (found := examine(law))
    ]
    return pd.DataFrame(rows)


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=3)


def _overrides(
    axes: Mapping[str, Axis], named: Mapping[str, Axis], fields: Mapping[str, Axis] | None
) -> list[Override]:
    """Return what the options set; words are read as on the command line, so that `none` turns a feature off."""
    if not isinstance(fields or {}, Mapping):
        raise UsageError("set: pass a dict of YAML paths, such as set={'training.lr': [0.01, 0.1]}")
    given = [(AXES[name], f"{name}=", values, True) for name, values in axes.items() if values is not None]
    given += [(SHORTCUTS[name], f"{name}=", values, False) for name, values in named.items() if values is not None]
    given += [(path, f"set {path}=", values, False) for path, values in (fields or {}).items()]
    found: list[Override] = []
    for path, name, values, axis in given:
        path = resolved(path)
        if any(path == before.path and not (axis or before.axis) for before in found):
            raise UsageError(f"{name.removesuffix('=')}: sets {path} a second time; name each field once")
        plain = _plain(name.removesuffix("="), values)
        listed = plain if isinstance(plain, list) else [plain]
        if not listed:
            raise UsageError(f"{name}[]: no value; list at least one")
        words = tuple(read_word(path, value) if isinstance(value, str) else value for value in listed)
        if path == "data.source":
            words = tuple(map(from_here, words))
        found.append(Override(path, words, f"{name}{plain}", axis))
    return found


def _plain(name: str, value: Any) -> Any:
    try:
        return read_mapping({name: value}, "option").content[name]
    except ConfigError as error:
        raise UsageError(error.messages) from None
