"""What check says of a study: what would be trained, and how long that should take."""

from __future__ import annotations

import time
from typing import Any

from dropexp.analysis.claim_words import promised
from dropexp.experiment.naming import label
from dropexp.experiment.packs import pack_key
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
        "done": plan.done,
        "packs": [len(pack) for pack in plan.packs],
        "jobs": plan.jobs,
        "claims": [{"says": c.says, "parts": promised(c)} for c in study.claims],
        "seconds": estimate(plan) if timed and plan.packs else None,
        "outlook": fact(outlook(study)),
    }


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
                known[key] = measure(pack, made.datasets[pack[0].config.data.source])
        total += known[key] * max(run.config.training.epochs for run in pack)
    return total / max(1, made.jobs)
