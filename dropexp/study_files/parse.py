"""Parse a study file and the options beside it into a Study, or report every mistake in them at once."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any, NoReturn

from pydantic import BaseModel, ValidationError

from dropexp.errors import ConfigError
from dropexp.experiment.boxes import Box
from dropexp.experiment.config import Config
from dropexp.experiment.leaves import declarations, leaf, roles
from dropexp.experiment.rules import broken, unused
from dropexp.experiment.study import Grid, Study
from dropexp.study_files.claims_reader import claims_of, unmatched
from dropexp.study_files.folder_names import folder_name
from dropexp.study_files.margins import margins_of
from dropexp.study_files.mistakes import sentences, unknown_top_level
from dropexp.study_files.path_values import Override, resolve, with_value
from dropexp.study_files.probes_reader import probes_of
from dropexp.study_files.sparse_grids import Rows, few, sparse
from dropexp.study_files.sweep_key import grids_of
from dropexp.study_files.top_level_keys import PREDICTIONS, WEIGHTS, name_of, seeds_of, word_of
from dropexp.study_files.yaml_reader import Document, read_text

SECTIONS: dict[str, type[BaseModel]] = {name: type(field.default) for name, field in Config.model_fields.items()}
LARGEST_GRID = 100_000  # runs, without --yes


def parse(
    document: Document | None,
    overrides: Sequence[Override] = (),
    *,
    name: str | None = None,
    seeds: Sequence[Any] | None = None,
    folder: Path | None = None,
    large: bool = False,
    stored: bool = False,
    rows: Rows | None = None,
) -> Study:
    """Return the study that a document and overrides describe.

    `seeds` is what `--seeds` was given; `large` allows more than 100,000 runs; `stored` says that the
    document is a folder's study.yaml, whose grid may have moved away from its claims. With `rows`, one of each arm that
    the folder holds, a grid of far more arms is not made: the study has those with rows, and counts the others
    as `unmade`. Raises ConfigError with every mistake, each as `file:line:column: path: sentence` or `option: sentence`.
    """
    return _Parser(document or read_text("{}", "the built-in study"), overrides, large, stored, rows).study(
        name, seeds, folder
    )


class _Parser:
    def __init__(self, document: Document, overrides: Sequence[Override], large: bool, stored: bool, rows: Rows | None):
        self.document, self.large = document, large
        self.moved = stored or bool(overrides)  # from the grid that the claims were written for
        self.mistakes: dict[str, None] = {}
        self.told: dict[str, set[str]] = {}  # path -> what rules across fields say of it
        self.content = dict(document.content)
        self.options: dict[str, str] = {}
        self.own_axes, self.singles = (
            set[str](),
            set[str](),
        )  # paths that the file sweeps, and that options set to one value
        self.grids = self._grids(overrides)
        self.rows = rows if sparse(self.grids, rows) else None
        self.cache: dict[tuple[str, tuple[tuple[str, str], ...]], BaseModel | None] = {}

    def blame(self, loc: Sequence[str | int], text: str, key: bool = False, option: str | None = None) -> None:
        self.mistakes[f"{option or self.document.mark(tuple(loc), key=key)}: {text}"] = None

    def study(self, name: str | None, seeds: Sequence[Any] | None, folder: Path | None) -> Study:
        for loc, text in unknown_top_level(self.content):
            self.blame(loc, text, key=True)
        base = self._base()
        chosen, grow = seeds_of(self.content, seeds, self.blame)
        called = name_of(self.content, self.document.path, name, self.blame)
        claims = claims_of(self.content, self.blame, self._typed)
        margins = margins_of(self.content, self.blame)
        probes = probes_of(self.content, self.blame)
        weights = word_of(self.content, "save_weights", WEIGHTS, "none", self.blame)
        predictions = word_of(self.content, "save_predictions", PREDICTIONS, "classes", self.blame)
        most = grow.grow_to if grow else len(chosen)
        count = sum(prod(len(values) for _, values in grid) for grid in self.grids) * max(1, most)
        if count > LARGEST_GRID and not self.large:
            self.blame(("sweep",), f"sweep: {count:,} runs are more than {LARGEST_GRID:,}; add --yes to allow that")
            self.fail()
        configs, boxes = self._configs()
        if self.rows is None:  # among few of the arms, a field may be without use that others need
            self._unused(base, configs)
        if claims and not self.moved and self.rows is None:
            named = {path for claim in claims for part in claim.parts for path in (*part.compare, *part.against)}
            for loc, text in unmatched(
                claims, {path: {leaf(c, path) for c in configs} for path in named & set(roles())}
            ):
                self.blame(loc, text)
        if self.mistakes or base is None:
            self.fail()
        if name is None and "study" not in self.content:
            called = self._folder(called, base)
        where = folder or Path(self.document.path).parent
        marks = {p: self.document.mark(tuple(p.split("."))) for p in roles() if self._written(p.split("."))}
        return Study(
            called, where, base, self.grids, chosen, tuple(configs), claims, probes, weights, predictions,
            margins=margins, grow=grow, boxes=boxes, marks=tuple({**marks, **self.options}.items()),
        )  # fmt: skip

    def _folder(self, stem: str, base: Config) -> str:
        """Return the name of the folder of a study that names none: other axes or settings than the file's are another's."""
        changed = {
            path: leaf(base, path)
            for path in self.singles
            if path in self.own_axes or self._in_file(path) != (leaf(base, path),)
        }
        axes = {path for grid in self.grids for path, _ in grid}
        return folder_name(stem, self.own_axes, axes, changed)

    def _in_file(self, path: str) -> tuple[Any, ...]:
        """Return the one value that the file gives a path, by default too; none where its section has mistakes."""
        name, _, rest = path.partition(".")
        raw = self.document.content.get(name)
        try:
            section = Config.model_fields[name].default if raw is None else SECTIONS[name].model_validate(raw)
        except ValidationError:
            return ()
        return (leaf(section, rest),)

    def _grids(self, overrides: Sequence[Override]) -> tuple[Grid, ...]:
        """Read `sweep`, then let the command line replace, add or remove axes and set single values."""
        grids, places = grids_of(self.content, self.blame)
        self.options |= {path: self.document.mark(loc) for path, loc in places.items()}
        self.own_axes = {path for grid in grids for path in grid}
        for over in overrides:
            if over.path not in roles():
                try:
                    over = replace(over, path=resolve(over.path))
                except ValueError as error:
                    self.mistakes[f"{over.option}: {error}"] = None
                    continue
            self.options[over.path] = over.option
            for grid in grids:
                if over.axis or len(over.values) > 1:
                    grid[over.path] = over.values
                else:
                    grid.pop(over.path, None)
            if not over.axis and len(over.values) == 1:
                self.singles.add(over.path)
                self._set(over.path, over.values[0])
        return tuple(tuple(grid.items()) for grid in grids)

    def _set(self, path: str, value: Any) -> None:
        section, *rest = path.split(".")
        self.content[section] = with_value(self.content.get(section), rest, value)

    def _typed(self, path: str, value: Any) -> Any:
        """Return a value as a configuration holds it; raises ValueError with a sentence."""
        name, *rest = path.split(".")
        raw = with_value(self.content.get(name), rest, value)
        try:
            return leaf(SECTIONS[name].model_validate({} if raw is None else raw), ".".join(rest))
        except ValidationError as error:
            own = [
                text
                for loc, text in sentences(error, SECTIONS[name], (name,), raw)
                if ".".join(map(str, loc[: len(rest) + 1])) == path
            ]
            if own:
                raise ValueError(own[0]) from None
            return value  # the section has mistakes of its own, which are told where they stand

    def _base(self) -> Config | None:
        sections = {name: self._section(name, ()) for name in SECTIONS}
        if any(s is None for s in sections.values()):
            return None
        return Config.model_construct(**sections)

    def _section(self, name: str, changes: tuple[tuple[str, Any], ...]) -> Any:
        """Return one section with some of its leaves changed, None where it has mistakes, which are noted."""
        key = (name, tuple((path, repr(value)) for path, value in changes))
        if key in self.cache:
            return self.cache[key]
        raw = self.content.get(name)
        if raw is None and not changes:
            built: BaseModel | None = Config.model_fields[name].default
        else:
            for path, value in changes:
                raw = with_value(raw, path.split(".")[1:], value)
            if name == "early_stopping" and self.content.get(name) is None and isinstance(raw, dict):
                raw = {"patience": None, **raw}
            try:
                built = SECTIONS[name].model_validate(raw)
            except ValidationError as error:
                built = None
                for loc, text in sentences(error, SECTIONS[name], (name,), raw):
                    path = ".".join(str(part) for part in loc)
                    option = next((o for p, o in self.options.items() if path == p or path.startswith(p)), None)
                    if option is not None and (changes or not self._written(loc)):
                        self.mistakes[f"{option}: {text}"] = None
                    else:
                        self.blame(loc, text, key="unknown key" in text)
        self.cache[key] = built
        return built

    def _written(self, loc: Iterable[str | int]) -> bool:
        at: Any = self.document.content
        for part in loc:
            if isinstance(at, list):
                at = dict(enumerate(at))
            if not isinstance(at, dict) or part not in at:
                return False
            at = at[part]
        return True

    def fail(self) -> NoReturn:
        """Raise what was found, in the order of the file; what options are to blame for comes first."""
        begin = re.compile(re.escape(self.document.mark(())).removesuffix("1:1") + r"(\d+):(\d+)")
        places = {text: begin.match(text) for text in self.mistakes}
        raise ConfigError(
            sorted(places, key=lambda text: tuple(map(int, m.groups())) if (m := places[text]) else (0, 0))
        )

    def _configs(self) -> tuple[list[Config], tuple[Box, ...]]:
        """Return the distinct configurations of the grids, in the order written; of sparse grids few, and boxes."""
        if self.rows is not None:
            return few(self.grids, self.rows, self._leaf, lambda cell: self._config(cell)[1])
        found: dict[Config, None] = {}
        kept = set[tuple[object, ...]]()
        for grid in self.grids:
            for values in itertools.product(*(values for _, values in grid)):
                cell = tuple(zip((path for path, _ in grid), values, strict=True))
                parsed, config = self._config(cell)
                if config in found:
                    continue
                found[config] = None
                for path, text in broken(config, None if len(parsed) == len(SECTIONS) else parsed, kept):
                    self._blame_rule(path, text, cell)
        return list(found), ()

    def _config(self, cell: tuple[tuple[str, Any], ...]) -> tuple[dict[str, Any], Config]:
        """Return the sections of a cell that have no mistake, and the configuration that they make."""
        made = ((name, self._section(name, tuple(c for c in cell if c[0].startswith(f"{name}.")))) for name in SECTIONS)
        parsed = {name: section for name, section in made if section is not None}
        return parsed, Config.model_construct(**{name: f.default for name, f in Config.model_fields.items()} | parsed)

    def _leaf(self, path: str, *value: Any) -> Any:
        """Return a value of an axis, or else what the file says outside the sweep, as a configuration holds it."""
        name, _, rest = path.partition(".")
        section = self._section(name, tuple((path, v) for v in value))
        return None if section is None else leaf(section, rest)

    def _blame_rule(self, path: str, text: str, cell: tuple[tuple[str, Any], ...]) -> None:
        if text in self.told.get(path, ()):
            return
        self.told.setdefault(path, set()).add(text)
        where = self.options.get(path)
        if where is None:
            where = self.document.mark(tuple(path.split(".")))
            if not self._written(path.split(".")) and (
                others := [self.options[p] for p, _ in cell if p in self.options]
            ):
                where = others[-1]
        self.mistakes[f"{where}: {path}: {text}"] = None

    def _unused(self, base: Config | None, configs: list[Config]) -> None:
        """Blame what was written and means nothing in any arm.

        What the file says of its base may mean something there alone, where that is meant: the command line or an earlier
        command moved the grid away from it, or the file writes out what the field needs.
        """
        for path, declared in declarations().items():
            if path in self.told or not configs or self.cache.get((path.split(".")[0], ()), path) is None:
                continue  # told already, or its section has mistakes of its own
            judged = list(configs)
            if path not in self.options:
                if not self._written(path.split(".")):
                    continue
                if base is not None and (self.moved or all(self._written(c.path.split(".")) for c in declared.needs)):
                    judged.append(base)
            if why := unused(path, judged):
                where = self.options.get(path) or self.document.mark(tuple(path.split(".")), key=True)
                self.mistakes[f"{where}: {path} {why}"] = None
        if "model.order" in self.options and configs and all(c.model.norm == "none" for c in configs):
            values = {leaf(c, "model.order") for c in configs}
            if len(values) > 1:
                where = self.options["model.order"]
                self.mistakes[
                    f"{where}: model.order: model.norm is none, so these orders are the same; add --set model.norm=batch"
                ] = None
