"""What a field of the configuration declares: its role in a pack, its limits, its meaning and when it applies."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from dropexp.quoting import any_of

OFF = "none"  # what a person writes for null


def takes_null(annotation: Any, words: bool = False) -> bool:
    """Return whether null is a value of a field and `none` is no word of its own; `words` counts fields that hold any word."""
    kinds: list[Any] = []
    pending = [annotation]
    while pending:
        kind = pending.pop()
        if get_origin(kind) in (Union, types.UnionType):
            pending += get_args(kind)
        elif get_origin(kind) is Annotated:
            pending.append(get_args(kind)[0])
        elif get_origin(kind) is Literal:
            kinds += get_args(kind)
        else:
            kinds.append(kind)
    return type(None) in kinds and OFF not in kinds and (words or str not in kinds)


def off_as_null(annotation: Any, given: Any) -> Any:
    """Return null for a `none` that switches a field off, anything else as it is."""
    return None if isinstance(given, str) and given == OFF and takes_null(annotation) else given


class Section(BaseModel):
    """A frozen part of a configuration: no unknown keys, no nan, no inf, and no coercion but of int to float and of `none`
    to null where null switches a field off.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True)
    __slots__ = ("_hash",)  # beside the fields, so that copies and pickles do not carry it

    @model_validator(mode="before")
    @classmethod
    def _none_is_null(cls, given: Any) -> Any:
        if not isinstance(given, dict) or OFF not in given.values():
            return given
        fields = cls.model_fields
        return {k: off_as_null(fields[k].annotation, v) if k in fields else v for k, v in given.items()}

    def __eq__(self, other: object) -> bool:
        return self is other or (type(self) is type(other) and self.__dict__ == other.__dict__)

    def __hash__(self) -> int:
        """Return the hash of type and values, found once: the arms of a large grid are looked up many times."""
        known: int | None = getattr(self, "_hash", None)
        if known is None:
            known = hash((type(self), *self.__dict__.values()))
            object.__setattr__(self, "_hash", known)
        return known


@dataclass(frozen=True)
class Condition:
    """What the value of another field must be for a field to apply; as text, in the words of an error: `model.norm batch`.

    `path` is the YAML path of the other field, `relation` a row of RELATIONS, `wanted` what its value is compared with.
    """

    path: str
    relation: str
    wanted: Any = None

    def holds(self, given: Any) -> bool:
        """Return whether the value at `path` fulfils the condition."""
        return RELATIONS[self.relation][0](given, self.wanted)

    def __str__(self) -> str:
        return RELATIONS[self.relation][1](self.path, self.wanted)


# relation -> (whether a value satisfies it, what an error calls it)
RELATIONS: dict[str, tuple[Callable[[Any, Any], bool], Callable[[str, Any], str]]] = {
    "is": (lambda given, wanted: given in wanted, lambda path, wanted: f"{path} {any_of(wanted)}"),
    "is not": (lambda given, wanted: given not in wanted, lambda path, wanted: f"{path} other than {any_of(wanted)}"),
    "is set": (lambda given, wanted: given is not None, lambda path, wanted: path),
    "is above": (lambda given, wanted: given > wanted, lambda path, wanted: f"{path} above {wanted}"),
    "ends in": (
        lambda given, wanted: given.lower().endswith(wanted),
        lambda path, wanted: f"{path} ending in {wanted}",
    ),
}


@dataclass(frozen=True)
class Declared:
    """What a field says of itself beyond its type, default, limits and meaning.

    `role` is `shape` or `value`; `needs` are the conditions that must all hold for the field to apply; `by_kind` holds its
    default in those kinds of model that have one of their own; `called` is what sentences, tables and figures call the
    field, where that is not its name with blanks. pydantic calls it to complete the field's JSON schema.
    """

    role: str
    needs: tuple[Condition, ...] = ()
    by_kind: Mapping[str, Any] = field(default_factory=dict)
    called: str = ""

    def __call__(self, schema: dict[str, Any]) -> None:
        schema["role"] = self.role
        if self.needs:
            schema["needs"] = " and ".join(map(str, self.needs))


def shape(
    default: Any,
    means: str,
    *,
    needs: tuple[Condition, ...] = (),
    by_kind: Mapping[str, Any] | None = None,
    called: str = "",
    **limits: Any,
) -> Any:
    """Return a field that must agree among the runs of a pack, since it decides the shape of tensors."""
    return Field(
        default, description=means, json_schema_extra=Declared("shape", needs, by_kind or {}, called), **limits
    )


def value(default: Any, means: str, *, needs: tuple[Condition, ...] = (), called: str = "", **limits: Any) -> Any:
    """Return a field that may differ among the runs of a pack: one entry of a vector along R."""
    return Field(default, description=means, json_schema_extra=Declared("value", needs, called=called), **limits)


def declared(section: type[BaseModel], name: str) -> Declared | None:
    """Return what a field says of itself, None where it is a section that holds further fields."""
    extra = section.model_fields[name].json_schema_extra
    return extra if isinstance(extra, Declared) else None


def _listed(given: Any) -> Any:
    """Turn a YAML list, or a single word or number, into the tuple that a frozen section holds; 64*8 is eight of 64."""
    if isinstance(given, str) and (many := re.fullmatch(r"\s*\[?\s*(\d{1,7})\s*\]?\s*\*\s*([1-9]\d{0,2})\s*", given)):
        return (int(many[1]),) * int(many[2])
    if isinstance(given, list):
        parts = [_listed(item) if isinstance(item, str) and "*" in item else (item,) for item in given]
        return tuple(item for part in parts for item in (part if isinstance(part, tuple) else (part,)))
    return (given,) if isinstance(given, str | int | float) and not isinstance(given, bool) else given


def _words(given: Any) -> Any:
    """Turn a YAML list, or a single word, into a tuple of words; 2020 is a word there, as the name of a column may be."""
    listed = given if isinstance(given, list | tuple) else (given,)
    words = tuple(str(item) if isinstance(item, int) and not isinstance(item, bool) else item for item in listed)
    return words if isinstance(given, list | tuple | str | int) and not isinstance(given, bool) else given


def _paired(given: Any) -> Any:
    """Turn a YAML mapping of place to rate into sorted pairs, which can be hashed."""
    return tuple(sorted(given.items(), key=lambda pair: str(pair[0]))) if isinstance(given, dict) else given


Rate = Annotated[float, Field(ge=0, lt=1)]
Widths = Annotated[tuple[Annotated[int, Field(ge=1, le=1_000_000)], ...], BeforeValidator(_listed)]
Words = BeforeValidator(_words)
Shares = Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], BeforeValidator(_listed)]
Places = Annotated[tuple[str, ...], BeforeValidator(_listed)]
RateAt = Annotated[tuple[tuple[str, Rate], ...], BeforeValidator(_paired)]
