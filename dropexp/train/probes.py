"""MEASURES: how each probe is measured, and taking those that are due; a probe looks at the network and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from dropexp.experiment.probes import PROBES, due, name_of, settings_of
from dropexp.experiment.study import Run
from dropexp.nn.protocol import Trainable
from dropexp.train.batches import Feed
from dropexp.train.looking import Look, Measured, unchanged
from dropexp.train.probe_activations import activations
from dropexp.train.probe_calibration import calibration
from dropexp.train.probe_co_adaptation import co_adaptation
from dropexp.train.probe_gap_parts import gap_parts
from dropexp.train.probe_gradient_noise import gradient_noise
from dropexp.train.probe_gradient_norms import gradient_norms
from dropexp.train.probe_mc_dropout import mc_dropout
from dropexp.train.probe_memorisation import memorisation
from dropexp.train.probe_variance_shift import variance_shift
from dropexp.train.probe_weights import weights

REMEMBERS = np.dtype(np.int32)  # a number per training example
Taken = tuple[int, str, str, str, Sequence[float | None]]  # epoch, probe, layer, at, one value per run

MEASURES: dict[str, Callable[[Look], Measured]] = {
    "gradient_norms": gradient_norms,
    "variance_shift": variance_shift,
    "gap_parts": gap_parts,
    "gradient_noise": gradient_noise,
    "activations": activations,
    "weights": weights,
    "co_adaptation": co_adaptation,
    "memorisation": memorisation,
    "mc_dropout": mc_dropout,
    "calibration": calibration,
}


def remembering(words: Iterable[str]) -> list[str]:
    """Return the names of the probes that remember a number per training example from epoch to epoch."""
    return [name for name in dict.fromkeys(map(name_of, words)) if PROBES[name].remembers]


def take(
    words: Iterable[str],
    moment: str,
    network: Trainable,
    feed: Feed,
    runs: Sequence[Run],
    epoch: int = 0,
    guess_RN: np.ndarray | None = None,
    remembered: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> list[Taken]:
    """Return what the probes that are due at a moment measure, of the runs whose networks have what each looks at.

    `remembered` holds the arrays of probes that remember, by name, which these write into.
    """
    found: list[Taken] = []
    for word in due(words, moment, epoch):
        name = name_of(word)
        able = [PROBES[name].measures(run.config) for run in runs]
        if not any(able):
            continue
        with unchanged(network):
            measured = MEASURES[name](
                Look(name, moment, settings_of(word), network, feed, runs, epoch, guess_RN, remembered.get(name))
            )
        for layer, at, values in measured:
            own = [value if had else None for value, had in zip(values, able, strict=True)]
            found.append((epoch, name, layer, at, own))
    return found
