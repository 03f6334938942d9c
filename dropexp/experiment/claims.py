"""Claims: the sentences of a study file that its runs are to support or refute, and what each must name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from dropexp.experiment.fields import Section

ALONG = ("increasing", "decreasing", "interior_best")  # claims about all values of one axis
ORDERED = ("increasing", "decreasing")
DOWNWARD = ("lower", "lower_at_least", "decreasing")  # the claimed direction is that of smaller numbers
ALL = "all"
Expectation = Literal[
    "lower", "higher", "at_least", "lower_at_least", "equal", "interaction", "increasing", "decreasing", "interior_best"
]


def _tuple(given: Any) -> Any:
    return tuple(given) if isinstance(given, list) else given


class Part(Section):
    """What is compared with what: arms by the values that they have, all other axes being equal."""

    metric: str = Field("gap", description="a metric column of runs.csv", min_length=1)
    compare: dict[str, Any] = Field(default_factory=dict, description="the arms in question, by axis")
    against: dict[str, Any] = Field(default_factory=dict, description="the arms that they are compared with")
    expect: Expectation = Field(
        "lower",
        description="the expected direction; at_least and lower_at_least require the whole interval to be beyond the margin",
    )
    margin: Annotated[float, Field(gt=0)] = Field(0.005, description="the smallest difference that counts, a fraction")
    tuned_over: Annotated[tuple[str, ...], BeforeValidator(_tuple)] = Field(
        (), description="axes for which each arm and seed uses the value with the best validation loss"
    )


class Claim(Part):
    """A sentence, judged on the rows of a finished study: one part, or `all` of several."""

    says: str = Field("", description="the claim in words")
    all: Annotated[tuple[Part, ...], BeforeValidator(_tuple)] = Field(
        (), description="parts that must all be supported, instead of metric, compare and against"
    )

    @property
    def parts(self) -> tuple[Part, ...]:
        return self.all or (self,)
