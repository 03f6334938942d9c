"""What check prints: the data, the network layer by layer with every norm and mask, the arms, runs and packs."""

from __future__ import annotations

from collections import Counter
from math import prod
from textwrap import wrap

from dropexp.analysis.claim_words import promised
from dropexp.console.progress import duration
from dropexp.console.screen import say
from dropexp.experiment.config import Dropout
from dropexp.experiment.growth import Grow
from dropexp.experiment.kinds import KINDS
from dropexp.experiment.layout import Block, Layout, norm_parameters, site_rates
from dropexp.experiment.leaves import spell
from dropexp.experiment.naming import label
from dropexp.experiment.packs import pack_key
from dropexp.experiment.probes import MOMENTS, PROBES, name_of, settings_of
from dropexp.experiment.sources import SOURCES
from dropexp.experiment.study import ConfiguredArm, Study
from dropexp.quoting import counted
from dropexp.study_files.writing import to_yaml
from dropexp.workflow.checking import estimate, mask, masks, standardised
from dropexp.workflow.planning import Plan, hopeless, prepare, tally
from dropexp.workflow.request import Options

SHOWN = 20


def describe(study: Study, options: Options, *, show_config: bool = True, timed: bool = False) -> Plan:
    """Print a study: what would be trained, on what, and in which packs. Reads no built-in data unless timed."""
    plan = prepare(study, options, data=timed)
    study = plan.study
    if show_config:
        say(to_yaml(study))
    for as_read in study.readings:
        say(_data(as_read, plan))
    drawn = max(study.arms, key=lambda a: sum(site_rates(a.config.dropout, a.config.model).values()))
    say("\n".join(network(drawn, plan.layouts[pack_key(drawn.trained)])))
    networks = {(a.config.model, a.config.dropout) for a in study.arms}
    drawings = {
        (model, tuple(site_rates(d, model).items()), d.kind if site_rates(d, model) else "") for model, d in networks
    }
    if len(drawings) > 1:
        say(f"  (shown: {label(drawn, study.axes)}; the arms have {len(drawings)} different networks)")
    for other in [words for words in masks(study) if words != mask(drawn.config)][:SHOWN]:
        say(f"  masks of other arms: {other}")
    say("")
    for line in arms(study):
        say(line)
    say(f"\n{tally(plan)}")
    if study.grow:
        runs, most = len(study.runs()), len({arm.arm_id for arm in study.arms}) * study.grow.grow_to
        say(f"{growth(study.grow)}: {counted(runs, 'run')} at least, {counted(most, 'run')} at most")
    if plan.packs:
        counts = Counter(len(pack) for pack in plan.packs)
        parts = ", ".join(f"{n} of {counted(size, 'run')}" for size, n in sorted(counts.items(), reverse=True))
        say(f"packs: {parts}; {counted(plan.jobs, 'worker')}")
    say(
        "smallest differences that count: "
        + ", ".join(f"{metric} {margin:g}" for metric, margin in study.margins.items())
    )
    if study.claims:
        say("\n".join(claims(study)))
    if study.probes:
        say("\n".join(probes(study)))
    if doubt := hopeless(study):
        say(doubt)
    if timed and plan.packs:
        say(f"training should take about {duration(estimate(plan))}, according to a short calibration on this machine")
    return plan


def growth(grow: Grow) -> str:
    """Return how a study grows, in words."""
    more = f"{grow.start} first, then {grow.step} more at a time until every word and claim is decided"
    return f"{grow.grow_to} seeds at most: {more}"


def _data(as_read: str, plan: Plan) -> str:
    arm = next(a for a in plan.study.arms if a.config.data.as_read == as_read)
    size, source = plan.sizes[pack_key(arm.trained)], arm.config.data.source
    name = SOURCES[source].title if source in SOURCES else source
    lines = [
        f"data: {name}: {size.train} training, {size.val} validation, {size.test} test examples",
        f"  inputs: {standardised(plan.layouts[pack_key(arm.trained)].example)}",
    ]
    if as_read in plan.datasets:
        lines += [f"  {note}" for note in plan.datasets[as_read].notes]
    return "\n".join([*lines, f"  {plan.balance(arm.config.data).sentence}"])


def network(arm: ConfiguredArm, layout: Layout) -> list[str]:
    """Return the network layer by layer: what each block does in its order, and where masks of which rate act."""
    rates = site_rates(arm.config.dropout, arm.config.model)
    model, dropout = arm.config.model, arm.config.dropout
    on_weights = KINDS[dropout.kind].acts_on == "weight"

    def drops(site: str) -> list[str]:
        return [f"{dropout.kind} {rates[site]:g}"] if site in rates else []

    shape = " x ".join(map(str, layout.example))
    lines = [
        f"network: {model.kind}, {layout.parameters:,} parameters",
        f"  input     {' > '.join([shape, *drops('input')])}",
    ]
    for block in layout.blocks:
        words = {"norm": [f"{model.norm} norm"], "activation": [str(model.activation)], "dropout": drops(block.name)}
        steps = [word for step in block.steps if not (on_weights and step == "dropout") for word in words[step]]
        steps += [f"{block.pool} pool 2 x 2"] if block.pool != "none" else []
        if block.kind == "lstm":
            steps = _recurrent_masks(block, model.layers or 1, dropout, rates)
        what = SHAPES[block.kind].format(b=block, m=block.map)
        if not block.bias:
            what += ", no bias"
        if on_weights and block.name in rates:
            what += f", weights masked: {drops(block.name)[0]}"
        own = block.parameters + norm_parameters(block, model.norm)
        lines.append(f"  {block.name:<9} {' > '.join([what, *steps])}  [{own:,}]")
    if rates:
        count = sum(prod(s) for name, s in layout.site_shapes if name in rates)
        on = "" if on_weights else f"; on {count:,} units per example"
        lines.append(f"  masks: {mask(arm.config)}{on}")
    return lines


SHAPES = {
    "dense": "affine {b.fan_in} -> {b.units}",
    "conv": "conv {b.kernel} x {b.kernel}, {b.fan_in} -> {b.units} on {m[0]} x {m[1]}",
    "lstm": "lstm {b.fan_in} -> {b.units} over {m[0]} steps, directions: {b.directions}",
}


def _recurrent_masks(block: Block, layers: int, dropout: Dropout, rates: dict[str, float]) -> list[str]:
    """Return where the masks of one LSTM layer act: on its state, and on what leaves it."""
    index = block.name.removeprefix("lstm.")
    over = "sequence" if "time" in KINDS[dropout.kind].shared else dropout.recurrent
    leaving = "output" if int(index) == layers else f"between.{index}"
    found = []
    if f"recurrent.{index}" in rates:
        found.append(f"state masked once per {over}: {dropout.kind} {rates[f'recurrent.{index}']:g}")
    if leaving in rates:
        found.append(f"{dropout.kind} {rates[leaving]:g}")
    return found


def claims(study: Study) -> list[str]:
    """Return what would support each claim and what would refute it."""
    when = "each round's seeds" if study.grow else f"all {counted(len(study.seeds), 'seed')}"
    lines = [f"claims: {len(study.claims)}, judged when {when} are trained"]
    for claim in study.claims:
        found = promised(claim)
        lines.append(
            f"  {claim.says or found[0]['says']}" + (f" ({len(found)} parts, all required)" if claim.all else "")
        )
        for part in found:
            says = f"{part['says']}: " if claim.says else ""
            rule = f"supported if {part['supported_if']}; refuted if {part['refuted_if']}; otherwise undecided"
            lines += wrap(f"{says}{rule}", 100, initial_indent="    ", subsequent_indent="      ")
    return lines


def probes(study: Study) -> list[str]:
    """Return what each probe measures, when, with which settings, at what cost, and in which arms there is anything."""
    lines = [f"probes: {len(study.probes)}, measured into probes.csv"]
    for word in study.probes:
        row = PROBES[name_of(word)]
        fields, chosen = row.settings.model_fields, settings_of(word)
        lines += wrap(f"{name_of(word)}: {row.means}", 100, initial_indent="  ", subsequent_indent="    ")
        when = "; ".join(MOMENTS[moment] for moment in row.moments)
        about = [
            f"measured {when}",
            *(f"{key} {spell(getattr(chosen, key)).replace('+', ', ')}: {f.description}" for key, f in fields.items()),
        ]
        about += [f"cost: {row.cost}"] if row.cost else []
        measured = sum(row.measures(arm.trained) for arm in study.arms)
        if measured < len(study.arms):
            needed = " and ".join(map(str, row.needs))
            about.append(f"needs {needed}: {measured or 'none'} of {counted(len(study.arms), 'arm')}")
        for text in about:
            lines += wrap(text, 100, initial_indent="    ", subsequent_indent="      ")
    return lines


def arms(study: Study) -> list[str]:
    """Return one line per arm, and who is the same function as whom."""
    twins = {id(arm): kept for arm, kept in study.twins()}
    lines = []
    for arm in study.arms[:SHOWN]:
        same = f"  (the same function as {label(twins[id(arm)], study.axes)}: trained once)" if id(arm) in twins else ""
        lines.append(f"  arm: {label(arm, study.axes)}{same}")
    if len(study.arms) > SHOWN:
        lines.append(f"  and {len(study.arms) - SHOWN} more arms")
    watched = dict.fromkeys(arm.monitor for arm in study.arms)
    for monitor in filter(None, watched):
        if monitor.startswith("test_"):
            lines.append(f"  early stopping watches {monitor}: an oracle, and marked as one wherever it appears")
    return lines
