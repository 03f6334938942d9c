"""What the methods of a study return in Python: figures, a page, rules, ensembles and a verification, for notebooks."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from dropexp.analysis.overfit import overfit
from dropexp.analysis.tidy import Tidy
from dropexp.errors import StoreError, UsageError
from dropexp.experiment.naming import label
from dropexp.files import MIB, read_bounded
from dropexp.quoting import counted, spelt, visible
from dropexp.stopping import CRITERIA, NUMBERS, Setting, settings
from dropexp.tables.ensemble import ensemble_table
from dropexp.tables.overfit import overfit_table
from dropexp.tables.stopping import stopping_table
from dropexp.workflow.ensembling import Ensembled
from dropexp.workflow.replaying import Replayed
from dropexp.workflow.verifying import Verified

MOST_FIGURE = 16 * MIB  # bytes
DOTS = 150  # an inch of a figure's PNG; a notebook counts 96


class Figures(list[Path]):
    """The paths of figures; a notebook shows the figures themselves."""

    def __repr__(self) -> str:
        return "\n".join(map(str, self))

    def _repr_html_(self) -> str:
        return "\n".join(map(_picture, self)) or "<p>no figure</p>"


def _picture(path: Path) -> str:
    """Return a figure as HTML that needs no file: a PNG inside, anything else by name."""
    if path.suffix != ".png":
        return f"<p>{shown(path)}</p>"
    from PIL import Image

    from dropexp.page.pictures import compressed

    try:
        with Image.open(BytesIO(read_bounded(path, MOST_FIGURE)), formats=["PNG"]) as image:
            content, wide = compressed(image.convert("RGB")), round(96 * image.width / DOTS)
    except (OSError, ValueError, StoreError) as error:
        return f"<p>{shown(path)}: {shown(error)}</p>"
    uri = base64.b64encode(content).decode("ascii")
    return f'<img src="data:image/png;base64,{uri}" alt="{shown(path.stem)}" width="{wide}" style="max-width: 100%">'


def shown(value: object) -> str:
    """Return any value as the text of an HTML element or attribute."""
    return escape(visible(str(value)))


@dataclass(frozen=True, repr=False)
class Page:
    """A study's page: its path, and its answer in one sentence. It can be used wherever a path can."""

    path: Path
    answer: str

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"{self.path}: {self.answer}"

    def _repr_html_(self) -> str:
        name = shown(self.path)
        link = name if self.path.is_absolute() else f'<a href="{shown(quote(self.path.as_posix()))}">{name}</a>'
        return f"<p>{shown(self.answer)}</p><p>{link}</p>"


class _Tabled:
    """What shows its table, and in a notebook its figures beneath."""

    @property
    def files(self) -> Figures:
        """What was written."""
        raise NotImplementedError

    def table(self) -> str:
        """Return what the command line prints."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        figures = Figures(path for path in self.files if path.suffix == ".png")
        return f"<pre>{shown_lines(self.table())}</pre>{figures._repr_html_()}"


def _with_arms(rows: pd.DataFrame, tidy: Tidy) -> pd.DataFrame:
    """Return rows with a first column that names each row's arm."""
    names = {arm.arm_id: label(arm, tidy.axes) for arm in tidy.arms}
    named = rows.copy()
    named.insert(0, "arm", named["arm_id"].map(names))
    return named


@dataclass(frozen=True, repr=False)
class Rules(_Tabled):
    """Early-stopping rules replayed on a study: `frame` has one row per arm and rule."""

    found: Replayed

    @cached_property
    def frame(self) -> pd.DataFrame:
        """stopping.csv with the arms named: when a rule stops, the accuracy it selects, and the difference from training on."""
        return _with_arms(self.found.rows, self.found.tidy)

    @cached_property
    def overfitting(self) -> pd.DataFrame:
        """Per arm: gaps, the epoch in which overfitting begins, and the area between the curves, as in overfit.csv."""
        return overfit(self.found.tidy)

    @property
    def files(self) -> Figures:
        """What was written: stopping.csv and the figure."""
        return Figures(self.found.files)

    def table(self) -> str:
        """Return the two tables that the command line prints."""
        return f"{overfit_table(self.found.tidy)}\n\n{stopping_table(self.found.tidy, self.found.replay)}"


@dataclass(frozen=True, repr=False)
class EnsemblesFound(_Tabled):
    """Ensembles of a study's networks: `frame` has one row per arm, rule and number of networks."""

    found: Ensembled

    @cached_property
    def frame(self) -> pd.DataFrame:
        """ensemble.csv with the arms named: test accuracy over ensembles, and the difference to one network."""
        return _with_arms(self.found.rows, self.found.found.tidy)

    @property
    def files(self) -> Figures:
        """What was written: ensemble.csv and the figure."""
        return Figures(self.found.files)

    def table(self) -> str:
        """Return the table that the command line prints."""
        return ensemble_table(self.found.found)


def shown_lines(text: str) -> str:
    """Return lines of text for an HTML element that keeps them."""
    return "\n".join(map(shown, text.split("\n")))


@dataclass(frozen=True, repr=False)
class Verification:
    """What verification found in a study's folder: `fine` where all that was to be verified was, and agrees."""

    found: Verified

    @property
    def fine(self) -> bool:
        """Whether the files agree with each other, and every run that was chosen gave the same again."""
        return self.found.fine

    def __bool__(self) -> bool:
        return self.fine

    @cached_property
    def differences(self) -> pd.DataFrame:
        """One row per difference: the file, its line and column, what is stored, what is expected, and why."""
        names = ("file", "line", "column", "stored", "expected", "why")
        return pd.DataFrame([{name: getattr(m, name) for name in names} for m in self.found.mismatches], columns=names)

    def __repr__(self) -> str:
        v = self.found
        lines = [
            f"{v.folder.as_posix()}: {'verified' if v.fine else 'not verified'}",
            f"files: {counted(len(v.mismatches), 'difference')} in {counted(v.runs, 'run')}",
            f"trained again: {v.trained} of {counted(v.chosen, 'chosen run')}, {len(v.equal)} equal to the byte",
        ]
        if v.elsewhere:
            lines.append(f"trained in another environment: {counted(len(v.elsewhere), 'run')}, compared by arm")
        lines += [f"{arm.arm_id}: {arm.metric} differs" for arm in v.arms if arm.differs]
        return "\n".join([*lines, *(f"not trained again: {text}" for text in v.left)])

    def _repr_html_(self) -> str:
        rows = self.differences.head(20).to_html(index=False) if len(self.differences) else ""
        return f"<pre>{shown_lines(repr(self))}</pre>{rows}"


def rules(given: dict[str, Any], criteria: str | Iterable[str] | None) -> tuple[Setting, ...]:
    """Return the rules to replay: `given` holds numbers under patiences, alphas, strips and min_deltas, None for the usual.

    Raises UsageError for a criterion that there is not, and for a number that a rule cannot take.
    """
    names = [criteria] if isinstance(criteria, str) else list(CRITERIA if criteria is None else criteria)
    for name in names:
        if name not in CRITERIA:
            raise UsageError(f"criteria: {spelt(str(name))} is not one of {', '.join(CRITERIA)}")
    numbers = {}
    for name, values in given.items():
        listed = values.tolist() if hasattr(values, "tolist") else values
        listed = list(listed) if isinstance(listed, list | tuple | range | set) else [] if listed is None else [listed]
        wanted = NUMBERS[f"--{name.replace('_', '-')}"]
        for number in listed:
            if not wanted.allows(number):
                raise UsageError(f"{name}: {spelt(str(number))} is not {wanted.words}")
        numbers[f"--{name.replace('_', '-')}"] = listed
    deltas = numbers.pop("--min-deltas", None) or [0.0]
    return settings(names, numbers, deltas)
