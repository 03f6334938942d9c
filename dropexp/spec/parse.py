"""From a YAML file and the options beside it to a Study: everything is checked here, once, every mistake at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from dropexp.errors import ConfigError
from dropexp.spec.cells import leaf, roles, shown, spell
from dropexp.spec.config import Config
from dropexp.spec.mistakes import near, sentences, unknown_top_level
from dropexp.spec.reader import Document, read_text
from dropexp.spec.rules import broken, no_sites, unused
from dropexp.spec.study import PROBES, Claim, Grid, Study

SECTIONS: dict[str, type[BaseModel]] = {
    name: field.annotation for name, field in Config.model_fields.items() if field.annotation is not None
}
LARGEST_GRID = 100_000  # runs, without --yes


@dataclass(frozen=True)
class Override:
    """Values for one path from the command line; `option` is as typed.

    Several values make an axis, and so does one where `axis` says so; else one value sets the field.
    """

    path: str
    values: tuple[Any, ...]
    option: str
    axis: bool = False


def parse(
    document: Document | None,
    overrides: Sequence[Override] = (),
    *,
    name: str | None = None,
    seeds: Sequence[Any] | None = None,
    folder: Path | None = None,
    large: bool = False,
) -> Study:
    """Return the study that a document and overrides describe.

    `seeds` is what `--seeds` was given; `large` allows more than 100,000 runs. Raises ConfigError with every mistake, each
    as `file:line:column: path: sentence` or `option: sentence`.
    """
    return _Parser(document or read_text("{}", "the built-in study"), overrides, large).study(name, seeds, folder)


class _Parser:
    def __init__(self, document: Document, overrides: Sequence[Override], large: bool):
        self.document, self.large = document, large
        self.mistakes: dict[str, None] = {}
        self.content = dict(document.content)
        self.options: dict[str, str] = {}
        self.grids = self._grids(overrides)
        self.cache: dict[tuple[str, tuple[tuple[str, str], ...]], BaseModel | None] = {}

    def blame(self, loc: Sequence[str | int], text: str, key: bool = False) -> None:
        self.mistakes[f"{self.document.mark(tuple(loc), key=key)}: {text}"] = None

    def study(self, name: str | None, seeds: Sequence[Any] | None, folder: Path | None) -> Study:
        for loc, text in unknown_top_level(self.content):
            self.blame(loc, text, key=True)
        base = self._base()
        chosen = self._seeds(seeds)
        called = self._name(name)
        claims = self._claims()
        probes = self._words("probes", PROBES)
        weights = self.content.get("save_weights", "none")
        if weights not in ("none", "selected", "all"):
            self.blame(("save_weights",), f"save_weights: {shown('', weights)} is not one of none, selected, all")
        count = sum(_product(len(values) for _, values in grid) for grid in self.grids) * max(1, len(chosen))
        if count > LARGEST_GRID and not self.large:
            self.blame(("sweep",), f"sweep: {count:,} runs are more than {LARGEST_GRID:,}; say --yes if that is meant")
            raise ConfigError(self.mistakes)
        configs = self._configs()
        self._unused(configs)
        if self.mistakes or base is None:
            raise ConfigError(self.mistakes)
        where = folder or Path(self.document.path).parent
        return Study(
            called, where, base, self.grids, chosen, tuple(configs), claims, probes, weights,
        )  # fmt: skip

    def _grids(self, overrides: Sequence[Override]) -> tuple[Grid, ...]:
        """Read `sweep`, then let the command line replace, add or remove axes and set single values."""
        written = self.content.get("sweep") or {}
        many = isinstance(written, list)
        grids: list[dict[str, tuple[Any, ...]]] = []
        for i, grid in enumerate(written if isinstance(written, list) else [written]):
            loc: tuple[str | int, ...] = ("sweep", i) if many else ("sweep",)
            if not isinstance(grid, dict):
                self.blame(loc, "sweep: a mapping of YAML path to values, as in 'dropout.rate: [0, 0.5]'")
                continue
            grids.append({})
            for path, values in grid.items():
                listed = values if isinstance(values, list) else [values]
                if path not in roles():
                    self.blame((*loc, path), f"sweep: {_no_path(path)}", key=True)
                elif not listed:
                    self.blame((*loc, path), f"sweep: {path} has no values; list at least one, as in [0, 0.5]")
                else:
                    grids[-1][path] = tuple(listed)
                    self.options.setdefault(path, self.document.mark((*loc, path)))
        grids = grids or [{}]
        for over in overrides:
            if over.path not in roles():
                self.mistakes[f"{over.option}: {_no_path(over.path)}"] = None
                continue
            self.options[over.path] = over.option
            for grid in grids:
                if over.axis or len(over.values) > 1:
                    grid[over.path] = over.values
                else:
                    grid.pop(over.path, None)
            if not over.axis and len(over.values) == 1:
                self._set(over.path, over.values[0])
        return tuple(tuple(grid.items()) for grid in grids)

    def _set(self, path: str, value: Any) -> None:
        section, *rest = path.split(".")
        self.content[section] = _with(self.content.get(section), rest, value)

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
                raw = _with(raw, path.split(".")[1:], value)
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
            if not isinstance(at, dict) or part not in at:
                return False
            at = at[part]
        return True

    def _configs(self) -> list[Config]:
        """Return the distinct configurations of the grids, in the order in which they are written."""
        found: dict[Config, None] = {}
        blamed: set[str] = set()
        for grid in self.grids:
            paths = [path for path, _ in grid]
            for values in itertools.product(*(values for _, values in grid)):
                cell = tuple(zip(paths, values, strict=True))
                sections = {
                    name: self._section(name, tuple(c for c in cell if c[0].split(".")[0] == name)) for name in SECTIONS
                }
                if any(s is None for s in sections.values()):
                    continue
                config = Config.model_construct(**sections)
                if config in found:
                    continue
                found[config] = None
                for path, text in self._broken(config):
                    self._blame_rule(path, text, cell, blamed)
        return list(found)

    @staticmethod
    def _broken(config: Config) -> list[tuple[str, str]]:
        mistakes = broken(config)
        if not mistakes and no_sites(config):
            mistakes = [("dropout.placement", f"{spell(config.dropout.placement)} covers nothing in this {config.model.kind}")]
        return mistakes

    def _blame_rule(self, path: str, text: str, cell: tuple[tuple[str, Any], ...], blamed: set[str]) -> None:
        sentence = f"{path}: {text}"
        if sentence in blamed:
            return
        blamed.add(sentence)
        where = self.options.get(path)
        if where is None:
            where = self.document.mark(tuple(path.split(".")))
            if not self._written(path.split(".")) and (others := [self.options[p] for p, _ in cell if p in self.options]):
                where = others[-1]
        self.mistakes[f"{where}: {sentence}"] = None

    def _unused(self, configs: list[Config]) -> None:
        for path in roles():
            if (self._written(path.split(".")) or path in self.options) and configs and (why := unused(path, configs)):
                where = self.options.get(path) or self.document.mark(tuple(path.split(".")), key=True)
                self.mistakes[f"{where}: {path} {why}"] = None
        if "model.order" in self.options and configs and all(c.model.norm == "none" for c in configs):
            values = {leaf(c, "model.order") for c in configs}
            if len(values) > 1:
                where = self.options["model.order"]
                self.mistakes[f"{where}: model.order: model.norm is none; add --set model.norm=batch"] = None

    def _seeds(self, given: Sequence[Any] | None) -> tuple[int, ...]:
        raw: Any = self.content.get("seeds", 5)
        where: Callable[[str], None] = lambda text: self.blame(("seeds",), f"seeds: {text}")  # noqa: E731
        if given is not None:
            raw = given[0] if len(given) == 1 else list(given)
            where = lambda text: self.mistakes.__setitem__(f"--seeds: {text}", None)  # noqa: E731
        if isinstance(raw, bool) or not isinstance(raw, int | list):
            where(f"{raw!r} is neither a count nor a list of seeds; write 5 for seeds 0 to 4, or [7] for seed 7")
            return (0,)
        if isinstance(raw, int):
            if not 1 <= raw <= 100_000:
                where(f"{raw} is not a count from 1 to 100,000; write [{max(raw, 0)}] for that one seed")
                return (0,)
            return tuple(range(raw))
        bad = [s for s in raw if isinstance(s, bool) or not isinstance(s, int) or not 0 <= s < 2**63]
        if bad:
            where(f"{bad[0]!r} is not a seed, a whole number of 0 or more")
        elif not raw or len(set(raw)) < len(raw):
            where("the list is empty" if not raw else f"{raw} names a seed twice; each seed is one run of every arm")
        else:
            return tuple(raw)
        return (0,)

    def _name(self, given: str | None) -> str:
        stem = Path(self.document.path).stem
        name = given if given is not None else self.content.get("study", stem)
        allowed = "letters, digits, '-', '_' and '.' only, not beginning with '.'"
        if (
            not isinstance(name, str)
            or not name
            or len(name) > 100
            or name.startswith(".")
            or not all(c.isalnum() or c in "-_." for c in name)
        ):
            text = f"study: {name!r} is not the name of one folder: {allowed}"
            if given is not None:
                self.mistakes[f"--study: {text}"] = None
            elif "study" in self.content:
                self.blame(("study",), text)
            else:
                self.mistakes[f"{self.document.path}: {text}; add 'study: NAME' to the file"] = None
            return "study"
        return name

    def _claims(self) -> tuple[Claim, ...]:
        raw = self.content.get("claims") or []
        if not isinstance(raw, list):
            self.blame(("claims",), "claims: a list of claims, each with metric, compare, against and expect")
            return ()
        found = []
        for i, item in enumerate(raw):
            try:
                claim = Claim.model_validate(item)
            except ValidationError as error:
                for loc, text in sentences(error, Claim, ("claims", i), item):
                    self.blame(loc, text, key="unknown key" in text)
                continue
            for side in ("compare", "against"):
                for path in getattr(claim, side):
                    if path not in roles():
                        self.blame(("claims", i, side, path), f"claims[{i}].{side}: {_no_path(path)}", key=True)
            if claim.margin >= 0.5 and not claim.metric.endswith("loss"):
                self.blame(
                    ("claims", i, "margin"),
                    f"claims[{i}].margin: {claim.margin:g} is {claim.margin:.0%} of an accuracy; "
                    "accuracies are fractions: half a point is 0.005",
                )
            found.append(claim)
        return tuple(found)

    def _words(self, key: str, known: Sequence[str]) -> tuple[str, ...]:
        raw = self.content.get(key) or []
        if raw == "all":
            return tuple(known)
        words = raw if isinstance(raw, list) else [raw]
        for i, word in enumerate(words):
            if word not in known:
                self.blame((key, i), f"{key}: {word!r} is not one of {', '.join(known)}, or all")
        return tuple(w for w in known if w in words)


def _with(raw: Any, path: Sequence[str], value: Any) -> Any:
    """Return a copy of a nested mapping with one value changed; what is no mapping stays, to be blamed later."""
    if not path:
        return value
    inner = raw if isinstance(raw, dict) else {} if raw is None else None
    if inner is None:
        return raw
    return {**inner, path[0]: _with(inner.get(path[0]), path[1:], value)}


def _no_path(path: str) -> str:
    guess = near(str(path), list(roles())) or next((p for p in roles() if p.endswith(f".{path}")), None)
    return f"{path} is not a YAML path of a field" + (f"; did you mean {guess!r}?" if guess else ", as dropout.rate is")


def _product(numbers: Iterable[int]) -> int:
    total = 1
    for n in numbers:
        total *= n
    return total
