"""A field that does not apply leaves no trace: no other arm, no cell, and one sentence that says what it needs."""

import json

import pytest

from dropexp.experiment.applicability import applies, cells, needs
from dropexp.experiment.config import Config
from dropexp.experiment.identity import arm_id, canonical
from dropexp.experiment.kinds import KINDS
from dropexp.experiment.leaves import declarations, leaf
from dropexp.experiment.rules import unused
from dropexp.study_files.schema import schema

NEEDY = {  # every field that needs something -> a value beside its default, and what it takes for the field to apply
    "data.label": ("digit", {"data.source": "mine.csv"}),
    "data.ignore": (("id",), {"data.source": "mine.csv"}),
    "data.blanks": ("drop", {"data.source": "mine.csv"}),
    "data.noisy_validation": (True, {"data.label_noise": 0.1}),
    "model.channels": ((4,), {"model.kind": "cnn"}),
    "model.kernel": (5, {"model.kind": "cnn"}),
    "model.pool": ("avg", {"model.kind": "cnn"}),
    "model.units": (8, {"model.kind": "lstm"}),
    "model.layers": (2, {"model.kind": "lstm"}),
    "model.bidirectional": (True, {"model.kind": "lstm"}),
    "model.norm_group": (8, {"model.norm": "batch"}),
    "dropout.group_size": (4, {"dropout.kind": "spatial"}),
    "dropout.block_size": (5, {"dropout.kind": "dropblock"}),
    "dropout.at_test": ("moments", {"dropout.kind": "dropconnect"}),
    "dropout.recurrent": ("sequence", {"model.kind": "lstm", "dropout.placement": ("recurrent",)}),
    "dropout.schedule.epochs": (4, {"dropout.schedule.shape": "early"}),
    "dropout.schedule.begin": (0.5, {"dropout.schedule.shape": "linear"}),
    "dropout.schedule.end": (0.5, {"dropout.schedule.shape": "linear"}),
    "early_stopping.monitor": ("val_accuracy", {"early_stopping.patience": 3}),
    "early_stopping.min_delta": (0.01, {"early_stopping.patience": 3}),
    "early_stopping.start_from_epoch": (2, {"early_stopping.patience": 3}),
    "training.momentum": (0.8, {"training.optimizer": "sgd"}),
    "training.nesterov": (True, {"training.optimizer": "sgd"}),
    "training.schedule.every": (3, {"training.schedule.shape": "step"}),
    "training.schedule.factor": (0.5, {"training.schedule.shape": "step"}),
}
# fields that do not apply, in a configuration in which next to nothing does
BARREN = {
    "dropout.kind": "gaussian",
    "training.optimizer": "adam",
    "early_stopping.patience": None,
}


def configured(changes):
    sections = {}
    for path, value in changes.items():
        at = sections
        *parents, name = path.split(".")
        for parent in parents:
            at = at.setdefault(parent, {})
        at[name] = value
    return Config.model_validate(sections)


def test_every_field_that_needs_something_is_here():
    assert {path for path in declarations() if needs(path)} == set(NEEDY)


@pytest.mark.parametrize("path", NEEDY)
def test_a_field_leaves_a_trace_where_it_applies_and_nowhere_else(path):
    value, where = NEEDY[path]
    without, beside = configured(BARREN), configured({**BARREN, path: value})
    assert leaf(beside, path) != leaf(without, path)
    assert canonical(beside) == canonical(without)
    assert (applies(path, beside), cells(beside)[path]) == (False, "")
    assert unused(path, [beside]) == f"has no effect in this study: it needs {needs(path)}; leave it out"
    there, changed = configured({**BARREN, **where}), configured({**BARREN, **where, path: value})
    assert arm_id(canonical(there)) != arm_id(canonical(changed))
    assert (applies(path, changed), cells(changed)[path] != "") == (True, True)
    assert unused(path, [beside, changed]) is None


def test_the_json_schema_names_the_words_of_the_tables_and_what_a_field_needs():
    made = json.loads(json.dumps(schema()))["$defs"]
    assert made["Dropout"]["properties"]["kind"]["enum"] == list(KINDS)
    assert made["Training"]["properties"]["momentum"]["needs"] == "training.optimizer sgd"
    assert (
        made["Dropout"]["properties"]["recurrent"]["needs"] == "model.kind lstm and dropout.kind other than variational"
    )
    assert "needs" not in made["Training"]["properties"]["lr"]
