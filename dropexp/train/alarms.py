"""When the audit speaks: how improbable a count must be, and the words for what was found.

A run is healthy where every mask is drawn from its law. The chance that the audit accuses one is below 10^-6: half of
that is shared by the tests of the rate and of neighbours, half is left to the comparisons of masks. All else that is
checked is no matter of chance.
"""

from __future__ import annotations

from collections.abc import Iterable

from dropexp.records import ProbeRow

FALSE_ALARM = 1e-6  # a healthy run, at most
ENOUGH_BITS, WANTED_BITS = 64.0, 128.0  # what a mask needs to be compared, and what is compared of a larger one

SAID = {
    "audit_rate": "the noise of {layer} acted on a fraction of {value:.4g} of its units, which its rate does not allow",
    "audit_neighbours": "a fraction of {value:.4g} of neighbouring units or examples of {layer} had the same mask",
    "audit_repeat": "{layer} reused {value:.0f} earlier masks",
    "audit_unused": "{layer} should have been masked but never was",
    "audit_product": "a fraction of {value:.4g} of {layer} was not multiplied by the mask drawn for it, or not used",
    "audit_scale": "kept units of {layer} were multiplied by {value:.6g}, which is not the factor of this kind and rate",
    "audit_gradient": "the gradient through {layer} was {value:.6g} times what the mask lets through",
    "audit_stream": "{layer} used masks that do not belong to its seed, place and epoch",
    "audit_update": "of {layer}, {value:.0f} were made",
    "audit_steps": "an epoch of {value:.0f} steps {layer}",
    "audit_epochs": "epoch {value:.0f} {layer}",
    "audit_evaluation": "evaluation was not deterministic ({value:.0f} {layer})",
}


def sentences(rows: Iterable[ProbeRow], most: int = 5) -> list[str]:
    """Return what the audit found as lines for a person, one per run, finding and layer, at its first epoch."""
    first: dict[tuple[str, str, str], ProbeRow] = {}
    for row in rows:
        if row.probe in SAID:
            first.setdefault((row.run_id, row.probe, row.layer), row)
    lines = [
        f"dropout audit: {r.run_id}, epoch {r.epoch}: {SAID[r.probe].format(layer=r.layer, value=r.value)} (probes.csv)"
        for r in list(first.values())[:most]
    ]
    return lines + ([f"dropout audit: and {len(first) - most} more findings (probes.csv)"] if len(first) > most else [])
