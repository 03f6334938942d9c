"""A study back to YAML: what study.yaml holds, every field filled in."""

from __future__ import annotations

from typing import Any

import yaml
from pydantic import BaseModel

from dropexp.spec.cells import roles
from dropexp.spec.identity import applies
from dropexp.spec.study import Study


def to_yaml(study: Study, source: str | None = None) -> str:
    """Return a study as YAML that reads back as the same study; `source` replaces the path of a user's own data."""
    content: dict[str, Any] = {"study": study.name, **plain(study.base)}
    for path in roles():
        if not any(applies(path, config) for config in (study.base, *study.configs)):
            _drop(content, path.split("."))
    digests = dict(study.data_sha256)
    if study.base.data.source in digests:
        content["data"]["sha256"] = digests[study.base.data.source]
        content["data"]["source"] = source or study.base.data.source
    counted = study.seeds == tuple(range(len(study.seeds)))
    content["seeds"] = len(study.seeds) if counted else list(study.seeds)
    grids = [{path: [plain(v) for v in values] for path, values in grid} for grid in study.grids if grid]
    if grids:
        content["sweep"] = grids[0] if len(grids) == 1 else grids
    if study.claims:
        content["claims"] = [plain(claim) for claim in study.claims]
    if study.probes:
        content["probes"] = list(study.probes)
    content["save_weights"] = study.save_weights
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _drop(content: dict[str, Any], path: list[str]) -> None:
    for name in path[:-1]:
        content = content[name]
    content.pop(path[-1], None)


class _Dumper(yaml.SafeDumper):
    """Lists of plain values on one line; the words of YAML 1.1 quoted, so that any reader agrees."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _sequence(dumper: yaml.SafeDumper, data: list[Any]) -> yaml.Node:
    flat = not any(isinstance(item, dict) for item in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=flat)


def _number(dumper: yaml.SafeDumper, data: float) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:float", repr(data))


_Dumper.add_representer(list, _sequence)
_Dumper.add_representer(float, _number)


def plain(value: Any) -> Any:
    """Return a section or value as plain dicts, lists, words and numbers."""
    if isinstance(value, BaseModel):
        return {
            name: plain(getattr(value, name)) or {} if name == "rate_at" else plain(getattr(value, name))
            for name in type(value).model_fields
        }
    if isinstance(value, tuple):
        if value and all(isinstance(v, tuple) for v in value):
            return {k: plain(v) for k, v in value}
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list) else value
