"""The arms that all others are compared with, where the command line names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from dropexp.errors import UsageError
from dropexp.experiment.foreign_study import Foreign
from dropexp.experiment.leaves import roles, shown
from dropexp.experiment.study import Study
from dropexp.study_files.claims_reader import no_path

D = TypeVar("D", Study, Foreign)


def with_baseline(study: D, words: Sequence[str]) -> D:
    """Return the study with the arms of these values as baselines; `words` are PATH=VALUE each, none leaves it as it is.

    Values are written as arms show them: `dropout.rate=0.2`, `model.norm=none`, `early_stopping.patience=off`.
    Raises UsageError for what is no such pair and where no arm has these values.
    """
    if not words:
        return study
    chosen: dict[str, str] = {}
    for word in words:
        path, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"--baseline {word}: write PATH=VALUE, as in --baseline dropout.rate=0")
        if path not in (*study.axes, *roles()):
            raise UsageError(f"--baseline {word}: {no_path(path)}")
        there = {shown(path, arm.value(path)) for arm in study.arms}
        if value not in there:
            raise UsageError(f"--baseline {word}: no arm has that; {path} is {', '.join(sorted(there))} here")
        chosen[path] = value
    named = replace(study, chosen=tuple(chosen.items()))
    if chosen and all(base is None for base in named.baselines) and len(study.arms) > 1:
        raise UsageError(f"--baseline {' '.join(words)}: no other arm agrees with such an arm in every other axis")
    return named
