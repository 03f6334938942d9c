"""The one configuration that stands for all arms of the same function, and its permanent names: arm_id and run_id."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

from dropexp.experiment.applicability import without_idle
from dropexp.experiment.config import MODEL_DEFAULTS, Config, Data, Dropout, Model
from dropexp.experiment.fields import Section
from dropexp.experiment.kinds import KINDS
from dropexp.experiment.layout import site_rates, sites_of
from dropexp.experiment.leaves import leaves, spell, spelt_section

SIGN_KEEPING = ("relu", "leaky_relu", "linear")  # they commute with a factor that is never negative


@lru_cache(maxsize=65536)
def _canonical_model(model: Model, dropout: Dropout, masked: bool) -> Model:
    order = model.order.split("-")
    if model.norm == "none":
        order = ["norm", *(s for s in order if s != "norm")]
    if not masked or KINDS[dropout.kind].acts_on == "weight":
        order = [*(s for s in order if s != "dropout"), "dropout"]
    elif model.activation in SIGN_KEEPING and not KINDS[dropout.kind].signed:
        for first in (0, 1):  # a mask right before a sign-keeping activation is one right after it
            if order[first : first + 2] == ["dropout", "activation"]:
                order[first : first + 2] = ["activation", "dropout"]
    changes = {"order": "-".join(order)}
    if not model.hidden and model.kind != "cnn":  # nothing but the output layer, which has neither norm nor activation
        changes = {name: Model.model_fields[name].default for name in ("norm", "activation", "order")}
    return model.model_copy(update=changes)


@lru_cache(maxsize=65536)
def _canonical_dropout(dropout: Dropout, model: Model) -> Dropout:
    rates = site_rates(dropout, model)
    if not rates:
        return Dropout(rate=0.0, placement=("hidden",))
    changes: dict[str, Any] = {"placement": _canonical_placement(dropout, model, rates)}
    if dropout.group_size == 1:
        changes["group_size"] = None
    elif dropout.group_size == "batch" and dropout.kind == "bernoulli":
        changes |= {"group_size": None, "kind": "batch_shared"}
    return dropout.model_copy(update=changes)


def _canonical_placement(dropout: Dropout, model: Model, rates: dict[str, float]) -> tuple[str, ...]:
    if dropout.rate_at or dropout.rate == 0:
        return tuple(sorted(set(dropout.placement)))
    placement: list[str] = []
    for place in ("input", "conv", "recurrent", "between", "output", "hidden"):
        sites = sites_of(place, model)
        masked = [s for s in sites if s in rates]
        placement += [place] if sites and len(masked) == len(sites) else masked
    return tuple(placement)


def canonical(config: Config) -> Config:
    """Return the one configuration that stands for all that are the same function, which is the one trained.

    At rate 0 everywhere the dropout section and its place in the order say nothing; with relu, leaky_relu or no
    activation a mask that is never negative commutes with it; places that cover the same sites are the same; what does
    not apply is set back to its default.
    """
    masked = bool(site_rates(config.dropout, config.model))
    one = {
        "model": _canonical_model(config.model, config.dropout, masked),
        "dropout": _canonical_dropout(config.dropout, config.model),
    }
    return without_idle(config.model_copy(update=one))


@cache
def _defaults(kind: str) -> dict[str, str]:
    base = Config()
    model = base.model.model_copy(update=MODEL_DEFAULTS[kind])
    return {path: spell(value) for path, value in leaves(base.model_copy(update={"model": model})).items()}


def identity(config: Config) -> dict[str, str]:
    """Return the leaves of a canonical configuration that differ from their defaults, spelt as in a cell.

    A new field whose default changes nothing therefore keeps every old name. A user's file is its content: where
    `data.sha256` is known it stands in for the path.
    """
    kind = config.model.kind
    return {path: cell for name in Config.model_fields for path, cell in _moved(name, getattr(config, name), kind)}


@lru_cache(maxsize=65536)
def _moved(name: str, section: Section, kind: str) -> tuple[tuple[str, str], ...]:
    """Return (path, cell) of a section's leaves that differ from the defaults of a kind of model."""
    defaults = _defaults(kind)
    by_content = isinstance(section, Data) and section.sha256
    return tuple(
        (path, cell)
        for path, cell in spelt_section(name, section)
        if cell != defaults[path] and not (by_content and path == "data.source")
    )


_as_json = json.JSONEncoder(sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode


def slug(words: str) -> str:
    """Return words as the readable part of a name: of a-z, 0-9, full stop and hyphen, at most 48 characters."""
    return re.sub(r"[^a-z0-9.]+", "-", words.lower()).strip("-.")[:48].strip("-.")


def digest(members: dict[str, str]) -> str:
    """Return the 10 hex digits that stand for the members of an identity, in whatever order."""
    return hashlib.sha256(_as_json(members).encode()).hexdigest()[:10]


def _slug(config: Config) -> str:
    return _slug_of(config.data.source, config.model, config.dropout)


@lru_cache(maxsize=65536)
def _slug_of(source: str, model: Model, dropout: Dropout) -> str:
    rates = site_rates(dropout, model)
    source = source.replace("\\", "/").rstrip("/").rpartition("/")[2].partition(".")[0]
    words = [source, model.kind, "x".join(map(str, (*(model.channels or ()), *model.hidden)))]
    if model.norm != "none":
        words.append(model.norm)
    words.append(f"{dropout.kind}-{spell(max(rates.values()))}" if rates else "none")
    return slug("-".join(w for w in words if w))


def arm_id(config: Config) -> str:
    """Return the name of a canonical configuration: a readable slug and 10 hex digits of its hash."""
    return f"{_slug(config)}-{digest(identity(config))}"


def run_id(config: Config, seed: int) -> str:
    """Return the name of a run, which is an arm and a seed: of a-z, 0-9, full stop and hyphen only."""
    return run_ids(config, [seed])[0]


def run_ids(config: Config, seeds: Sequence[int]) -> list[str]:
    """Return the names of an arm's runs, one per seed."""
    begin, members = _slug(config), identity(config)
    return [f"{begin}-s{seed}-{digest({**members, 'seed': str(seed)})}" for seed in seeds]
