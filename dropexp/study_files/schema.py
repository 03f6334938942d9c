"""The JSON schema of a study file, by which editors complete and check it."""

from __future__ import annotations

from typing import Any

from dropexp.experiment.claims import Claim
from dropexp.experiment.config import Config
from dropexp.experiment.growth import START, STEP
from dropexp.experiment.leaves import roles
from dropexp.experiment.levels import FEWEST
from dropexp.study_files.margins import SUMMED_UP
from dropexp.study_files.probes_reader import schema as probes_schema
from dropexp.study_files.top_level_keys import MOST_GROWN, PREDICTIONS, WEIGHTS


def schema() -> dict[str, Any]:
    """Return the JSON schema, draft 2020-12, of a study's YAML file."""
    made = Config.model_json_schema()
    claim = Claim.model_json_schema()
    axes = {
        "type": "object",
        "properties": {path: {"type": "array"} for path in roles()},
        "additionalProperties": False,
    }
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    made["title"] = "dropexp study"
    whole = {"type": "integer", "minimum": 0}
    made["properties"] |= {
        "study": {"type": "string", "description": "the folder below results/"},
        "seeds": {
            "anyOf": [{"type": "integer", "minimum": 1}, {"type": "array", "items": whole, "minItems": 1}, _grow()]
        },
        "sweep": {"anyOf": [axes, {"type": "array", "items": axes}]},
        "claims": {"type": "array", "items": claim},
        "margins": {
            "type": "object",
            "description": "the smallest differences that count, by metric",
            "properties": {name: {"type": "number", "exclusiveMinimum": 0} for name in SUMMED_UP},
            "additionalProperties": False,
        },
        "probes": probes_schema(),
        "save_weights": {"enum": list(WEIGHTS)},
        "save_predictions": {"enum": list(PREDICTIONS)},
    }
    return made


def _grow() -> dict[str, Any]:
    """Return the schema of seeds that are added until everything is decided."""
    return {
        "type": "object",
        "properties": {
            "start": {"type": "integer", "minimum": FEWEST, "maximum": MOST_GROWN, "default": START},
            "step": {"type": "integer", "minimum": 1, "maximum": MOST_GROWN, "default": STEP},
            "grow_to": {"type": "integer", "minimum": FEWEST + 1, "maximum": MOST_GROWN},
        },
        "required": ["grow_to"],
        "additionalProperties": False,
    }
