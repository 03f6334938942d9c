"""Write a Study as YAML with every field filled in: the text of study.yaml, which reads back as the same study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import yaml
from pydantic import BaseModel

from dropexp.experiment.applicability import idle_in_all
from dropexp.experiment.claims import Claim
from dropexp.experiment.config import MODEL_DEFAULTS
from dropexp.experiment.design import MARGINS
from dropexp.experiment.leaves import roles
from dropexp.experiment.study import Grid, Study
from dropexp.study_files.probes_reader import written as probes_written


def to_yaml(study: Study, paths: Mapping[str, str] | None = None) -> str:
    """Return a study as YAML that reads back as the same study; `paths` replaces paths of a user's own data."""
    content: dict[str, Any] = {"study": study.name, **plain(study.base)}
    swept = {path for grid in study.grids for path, _ in grid}
    # a field of the base stays where it applies there, though in no arm: a later command may sweep back to it
    idle = idle_in_all((study.base, *study.configs))
    for path in roles():
        if path in idle or ("model.kind" in swept and _left_to_kinds(path, study)):
            _drop(content, path.split("."))
    digests, moved = dict(study.data_sha256), paths or {}
    if study.base.data.source in digests and "data.source" not in swept:
        content["data"]["sha256"] = digests[study.base.data.source]
    content["data"]["source"] = moved.get(study.base.data.source, study.base.data.source)
    counted = study.seeds == tuple(range(len(study.seeds)))
    content["seeds"] = asdict(study.grow) if study.grow else len(study.seeds) if counted else list(study.seeds)
    grids = [
        {path: [plain(v) for v in values] for path, values in part}
        for grid in study.grids
        for part in _by_source(grid, digests, moved)
    ]
    if any(grids):  # an empty grid beside others is the base configuration
        content["sweep"] = grids[0] if len(grids) == 1 else grids
    if study.claims:
        content["claims"] = [_claim(claim) for claim in study.claims]
    if margins := {metric: margin for metric, margin in study.margins.items() if margin != MARGINS.get(metric)}:
        content["margins"] = margins
    if study.probes:
        content["probes"] = probes_written(study.probes)
    content["save_weights"] = study.save_weights
    content["save_predictions"] = study.save_predictions
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _left_to_kinds(path: str, study: Study) -> bool:
    """Return whether arms of other kinds of model have their own default at a path, which the base's must not replace."""
    name, base = path.removeprefix("model."), study.base.model
    own = MODEL_DEFAULTS[base.kind]
    if name not in own or getattr(base, name) != own[name]:
        return False
    others = [c.model for c in study.configs if MODEL_DEFAULTS[c.model.kind][name] != own[name]]
    bound = any(getattr(model, name) == own[name] for model in others)
    free = any(getattr(model, name) == MODEL_DEFAULTS[model.kind][name] for model in others)
    return free if bound != free else name not in base.model_fields_set


def _by_source(grid: Grid, digests: Mapping[str, str], moved: Mapping[str, str]) -> list[Grid]:
    """Give each of a user's own files in a grid its content beside its path, which makes it a grid of its own."""
    axes = dict(grid)
    own = [source for source in axes.get("data.source", ()) if source in digests]
    if not own:
        return [grid]
    built_in = tuple(source for source in axes["data.source"] if source not in digests)
    parts = [tuple({**axes, "data.source": built_in}.items())] if built_in else []
    for source in own:
        parts.append(
            tuple({**axes, "data.source": (moved.get(source, source),), "data.sha256": (digests[source],)}.items())
        )
    return parts


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
    digits, e, power = repr(data).partition("e")
    text = digits + (".0" if e and "." not in digits else "") + e + power  # YAML 1.1 knows no 1e-05
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


_Dumper.add_representer(list, _sequence)
_Dumper.add_representer(float, _number)


def _claim(claim: Claim) -> dict[str, Any]:
    """Return a claim without what it does not say: its parts, or a comparison of its own."""
    whole = plain(claim)
    says, parts = whole.pop("says"), whole.pop("all")
    own = {"all": parts} if parts else whole
    for part in parts or [whole]:
        for name in ("against", "tuned_over"):
            if not part[name]:
                del part[name]
    return {"says": says, **own}


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
