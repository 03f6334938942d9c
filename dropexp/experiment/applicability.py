"""Which fields mean anything in a configuration, as their declarations say, and what the others are set back to."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache

from dropexp.experiment.config import Config
from dropexp.experiment.fields import Section
from dropexp.experiment.leaves import declarations, leaf, spelt_section


def applies(path: str, config: Config) -> bool:
    """Return whether the leaf at a YAML path means anything in a configuration."""
    return path not in _idle(path.partition(".")[0], config)


def cells(config: Config) -> dict[str, str]:
    """Return a configuration as cells in the order of the schema; what does not apply is empty."""
    return {path: cell for name in Config.model_fields for path, cell in _cells(name, *_asked(name, config))}


def without_idle(config: Config) -> Config:
    """Return a configuration in which every leaf that does not apply has its default."""
    changes = {}
    for name in Config.model_fields:
        section = getattr(config, name)
        if (plain := _without_idle(name, *_asked(name, config))) is not section:
            changes[name] = plain
    return config.model_copy(update=changes) if changes else config


def needs(path: str) -> str:
    """Return the words for what the leaf at a YAML path needs in order to apply: `model.norm batch`; '' for nothing."""
    return " and ".join(map(str, declarations()[path].needs))


# Whether a field applies is decided by the few sections that its conditions read. A grid of thousands of arms has few
# different sections, so everything is found once per combination of them.


@cache
def _asked_by(name: str) -> tuple[str, ...]:
    """Return the names of a section and of those that the conditions of its fields read."""
    begin = f"{name}."
    read = [c.path for path, found in declarations().items() if path.startswith(begin) for c in found.needs]
    return tuple(dict.fromkeys((name, *(path.partition(".")[0] for path in read))))


def _asked(name: str, config: Config) -> tuple[Section, ...]:
    return tuple(getattr(config, other) for other in _asked_by(name))


def _idle(name: str, config: Config) -> frozenset[str]:
    return _idle_among(name, *_asked(name, config))


@lru_cache(maxsize=65536)
def _idle_among(name: str, *asked: Section) -> frozenset[str]:
    """Return the paths of a section that do not apply; `asked` are the sections that decide it."""
    sections = dict(zip(_asked_by(name), asked, strict=True))

    def value(path: str) -> object:
        section, _, rest = path.partition(".")
        return leaf(sections[section], rest)

    begin = f"{name}."
    fields = {path: found.needs for path, found in declarations().items() if path.startswith(begin)}
    return frozenset(p for p, needed in fields.items() if not all(c.holds(value(c.path)) for c in needed))


@lru_cache(maxsize=65536)
def _cells(name: str, *asked: Section) -> tuple[tuple[str, str], ...]:
    idle = _idle_among(name, *asked)
    return tuple((path, "" if path in idle else cell) for path, cell in spelt_section(name, asked[0]))


@lru_cache(maxsize=65536)
def _without_idle(name: str, *asked: Section) -> Section:
    begin = len(name) + 1
    return _reset(asked[0], [path[begin:] for path in _idle_among(name, *asked)])


def _reset(section: Section, paths: Iterable[str]) -> Section:
    """Return a section with the leaves at some paths set to their defaults; the section itself where they have them."""
    changes: dict[str, object] = {}
    for path in paths:
        name, _, rest = path.partition(".")
        now = changes.get(name, getattr(section, name))
        changes[name] = _reset(now, [rest]) if rest else type(section).model_fields[name].default  # type: ignore
    changes = {name: to for name, to in changes.items() if to != getattr(section, name)}
    return section.model_copy(update=changes) if changes else section
