"""What check says of a study: what would be trained, and how long that should take."""

from __future__ import annotations

import time
from typing import Any

from dropexp.analysis.claim_words import promised
from dropexp.experiment.config import Config, Data
from dropexp.experiment.kinds import KINDS
from dropexp.experiment.layout import site_rates
from dropexp.experiment.naming import label
from dropexp.experiment.packs import pack_key
from dropexp.experiment.rate_shapes import SHAPES
from dropexp.experiment.study import Study
from dropexp.workflow.planning import Plan, prepare
from dropexp.workflow.request import Options


def facts(study: Study, options: Options, timed: bool) -> dict[str, Any]:
    """Return as plain data what would be trained; with `timed` the seconds that it should take, else None."""
    from dropexp.analysis.outlook import outlook
    from dropexp.wording.outlook import fact

    plan = prepare(study, options, data=timed)
    study = plan.study
    return {
        "study": study.name,
        "data": [_data(plan, data) for data in study.readings.values()],
        "axes": list(study.axes),
        "seeds": list(study.seeds),
        "seeds_at_most": study.grow.grow_to if study.grow else len(study.seeds),
        "margins": dict(study.margins),
        "arms": [
            {
                "arm_id": a.arm_id,
                "label": label(a, study.axes),
                "parameters": plan.layouts[pack_key(a.trained)].parameters,
            }
            for a in study.arms
        ],
        "runs": len(study.runs()),
        "shared": len(study.arms) * len(study.seeds) - len(study.runs()),
        "done": plan.done,
        "inputs": {a.config.data.source: standardised(plan.layouts[pack_key(a.trained)].example) for a in study.arms},
        "masks": masks(study),
        "packs": [len(pack) for pack in plan.packs],
        "jobs": plan.jobs,
        "claims": [{"says": c.says, "parts": promised(c)} for c in study.claims],
        "seconds": estimate(plan) if timed and plan.packs else None,
        "outlook": fact(outlook(study)),
    }


def _data(plan: Plan, data: Data) -> dict[str, Any]:
    found = plan.balance(data)
    notes = list(plan.datasets[data.as_read].notes) if data.as_read in plan.datasets else []
    return {
        "source": data.source,
        "notes": notes,
        "classes": found.counts,
        "test": found.test,
        "guessed": found.guessed,
    }


def standardised(example: tuple[int, ...]) -> str:
    """Return how inputs are scaled before the first layer sees them; `example` is the shape of one, (F,) or (C, H, W)."""
    each = "channel" if len(example) == 3 else "feature"
    return f"standardised: each {each} to mean 0 and standard deviation 1 over the seed's training examples"


def masks(study: Study) -> list[str]:
    """Return what the masks of a study drop and what shares one, a sentence for each way that its arms differ in this."""
    return list(dict.fromkeys(mask(arm.config) for arm in study.arms if arm.masked))


def mask(config: Config) -> str:
    """Return the mask in force in words: what it acts on, when it is drawn anew, and the epochs in which it acts."""
    dropout, kind = config.dropout, KINDS[config.dropout.kind]
    if dropout.group_size == "batch" or "batch" in kind.shared:
        drawn = "drawn once per batch"
    elif isinstance(dropout.group_size, int) and dropout.group_size > 1:
        drawn = f"drawn once per group of {dropout.group_size} examples"
    else:
        drawn = "drawn for each example"
    if config.model.kind == "lstm" and "time" not in kind.shared:
        drawn += _over_time({site.partition(".")[0] for site in site_rates(dropout, config.model)}, dropout.recurrent)
    words = f"{dropout.kind}: {kind.means}; {drawn}"
    return (
        f"{words}; {schedule}"
        if (schedule := SHAPES[dropout.schedule.shape].means.format(s=dropout.schedule))
        else words
    )


def _over_time(places: set[str], recurrent: str) -> str:
    """Return what the steps of a sequence add to when a mask is drawn; the state's is as `recurrent` says."""
    inner = " and time step" if places & {"input", "between"} else ""
    if "recurrent" not in places:
        return inner
    state = {
        "step": " and time step",
        "sequence": ", the same at every time step",
        "candidate": " and time step, on the candidate state",
    }[recurrent]
    return state if inner in ("", state) else f"{inner}; the state's for each example{state}"


def estimate(made: Plan) -> float:
    """Return the seconds that training should take, from a short calibration of each kind of pack.

    After twenty seconds of calibration the kinds that are left are taken to cost what the first one does.
    """
    from dropexp.train.timing import measure

    total, known = 0.0, dict[tuple[tuple[str, ...], int], float]()
    clock = time.perf_counter()
    for pack in made.packs:
        key = (pack_key(pack[0].config), len(pack))
        if key not in known:
            if known and time.perf_counter() - clock > 20:
                known[key] = next(iter(known.values()))
            else:
                known[key] = measure(pack, made.datasets[pack[0].config.data.as_read])
        total += known[key] * max(run.config.training.epochs for run in pack)
    return total / max(1, made.jobs)
