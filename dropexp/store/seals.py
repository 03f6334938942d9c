"""The seal of a run: what its row in runs.csv says of its rows in other files and of its weights, so that any loss is seen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from dropexp.experiment.probes import AUDIT, name_of, newest, place_of
from dropexp.records import RunRow
from dropexp.rows import ADDED, COLUMNS, DEPENDENT, cells_of, line_of, names

OWN = names(RunRow)
SIGNATURE = "# digest: "
DIGITS = 16  # of a sha256 in hexadecimal: enough to see any accident, and no defence against someone who seals anew
FIRST = next(i for i, added in enumerate(ADDED) if "rows_digest" in added.get("runs.csv", ()))
LATER = {name: tuple(c for added in ADDED[FIRST + 1 :] for c in added.get(name, ())) for name in DEPENDENT}
# In a user's own data the path is no part of the run's name, so nothing else would see that it has changed.
SEALED_TOO = ("data.source",)


def digest(parts: Iterable[bytes]) -> str:
    """Return the first 64 bits of the sha256 of parts one after another, in hexadecimal."""
    made = hashlib.sha256()
    for part in parts:
        made.update(part)
    return made.hexdigest()[:DIGITS]


def rows_digest(row: Mapping[str, str], epochs: Iterable[str], probes: Iterable[str]) -> str:
    """Return the digest of a run's row, without the digest itself, and of its lines of epochs.csv and probes.csv.

    Empty cells of the row do not count, nor do those of columns that later versions add to the other files, so that a new
    column changes no digest. The order of lines does not count either: a file sorted by hand is still what it was.
    """
    own = [f"{column}={row[column]}\n" for column in (*OWN, *SEALED_TOO) if row[column] and column != "rows_digest"]
    parts = (own, sorted(_lasting("epochs.csv", epochs)), sorted(_lasting("probes.csv", probes)))
    return digest(line.encode() for part in parts for line in part)


def provenance_digest(line: str) -> str:
    """Return the digest of a line of provenance.csv, in which the cell for the digest itself does not count."""
    cells = [c for column, c in zip(COLUMNS["provenance.csv"], cells_of(line), strict=True) if column != "row_digest"]
    return digest(part.encode() for part in _lasting("provenance.csv", [line_of(cells)], "row_digest"))


def _lasting(name: str, lines: Iterable[str], *without: str) -> Iterable[str]:
    """Return lines of a file as the version that first sealed them would spell them, were they of that version."""
    if not LATER[name]:
        return lines
    columns = [column for column in COLUMNS[name] if column not in without]
    return [
        line_of(
            f"{column}={cell}" if column in LATER[name] else cell
            for column, cell in zip(columns, cells_of(line), strict=True)
            if cell or column not in LATER[name]
        )
        for line in lines
    ]


def signed(text: str) -> str:
    """Return the text of a study.yaml with its own digest as its last line, a comment."""
    return f"{text}{SIGNATURE}{digest([text.encode()])}\n"


def signature_fault(text: str, *, sealed: bool) -> str | None:
    """Return what is wrong with a study.yaml; one without a digest is an older version's where no run is `sealed` either."""
    body, sign, said = text.replace("\r\n", "\n").rpartition(SIGNATURE)
    if not sign:
        return "its last line, the digest, is missing" if sealed else None
    if said == digest([body.encode("utf-8", "surrogateescape")]) + "\n":
        return None
    return "differs from what the command wrote (digest)"


def words_taken(row: Mapping[str, str], lines: Iterable[str]) -> tuple[str, ...]:
    """Return the words for the probes that a run's row says were taken; `lines` are those of a row without a seal."""
    if row["rows_digest"]:
        return tuple(row["probes_taken"].split("+")) if row["probes_taken"] else ()
    return _measured(lines)


def _measured(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the probes that lines of probes.csv hold."""
    return tuple(dict.fromkeys(probe for line in lines if not (probe := probe_of(line)).startswith(AUDIT)))


def taken(asked: Iterable[str], lines: Iterable[str]) -> str:
    """Return the cell that names the probes that were asked for, with their settings, and those that lines hold."""
    return "+".join(newest([*_measured(lines), *asked]))


def probe_of(line: str) -> str:
    """Return the probe that a line of probes.csv is of."""
    return line.split(",", 3)[2]


def order_of(line: str) -> tuple[int, int]:
    """Return where a line of probes.csv stands among its run's: by epoch, then in the order of the table of probes."""
    _, epoch, probe, _ = line.split(",", 3)
    return int(epoch), place_of(probe)


def covered(row: Mapping[str, str], lines: Iterable[str]) -> list[str]:
    """Return the lines of probes.csv that a run's row speaks of, each once: those of the probes that it names."""
    named = {name_of(word) for word in row["probes_taken"].split("+")}
    return [line for line in dict.fromkeys(lines) if (probe := probe_of(line)) in named or probe.startswith(AUDIT)]


def rows_fault(row: Mapping[str, str], epochs: Sequence[str], probes: Sequence[str]) -> str | None:
    """Return what is wrong with a run's lines, each given once, None where they are those that were stored.

    A row of a version that had no seals says only how many epochs there must be.
    """
    if len(epochs) != int(row["epochs_run"]):
        return f"epochs.csv holds {len(epochs)} of its {row['epochs_run']} rows"
    if not row["rows_digest"]:
        at = COLUMNS["epochs.csv"].index("epoch")
        numbers = sorted(line.split(",", at + 1)[at] for line in epochs)
        wanted = sorted(map(str, range(1, len(epochs) + 1)))
        return None if numbers == wanted else "its epochs in epochs.csv are not numbered from 1 without gaps or repeats"
    if str(len(probes)) != row["probe_rows"]:
        return f"probes.csv holds {len(probes)} of its {row['probe_rows']} rows"
    if rows_digest(row, epochs, probes) != row["rows_digest"]:
        return "its row, or one of its rows in epochs.csv or probes.csv, differs from what was stored (rows_digest)"
    return None


def sealed(
    cells: Sequence[str],
    epochs: Sequence[str],
    probes: Sequence[str],
    asked: Iterable[str] = (),
    weights: Mapping[str, str] | None = None,
) -> list[str]:
    """Return the cells of a run's line in runs.csv with its seal; `weights` are the digests by column."""
    row = dict(zip(COLUMNS["runs.csv"], cells, strict=True))
    row |= {"probes_taken": taken(asked, probes), "probe_rows": str(len(probes)), **(weights or {})}
    row["rows_digest"] = rows_digest(row, epochs, probes)
    return list(row.values())


def row_of(line: str) -> dict[str, str]:
    """Return a line of runs.csv as cells by column."""
    return dict(zip(COLUMNS["runs.csv"], cells_of(line), strict=True))
