"""Several folders read as one study: their arms and seeds together, each run once, in a folder that goes on like any other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dropexp.errors import StoreError
from dropexp.experiment.probes import name_of
from dropexp.quoting import counted
from dropexp.rows import COLUMNS, SEAL, cells_of, epoch_of, line_of
from dropexp.store.csv_lines import by_run
from dropexp.store.folder import Store
from dropexp.store.prediction_order import gathered
from dropexp.store.seals import probe_of, row_of, words_taken
from dropexp.store.writer import Writer
from dropexp.study_files.parse import parse
from dropexp.study_files.top_level_keys import no_folder
from dropexp.study_files.union import union
from dropexp.study_files.yaml_reader import read
from dropexp.workflow.reading import is_study
from dropexp.workflow.registering import register
from dropexp.workflow.reporting import write
from dropexp.workflow.running import summarise, written

SHOWN = 5  # disagreements
VERSIONS = ("dropexp", "torch", "python")


@dataclass(frozen=True)
class Joined:
    """The folder of a joined study, how many runs it holds, and what is to be known of where they come from."""

    folder: Path
    runs: int
    notes: tuple[str, ...]


def together(folders: Sequence[Path], out: Path, prefer: Path | None = None) -> Joined:
    """Write the study that several folders make together into `out`, which may hold one already and then grows.

    A run that stands in several folders is taken once. Raises StoreError where folders differ in more than axes and
    seeds, or hold different rows for one run, unless `prefer` names the folder whose rows count.
    """
    if no_folder(out.resolve().name):
        raise StoreError(f"--out {out}: the name of a study's folder has only letters, digits, '-', '_' and '.'")
    if out.exists() and not is_study(out) and (not out.is_dir() or any(out.iterdir())):
        raise StoreError(f"--out {out}: contains something that is not a study; name a new folder")
    unique = {folder.resolve(): folder for folder in (*([out] if is_study(out) else []), *folders)}
    if prefer is not None and prefer.resolve() not in unique:
        raise StoreError(f"--prefer {prefer}: is not one of the folders; name one of them")
    sources = list(unique.values())
    own = [folder for folder in sources if (folder / "study.yaml").is_file()]
    if not own:
        from dropexp.foreign.union import union as union_of_tables

        text, runs, notes = union_of_tables(sources, unique[prefer.resolve()] if prefer else None)
        write(out / "epochs.csv", text)
        return Joined(out, runs, notes)
    if others := [folder for folder in sources if folder not in own]:
        raise StoreError(
            f"{others[0]}: was trained elsewhere, and {own[0]} by dropexp, so that their seeds mean different "
            "things; compare them without --together"
        )
    studies = {folder: parse(read(folder / "study.yaml"), folder=folder, large=True) for folder in own}
    studies = {folder: study.grown(Store(folder).cells() if study.grow else ()) for folder, study in studies.items()}
    study, notes = union(studies, out.resolve().name)
    text = written(study, out)
    rows = {folder: Rows(folder) for folder in own}
    chosen = _chosen(rows, unique[prefer.resolve()] if prefer else None)
    with Writer(out) as writer:
        notes = (*notes, *writer.notes)
        writer.write("study.yaml", text)
        poured(writer, rows, chosen)
        writer.tidy()
        register(writer, study)  # with the runs there already, so that nothing counts as said before them
        summarise(writer)
    missing = sum(run.run_id not in chosen for run in study.runs())
    command = f"dropexp run {out / 'study.yaml'}"
    if out.parent != Path("results"):
        command = f"{command} --results {out.parent}"
    rest = [f"{missing} runs are missing; '{command}' trains them"] if missing else []
    return Joined(out, len(chosen), (*notes, *_versions(rows, chosen), *_told(rows, chosen), *rest))


class Rows:
    """The lines of a folder's files by run."""

    def __init__(self, folder: Path):
        store = Store(folder)
        self.by_run: dict[str, dict[str, list[str]]] = {}
        self.doubts = store.doubts()
        self.predictions = store.predictions(thorough=True)
        for name in ("runs.csv", "epochs.csv", "probes.csv", "provenance.csv"):
            store.frame(name)  # a word where a number belongs is named before anything is joined
            self.by_run[name] = by_run(store.lines(name))
        epoch = COLUMNS["epochs.csv"].index("epoch")
        for lines in self.by_run["epochs.csv"].values():
            lines.sort(key=lambda line: epoch_of(line, epoch))

    @property
    def runs(self) -> Iterable[str]:
        return self.by_run["runs.csv"]

    def of(self, name: str, run: str) -> list[str]:
        return self.by_run[name].get(run, [])


def poured(writer: Writer, rows: Mapping[Path, Rows], chosen: Mapping[str, Path]) -> None:
    """Write the files of a study from the rows of others: `chosen` says by run out of which folder."""
    writer.gather_predictions(gathered({run: rows[folder].predictions for run, folder in chosen.items()}))
    # a row in the last says that a run is done
    for name in ("epochs.csv", "probes.csv", "provenance.csv", "runs.csv"):
        lines = [line for run, folder in chosen.items() for line in rows[folder].of(name, run)]
        if lines or (writer.folder / name).exists():
            writer.write(name, line_of(COLUMNS[name]) + "".join(lines))


def _chosen(rows: Mapping[Path, Rows], prefer: Path | None) -> dict[str, Path]:
    """Return the folder from which each run is taken; raises StoreError where folders disagree and none is preferred."""
    holders: dict[str, list[Path]] = {}
    for folder, table in rows.items():
        for run in table.runs:
            holders.setdefault(run, []).append(folder)
    chosen, found = {}, []
    for run, folders in holders.items():
        chosen[run] = prefer if prefer in folders else folders[0]
        differences = [d for other in folders[1:] if (d := _disagreement(run, rows, folders[0], other))]
        if differences and prefer not in folders:
            found.append(differences[0])
    if found:
        more = [f"and {len(found) - SHOWN} more runs"] if len(found) > SHOWN else []
        count = f"{counted(len(found), 'run')} with the same id but different rows"
        hint = (
            f"--prefer {next(iter(rows))} takes the rows of that folder; provenance.csv says how each run was trained"
        )
        raise StoreError([*found[:SHOWN], *more, f"{count}; {hint}"])
    return chosen


def _disagreement(run: str, rows: Mapping[Path, Rows], one: Path, other: Path) -> str | None:
    """Return where two folders differ on a run: the file, the column and both values."""
    for name in ("runs.csv", "epochs.csv", "probes.csv"):
        a, b = (rows[folder].of(name, run) for folder in (one, other))
        if name == "probes.csv":  # only what both measured, with the same settings
            taken = (words_taken(row_of(rows[x].of("runs.csv", run)[0]), lines) for x, lines in ((one, a), (other, b)))
            both = {name_of(word) for word in set.intersection(*map(set, taken))}
            a, b = ([line for line in lines if probe_of(line) in both] for lines in (a, b))
        if len(a) != len(b):
            return f"{run}: {name}: {len(a)} rows in {one}, {len(b)} in {other}"
        for x, y in zip(a, b, strict=True):
            if x == y:
                continue
            cells = zip(COLUMNS[name], cells_of(x), cells_of(y), strict=True)
            differ = [(column, p, q) for column, p, q in cells if p != q and column not in ("data.source", *SEAL)]
            if differ:  # a user's file is its content, wherever it lies; a seal speaks of what else a folder kept
                column, p, q = differ[0]
                epoch = f" epoch {cells_of(x)[3]}" if name == "epochs.csv" else ""
                return f"{run}: {name}{epoch}: {column} is {p or 'empty'} in {one}, {q or 'empty'} in {other}"
    return None


def _versions(rows: Mapping[Path, Rows], chosen: Mapping[str, Path]) -> list[str]:
    """Return a line for each version that is not the same in all runs, with the folders of the rarer ones."""
    lines = []
    for column in VERSIONS:
        at = COLUMNS["provenance.csv"].index(column)
        found: dict[str, dict[str, int]] = {}
        for run, folder in chosen.items():
            for line in rows[folder].of("provenance.csv", run):
                counts = found.setdefault(cells_of(line)[at], {})
                counts[str(folder)] = counts.get(str(folder), 0) + 1
        if len(found) > 1:
            common = max(found, key=lambda version: sum(found[version].values()))
            parts = [f"{common} for {sum(found[common].values())} runs"]
            parts += [f"{v} in {', '.join(folders)}" for v, folders in found.items() if v != common]
            lines.append(f"{column} differs: {'; '.join(parts)}")
    return lines


def _told(rows: Mapping[Path, Rows], chosen: Mapping[str, Path]) -> list[str]:
    total = sum(len(list(table.runs)) for table in rows.values())
    notes = [doubt for table in rows.values() for doubt in table.doubts]
    notes += [f"{total} runs in {len(rows)} folders, {len(chosen)} of them distinct"]
    if any((folder / "weights").is_dir() for folder in rows):
        notes.append("weights stay in the folders that they were trained in")
    return notes
