"""How a configuration field says of itself what it is: its role in a pack, its limits and its meaning."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Section(BaseModel):
    """A frozen part of a configuration: no unknown keys, no coercion but int to float, no nan, no inf."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True)
    __slots__ = ("_hash",)  # beside the fields, so that copies and pickles do not carry it

    def __eq__(self, other: object) -> bool:
        return self is other or (type(self) is type(other) and self.__dict__ == other.__dict__)

    def __hash__(self) -> int:
        """Return the hash of type and values, found once: the arms of a large grid are looked up many times."""
        known: int | None = getattr(self, "_hash", None)
        if known is None:
            known = hash((type(self), *self.__dict__.values()))
            object.__setattr__(self, "_hash", known)
        return known


def shape(default: Any, means: str, **limits: Any) -> Any:
    """Return a field that must agree among the runs of a pack, since it decides the shape of tensors."""
    return Field(default, description=means, json_schema_extra={"role": "shape"}, **limits)


def value(default: Any, means: str, **limits: Any) -> Any:
    """Return a field that may differ among the runs of a pack: one entry of a vector along R."""
    return Field(default, description=means, json_schema_extra={"role": "value"}, **limits)


def role(section: type[BaseModel], name: str) -> str:
    """Return 'shape' or 'value' for a leaf of a section, or 'section' where the field holds further fields."""
    extra = section.model_fields[name].json_schema_extra
    return str(extra["role"]) if isinstance(extra, dict) else "section"


def _listed(given: Any) -> Any:
    """Turn a YAML list, or a single word or number, into the tuple that a frozen section holds; 64*8 is eight of 64."""
    if isinstance(given, str) and (many := re.fullmatch(r"\s*\[?\s*(\d{1,7})\s*\]?\s*\*\s*([1-9]\d{0,2})\s*", given)):
        return (int(many[1]),) * int(many[2])
    if isinstance(given, list):
        parts = [_listed(item) if isinstance(item, str) and "*" in item else (item,) for item in given]
        return tuple(item for part in parts for item in (part if isinstance(part, tuple) else (part,)))
    return (given,) if isinstance(given, str | int | float) and not isinstance(given, bool) else given


def _paired(given: Any) -> Any:
    """Turn a YAML mapping of place to rate into sorted pairs, which can be hashed."""
    return tuple(sorted(given.items(), key=lambda pair: str(pair[0]))) if isinstance(given, dict) else given


Rate = Annotated[float, Field(ge=0, lt=1)]
Widths = Annotated[tuple[Annotated[int, Field(ge=1, le=1_000_000)], ...], BeforeValidator(_listed)]
Places = Annotated[tuple[str, ...], BeforeValidator(_listed)]
RateAt = Annotated[tuple[tuple[str, Rate], ...], BeforeValidator(_paired)]
