"""Rules across fields: which allowed values do not go together, and what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from dropexp.experiment.applicability import applies, needs
from dropexp.experiment.config import MODEL_DEFAULTS, Config
from dropexp.experiment.kinds import KINDS
from dropexp.experiment.layout import LEVELS, PLACES, site_names, site_rates, sites_of, threshold
from dropexp.experiment.leaves import leaf, spell
from dropexp.experiment.vocabulary import KEY_VALUES, KEY_WORDS, near
from dropexp.metrics import MONITORS
from dropexp.quoting import clean, inside, spelt

HIDDEN = "model.hidden"
Broken = Iterator[tuple[str, str]]  # (YAML path, sentence)


def broken(
    config: Config, parsed: Collection[str] | None = None, kept: set[tuple[object, ...]] | None = None
) -> list[tuple[str, str]]:
    """Return every rule that a configuration breaks, as (path to blame, sentence).

    `parsed` names the sections that hold what was written, all by default; rules that read another are left out. `kept`
    remembers which rules sections keep, for a grid whose arms share most of theirs and which holds them all.
    """
    found: list[tuple[str, str]] = []
    for sections, rule in RULES:
        if parsed is None or all(s in parsed for s in sections):
            key = (rule, *(id(getattr(config, name)) for name in sections))
            if kept is not None and key in kept:
                continue
            mistakes = list(rule(config))
            found += mistakes
            if kept is not None and not mistakes:
                kept.add(key)
    if not found and parsed is None and config.dropout.rate > 0 and not site_rates(config.dropout, config.model):
        covered = spell(config.dropout.placement)
        found = [
            (
                "dropout.placement",
                f"{covered} matches no layer of this {config.model.kind}; name a place that it has, or set the rate to 0",
            )
        ]
    return found


def _data(c: Config) -> Broken:
    labelled = applies("data.label", c)
    if labelled and c.data.label is None:
        yield (
            "data.source",
            "a .csv needs data.label, the column that holds the label; add 'label: COLUMN' under data",
        )
    if c.data.label is not None and not labelled:
        yield (
            "data.label",
            f"{spelt(c.data.label)} names a column, but {clean(c.data.source)} is not a .csv; leave data.label out",
        )
    for path in ("data.test_size", "data.val_size"):
        size = leaf(c, path)
        if isinstance(size, float) and size >= 1:
            yield path, f"{size:g} is neither a whole number of examples nor a fraction below 1"


def _places(c: Config) -> Broken:
    known = [*PLACES, *(s for s in site_names(c.model) if "." in s)]
    named = [("dropout.placement", p) for p in c.dropout.placement]
    named += [("dropout.rate_at", p) for p, _ in c.dropout.rate_at]
    for path, place in named:
        if sites_of(place, c.model):
            continue
        if not c.dropout.rate and path == "dropout.placement" and place in PLACES:
            continue  # a place without a mask may be missing: rate 0 drops nothing anywhere
        guess = near(place, known)
        has = [p for p in known if sites_of(p, c.model)]
        if c.model.kind == "lstm" and place.partition(".")[0] == "between" and c.model.layers == 1:
            yield (
                path,
                f"the place {place} is between two LSTM layers, but model.layers is 1; use 2 or more, or leave it out",
            )
            continue
        hint = f"; did you mean {guess!r}?" if guess and sites_of(guess, c.model) else ""
        yield path, f"this {c.model.kind} has no place {spelt(place)}; its places are {', '.join(has)}{hint}"


def _kind(c: Config) -> Broken:
    kind = KINDS[c.dropout.kind]
    sites = list(site_rates(c.dropout, c.model))
    if kind.needs == "map" and (flat := [s for s in sites if not s.startswith("conv.")]):
        yield (
            "dropout.kind",
            (
                f"{c.dropout.kind} masks feature maps, but {flat[0]} has no height and width; "
                + ("use placement [conv]" if c.model.kind == "cnn" else "use model.kind cnn and placement [conv]")
            ),
        )
    if kind.needs == "selu" and sites and c.model.activation != "selu":
        yield (
            "dropout.kind",
            f"alpha keeps the mean and variance of selu only, but model.activation is {c.model.activation}; use selu",
        )
    states = [s for s in sites if s.partition(".")[0] in ("recurrent", "between", "output")]
    if kind.needs == "selu" and states:
        yield (
            "dropout.kind",
            f"alpha keeps the mean and variance of selu only, but {states[0]} holds states of the lstm; use placement [hidden]",
        )
    if kind.needs == "lstm" and c.model.kind != "lstm":
        yield (
            "dropout.kind",
            f"variational shares a mask over time, but this {c.model.kind} has no time steps; use model.kind lstm, or bernoulli",
        )
    if kind.needs == "dense" and (other := [s for s in sites if not s.startswith("hidden.")]):
        yield (
            "dropout.kind",
            f"dropconnect masks the weights of dense layers, but {other[0]} is not one; use placement [hidden]",
        )
    if kind.needs == "dense" and c.dropout.at_test == "moments" and c.model.norm != "none":
        yield (
            "dropout.at_test",
            f"moments needs the activation right after the affine map, but model.norm {c.model.norm} is in between; use mean",
        )
    if (
        c.dropout.recurrent != "step"
        and applies("dropout.recurrent", c)
        and not any(s.startswith("recurrent.") for s in sites)
        and sites
    ):
        yield "dropout.recurrent", f"{c.dropout.recurrent} applies to the place recurrent; add recurrent to placement"
    if isinstance(c.dropout.group_size, int) and c.dropout.group_size > c.training.batch_size:
        yield (
            "dropout.group_size",
            f"{c.dropout.group_size} is more than training.batch_size {c.training.batch_size}; write batch for one mask per batch",
        )


def _resolution(c: Config) -> Broken:
    rates = [("dropout.rate", c.dropout.rate), *(("dropout.rate_at", rate) for _, rate in c.dropout.rate_at)]
    for path, rate in rates:
        if rate > 0 and threshold(rate) in (0, LEVELS):
            whole, least = threshold(rate) // LEVELS, 1 / LEVELS
            yield path, f"{rate!r} rounds to {whole}: masks are drawn from 16 bits; use {least:.2g} to {1 - least:.5f}"


def _model(c: Config) -> Broken:
    m = c.model
    if m.kernel is not None and m.kernel % 2 == 0:
        yield "model.kernel", f"{m.kernel} is even; use an odd number, which keeps height and width"
    if m.kind == "cnn" and not m.channels:
        yield (
            "model.channels",
            "a cnn needs at least one convolution block; write channels: [32, 64], or use model.kind mlp",
        )
    for name, default in MODEL_DEFAULTS[m.kind].items():
        path, given = f"model.{name}", getattr(m, name)
        if not applies(path, c) and given is not None:
            owner = needs(path).removeprefix("model.kind ")
            article = "an" if owner[0] in "aefhilmnorsx" else "a"  # spelt letter by letter
            meant = (
                f"write hidden: {inside(KEY_VALUES[name](given))}" if KEY_WORDS.get(name) == HIDDEN else "leave it out"
            )
            yield (
                path,
                f"{name} belongs to {article} {owner}, but model.kind is {m.kind}; {meant}, or set {needs(path)}",
            )
        if applies(path, c) and given is None and name != "channels":
            off = ", or write none for no pooling" if name == "pool" else ""
            yield path, f"null is not a value here; leave the key out for {spell(default)}{off}"
    if applies("model.norm_group", c) and m.norm_group is not None and m.norm_group > c.training.batch_size:
        yield (
            "model.norm_group",
            f"{m.norm_group} is more than training.batch_size {c.training.batch_size}; use at most that",
        )
    if m.norm == "batch" and c.training.batch_size == 1 and m.hidden:
        yield (
            "training.batch_size",
            "1 with batch norm on a dense layer normalises every activation to 0; use 2 or more, or norm layer",
        )


def _stopping(c: Config) -> Broken:
    stop = c.early_stopping
    if not applies("early_stopping.monitor", c):
        return
    if stop.monitor.startswith("val_") and c.data.val_size == 0:
        yield "early_stopping.monitor", f"{stop.monitor} needs validation examples, but data.val_size is 0"
    if stop.start_from_epoch > c.training.epochs:
        yield (
            "early_stopping.start_from_epoch",
            f"{stop.start_from_epoch} is after the last epoch, {c.training.epochs}",
        )
    if MONITORS[stop.monitor].fraction and stop.min_delta >= 0.5:
        yield (
            "early_stopping.min_delta",
            f"{stop.min_delta:g} is {stop.min_delta:.0%} of an accuracy, a fraction: half a point is 0.005",
        )


def _training(c: Config) -> Broken:
    t = c.training
    if applies("training.nesterov", c) and t.nesterov and t.momentum == 0:
        yield "training.nesterov", "true needs momentum above 0"


RULES: tuple[tuple[tuple[str, ...], Callable[[Config], Broken]], ...] = (
    (("data",), _data),
    (("dropout", "model"), _places),
    (("dropout", "model", "training"), _kind),
    (("dropout",), _resolution),
    (("model", "training"), _model),
    (("early_stopping", "data", "training"), _stopping),
    (("training",), _training),
)


def unused(path: str, configs: Sequence[Config]) -> str | None:
    """Return the sentence for a field that was written and means nothing in any of some configurations, else None.

    A field that is null everywhere says of itself that it is not there, so it is not blamed.
    """
    given = any(leaf(config, path) is not None for config in configs)
    if given and not any(applies(path, config) for config in configs):
        return f"has no effect in this study: it needs {needs(path)}; leave it out"
    return None
