"""EXPORTS: every format that a study can be written in, by the word after --to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from dropexp.analysis.tidy import Tidy
from dropexp.errors import StoreError, UsageError
from dropexp.experiment.vocabulary import meant
from dropexp.export.data_files import as_csv, as_parquet
from dropexp.export.events import as_events
from dropexp.export.latex import latex
from dropexp.export.markdown import markdown
from dropexp.files import write_named
from dropexp.rows import COLUMNS

OWN = (*COLUMNS, "study.yaml", "summary.csv", "axis_differences.csv")


@dataclass(frozen=True)
class Export:
    """A format: what a file of it holds, or else what writes a folder, and the library that it needs.

    One `of_run` is of a single run and not of a study; `workflow/networks.py` writes it.
    """

    means: str
    content: Callable[[Tidy], str | bytes] | None = None
    folder: Callable[[Tidy, Path], None] | None = None
    needs: str = ""
    of_run: bool = False


def export(tidy: Tidy, to: str, out: Path | None = None) -> str:
    """Write a study in a format, to `out` or as the text that is returned; with `out` the text is empty.

    Raises UsageError for an unknown format, one that needs `out` and a library that is missing, StoreError where
    nothing is to be written or it cannot be.
    """
    row = _format(to)
    if row.of_run:
        raise UsageError(
            f"--to {to}: is of one run; name it, as in dropexp export {tidy.study.name} rate=0.5 seed=0 --to {to}"
        )
    if tidy.runs.empty:
        raise StoreError(f"{tidy.study.name}: no finished run to export yet")
    if out is None and to not in TEXTS:
        raise UsageError(f"--to {to}: is not text and cannot be printed; add --out {tidy.study.name}.{to}")
    if out is not None and out.name in OWN and any((out.parent / n).exists() for n in ("study.yaml", "epochs.csv")):
        raise UsageError(f"--out {out}: is a file of the study itself; name another")
    if row.folder is None and out is not None and out.is_dir():
        raise UsageError(f"--out {out}: is a folder; name a file in it")
    made = row.content(tidy) if row.content else ""
    if out is None:
        return str(made)
    try:
        if row.folder:
            row.folder(tidy, out)
        else:
            write_named(out, made if isinstance(made, bytes) else made.encode())
    except OSError as error:
        raise StoreError(f"--out {out}: cannot be written ({error.strerror}); name another") from None
    return ""


def _format(to: str) -> Export:
    if to not in EXPORTS:
        raise UsageError(f"--to {to}: unknown format{meant(to, EXPORTS, 'they are ' + ', '.join(EXPORTS))}")
    row = EXPORTS[to]
    if row.needs and find_spec(row.needs) is None:
        raise UsageError(f"--to {to}: needs {row.needs}, which is not installed: pip install 'dropexp[{to}]'")
    return row


EXPORTS = {
    "latex": Export("the summary as a booktabs table", latex),
    "markdown": Export("the summary as a Markdown table", markdown),
    "csv": Export("one row per run and epoch, with the axes of its arm", as_csv),
    "parquet": Export("the same as a typed Parquet file", as_parquet, needs="pyarrow"),
    "tensorboard": Export("event files, one folder per run", folder=as_events, needs="tensorboard"),
    "torch": Export("one run's network: a Python file of stock layers, and its weights", of_run=True),
}
TEXTS = ("latex", "markdown", "csv")
