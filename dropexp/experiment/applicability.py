"""Which fields apply in a configuration, by what each declares; the others are reset to their defaults and shown empty."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import Any

from dropexp.experiment.config import Config
from dropexp.experiment.fields import Condition, Section
from dropexp.experiment.leaves import declarations, leaf, spelt_section


def applies(path: str, config: Config) -> bool:
    """Return whether the leaf at a YAML path means anything in a configuration."""
    name = path.partition(".")[0]
    return path not in _idle(name, *_asked(_deciding()[name], config))


def idle_in_all(configs: Sequence[Config]) -> frozenset[str]:
    """Return the paths of the leaves that apply in none of some configurations."""
    found: set[str] = set()
    for name, others in _deciding().items():
        found |= frozenset.intersection(*{_idle(name, *_asked(others, config)) for config in configs})
    return frozenset(found)


def cells(config: Config) -> dict[str, str]:
    """Return a configuration as cells in the order of the schema; what does not apply is empty."""
    asked = _deciding().items()
    return {path: cell for name, others in asked for path, cell in _cells(name, *_asked(others, config))}


def without_idle(config: Config) -> Config:
    """Return a configuration in which every leaf that does not apply has its default."""
    plain = {name: _without_idle(name, *_asked(others, config)) for name, others in _deciding().items()}
    return config.model_copy(update=plain)


def needs(path: str) -> str:
    """Return the words for what the leaf at a YAML path needs in order to apply: `model.norm batch`; '' for nothing."""
    return " and ".join(map(str, declarations()[path].needs))


# Whether a field applies is decided by the few sections that its conditions read. A grid of thousands of arms has few
# different sections, so everything is found once per combination of them.


@cache
def _deciding() -> dict[str, tuple[str, ...]]:
    """Return every section's name with the names of the sections that decide what applies in it, itself first."""
    found: dict[str, dict[str, None]] = {}
    for path, declared in declarations().items():
        name = path.partition(".")[0]
        read = (name, *(condition.path.partition(".")[0] for condition in declared.needs))
        found.setdefault(name, {}).update(dict.fromkeys(read))
    return {name: tuple(others) for name, others in found.items()}


def _asked(names: Iterable[str], config: Config) -> list[Section]:
    return [getattr(config, name) for name in names]


@lru_cache(maxsize=65536)
def _idle(name: str, *asked: Section) -> frozenset[str]:
    """Return the paths of a section that do not apply; `asked` are the sections that decide it, itself first."""
    sections = dict(zip(_deciding()[name], asked, strict=True))

    def holds(condition: Condition) -> bool:
        section, _, rest = condition.path.partition(".")
        return condition.holds(leaf(sections[section], rest))

    own = {path: found.needs for path, found in declarations().items() if path.startswith(f"{name}.")}
    return frozenset(path for path, needed in own.items() if not all(map(holds, needed)))


@lru_cache(maxsize=65536)
def _cells(name: str, *asked: Section) -> tuple[tuple[str, str], ...]:
    idle = _idle(name, *asked)
    return tuple((path, "" if path in idle else cell) for path, cell in spelt_section(name, asked[0]))


@lru_cache(maxsize=65536)
def _without_idle(name: str, *asked: Section) -> Section:
    begin = len(name) + 1
    return _reset(asked[0], [path[begin:] for path in _idle(name, *asked)])


def _reset(section: Section, paths: Iterable[str]) -> Section:
    """Return a section with the leaves at some paths set to their defaults; the section itself where they have them."""
    changes: dict[str, Any] = {}
    for path in paths:
        name, _, rest = path.partition(".")
        inner = changes.get(name, getattr(section, name))
        changes[name] = _reset(inner, [rest]) if rest else type(section).model_fields[name].default
    changed = any(to != getattr(section, name) for name, to in changes.items())
    return section.model_copy(update=changes) if changed else section
