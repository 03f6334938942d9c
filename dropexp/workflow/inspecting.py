"""Everything that is stored of one run: its configuration, curves, end, audit, probes, origin and files, and its training again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from dropexp.errors import DropexpError, StoreError
from dropexp.experiment.applicability import applies
from dropexp.experiment.config import Config
from dropexp.experiment.design import Arm
from dropexp.experiment.leaves import leaf, roles, shown, spell
from dropexp.experiment.probes import AUDIT
from dropexp.experiment.sources import SOURCES
from dropexp.experiment.study import ConfiguredArm, Study
from dropexp.files import refuse_link
from dropexp.metrics import EPOCHS, RUNS
from dropexp.quoting import counted
from dropexp.records import ProbeRow
from dropexp.rows import COLUMNS
from dropexp.store.folder import Store
from dropexp.store.predictions import NAME as PREDICTIONS
from dropexp.store.weights import COLUMNS_OF_WEIGHTS, files_of
from dropexp.study_files.command_words import read_words
from dropexp.study_files.path_values import Override
from dropexp.study_files.shipped import shipped
from dropexp.train.alarms import sentences
from dropexp.workflow import drawing
from dropexp.workflow.finding import Match, runs_like, the_run
from dropexp.workflow.request import Options, Request

if TYPE_CHECKING:
    from dropexp.analysis.tidy import Tidy

COUNTS = ("parameters", "train_examples", "val_examples", "test_examples", "classes")
OFF = "none"  # how a command line spells null


@dataclass(frozen=True)
class Measured:
    """What a probe found of a run: of a layer, at one of several places in it, from its first epoch to its last."""

    probe: str
    layer: str
    at: str
    epochs: int
    first: float | None
    last: float | None


@dataclass(frozen=True)
class Inspected:
    """One run. Accuracies are fractions, losses nats per example; what is not known or does not exist is None or empty.

    `configuration` holds the fields that differ from their defaults, by YAML path; `curves` a list per column of
    epochs.csv; `audit` what the audit of dropout found, None for a run that dropexp did not train; `files` (path, what
    stands there of the run); `again` the command that trains it again.
    """

    study: str
    folder: Path
    run_id: str
    arm_id: str
    name: str
    seed: int
    stop_reason: str
    epochs_run: int
    selected_epoch: int | None
    metrics: dict[str, float | None]
    counts: dict[str, int]
    configuration: dict[str, str]
    curves: dict[str, list[float | None]]
    audit: tuple[str, ...] | None
    probes: tuple[Measured, ...]
    provenance: dict[str, str]
    files: tuple[tuple[str, str], ...]
    again: str | None
    note: str | None


def listed(folder: Path, words: Sequence[str]) -> Match:
    """Return the arms and runs of a study that meet words, as `runs_like` takes them."""
    return runs_like(folder, words)


def inspected(folder: Path, words: Sequence[str]) -> Inspected:
    """Return all that is stored of the one run that meets the words; raises what `the_run` does."""
    match, arm, row = the_run(folder, words)
    run_id, seed, tidy = str(row["run_id"]), int(row["seed"]), match.shown
    epochs = tidy.epochs[tidy.epochs["run_id"] == run_id].sort_values("epoch")
    curves = {name: _numbers(epochs[name]) for name in ("rate", *EPOCHS) if epochs[name].notna().any()}
    probes = tidy.probes[tidy.probes["run_id"] == run_id].to_dict("records") if match.own else []
    found: list[Any] = [{**probe, "at": "" if probe["at"] != probe["at"] else probe["at"]} for probe in probes]
    accused = [ProbeRow(**one) for one in found if str(one["probe"]).startswith(AUDIT)]
    places: dict[str, str] = {}
    if match.own:
        rows: Any = Store(folder).frame("provenance.csv").to_dict("records")
        places = next((place for place in reversed(rows) if place["run_id"] == run_id), {})
    own = arm if isinstance(arm, ConfiguredArm) else None
    return Inspected(
        study=tidy.study.name,
        folder=folder,
        run_id=run_id,
        arm_id=arm.arm_id,
        name=match.name(arm, seed),
        seed=seed,
        stop_reason=str(row["stop_reason"]),
        epochs_run=int(row["epochs_run"]),
        selected_epoch=None if (at := _known(row["selected_epoch"])) is None else int(at),
        metrics={name: number for name in RUNS if (number := _known(row[name])) is not None},
        counts={name: int(row[name]) for name in COUNTS if _known(row[name]) is not None},
        configuration=changed(own.config) if own else dict(arm.cells),
        curves={"epoch": [int(epoch) for epoch in epochs["epoch"]], **curves},
        audit=tuple(sentences(accused)) if match.own else None,
        probes=tuple(_measured(one for one in found if not str(one["probe"]).startswith(AUDIT))),
        provenance={name: str(cell) for name, cell in places.items() if name not in ("run_id", "row_digest")},
        files=tuple(_files(folder, run_id))
        if match.own
        else ((f"{folder.as_posix()}/epochs.csv", f"{len(epochs)} rows"),),
        again=_again(folder, tidy.study, own, seed, run_id, places) if own and isinstance(tidy.study, Study) else None,
        note=match.note,
    )


def drawn(folder: Path, words: Sequence[str]) -> tuple[Path, ...]:
    """Draw the curves of the one run that meets the words, into plots/RUN_ID in its study's folder; return the paths.

    Raises what `the_run` does, and StoreError where they cannot be written.
    """
    match, arm, row = the_run(folder, words)
    run_id = str(row["run_id"])
    target = folder / drawing.PLOTS
    try:
        refuse_link(target)
        refuse_link(target / run_id)
    except OSError as error:
        raise StoreError(f"{error.filename}: cannot be written ({error.strerror})") from None
    order = drawing.Order(only=("curves", "curves-loss"), out=target / run_id)
    return drawing.plot(folder, known=(_alone(match.shown, arm, run_id), None), order=order).paths


def _alone(tidy: Tidy, arm: Arm, run_id: str) -> Tidy:
    """Return the tables of one run, as if it were a study."""
    study: Any = tidy.study
    if isinstance(arm, ConfiguredArm):
        study = replace(study, configs=(arm.config,), claims=(), chosen=())
    else:
        study = replace(study, arms=(arm,), chosen=())
    runs, epochs = (rows[rows["run_id"] == run_id].reset_index(drop=True) for rows in (tidy.runs, tidy.epochs))
    return replace(tidy, study=study, arms=study.arms, runs=runs, epochs=epochs, judged=())


def changed(config: Config) -> dict[str, str]:
    """Return the fields of a configuration that differ from the defaults of its kind of model, as a person reads them."""
    usual = Config.model_validate({"model": {"kind": config.model.kind}})
    plain = {**{path: leaf(usual, path) for path in roles()}, "model.kind": Config().model.kind}
    return {
        path: shown(path, leaf(config, path))
        for path, default in plain.items()
        if applies(path, config) and leaf(config, path) != default
    }


def _measured(rows: Iterable[dict[str, Any]]) -> Iterable[Measured]:
    """Return what each probe found at each layer and place, in the order of the table."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((str(row["probe"]), str(row["layer"]), str(row["at"])), []).append(row)
    for (probe, layer, at), found in groups.items():
        ordered = sorted(found, key=lambda one: one["epoch"])
        yield Measured(probe, layer, at, len(ordered), _known(ordered[0]["value"]), _known(ordered[-1]["value"]))


def _files(folder: Path, run_id: str) -> Iterable[tuple[str, str]]:
    """Yield where a run's rows, predictions and weights stand."""
    store = Store(folder)
    held = store.held()
    row = next(row for row in store.cells() if row["run_id"] == run_id)
    for name in COLUMNS:
        pairs = zip(held.lines[name], held.numbers[name], strict=True)
        if name != "failures.csv" and (at := [n for line, n in pairs if line.partition(",")[0] == run_id]):
            lines = f"line {at[0]}" if len(at) == 1 else f"{len(at)} rows, lines {min(at)} to {max(at)}"
            yield f"{folder.as_posix()}/{name}", lines
    if row["predictions"]:
        yield f"{folder.as_posix()}/{PREDICTIONS}", "a record"
    for column in COLUMNS_OF_WEIGHTS:
        if found := files_of(folder, run_id)[column]:
            of = f" of {counted(len(found), 'epoch')}" if column == "weights_all" else ""
            path = found[0].parent if of else found[0]
            yield path.as_posix(), f"weights{of}, {sum(one.lstat().st_size for one in found):,} bytes"


def _again(folder: Path, study: Study, arm: ConfiguredArm, seed: int, run_id: str, place: dict[str, str]) -> str | None:
    """Return the command that trains a run again, into a folder of its own; None where no command line can say it.

    That is its study with one arm and seed. A study may say things that have no effect in that arm alone, which is refused;
    then it is the built-in study with all that differs in the run.
    """
    own, built_in = folder / "study.yaml", shipped()["quickstart"]
    usual = Request(built_in).study()
    ways = (
        (["run", own.as_posix()], own, _sets(folder, study, arm.config)),
        (["sweep"], built_in, _sets(folder, usual, arm.trained)),
    )
    name = f"{study.name}-{run_id.rpartition('-')[2]}"
    for begin, config, sets in ways:
        if _asks(config, sets, name, arm, seed):
            parts = ["dropexp", *begin, "--seeds", f"[{seed}]", *(["--set", *sets] if sets else []), "--study", name]
            break
    else:
        return None
    if folder.parent != Options.results:
        parts += ["--results", folder.parent.as_posix()]
    if place.get("threads", "1") != str(Options.threads):
        parts += ["--threads", place["threads"]]
    if place.get("device", Options.device) != Options.device:
        parts += ["--device", place["device"].partition(":")[0]]
    return " ".join(map(quote, parts))


def _sets(folder: Path, study: Study, config: Config) -> list[str]:
    """Return PATH=VALUE for what is to be set in a study, so that it asks for one configuration."""
    swept = [path for grid in study.grids for path, _ in grid if path != "data.sha256"]
    paths = [path for path in roles() if applies(path, config) and path != "data.sha256"]
    differ = [path for path in paths if leaf(study.base, path) != leaf(config, path)]
    return [f"{path}={_word(folder, path, leaf(config, path))}" for path in dict.fromkeys([*swept, *differ])]


def _word(folder: Path, path: str, value: Any) -> str:
    """Return a value as the command line takes it, a path to a user's own data as one that holds from anywhere."""
    if path == "data.source" and value not in SOURCES:
        return (folder / value).resolve().as_posix()
    return OFF if value is None else spell(value)


def _asks(config: Path, sets: Sequence[str], name: str, arm: ConfiguredArm, seed: int) -> bool:
    """Whether a command line asks for one run, which is this one but for what names a user's file."""
    try:
        words = [
            (path, read_words(path, [word], path, axis=False)) for path, _, word in (s.partition("=") for s in sets)
        ]
        overrides = tuple(Override(path, tuple(values), path) for path, values in words)
        runs = Request(config, overrides, [[seed]], name).study().runs()
    except DropexpError:
        return False
    return len(runs) == 1 and _unnamed(runs[0].config) == _unnamed(arm.trained) and runs[0].seed == seed


def _unnamed(config: Config) -> Config:
    """Return a configuration without the path and content of a user's file, which are known once it is read."""
    source = config.data.source if config.data.source in SOURCES else ""
    return config.model_copy(update={"data": config.data.model_copy(update={"source": source, "sha256": None})})


def _known(number: Any) -> float | None:
    try:
        return float(number) if isfinite(float(number)) else None
    except (TypeError, ValueError):
        return None


def _numbers(column: Any) -> list[float | None]:
    return [_known(number) for number in column]
