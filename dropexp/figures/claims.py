"""claims.png: every claim with its verdict, and its interval next to what the claim requires."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite, isnan

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dropexp.analysis.claim_words import criteria
from dropexp.analysis.judging import REFUTED, SUPPORTED, UNDECIDED, WAITING, ClaimVerdict, judge
from dropexp.analysis.number_format import typeset
from dropexp.analysis.rules import TOST
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.claims import Part
from dropexp.figures.axis_range import Scale, beyond, scale
from dropexp.figures.paper import panel
from dropexp.figures.sheet import EDGE, GREY, NOTE, TEXT, Room, mark, sheet
from dropexp.figures.style import BETTER, INK, UNSURE, WORSE, grid
from dropexp.figures.text_size import height, width, wrap
from dropexp.metrics import RUNS, Metric
from dropexp.wording.labels import OVER, STARS, stars_of

ROWS = 30
PANEL = 3.0
SAYS = 3.3  # inches for what a claim says
GOAL, MUST = "#DCE9F2", "#6F9DBF"  # where an interval must lie, and what it must reach
BESIDE = ("increasing", "decreasing", "interior_best")  # whose rule is more than one interval can show
LOOKS = {
    SUPPORTED: ("✓", "o", BETTER),
    REFUTED: ("✗", "X", WORSE),
    UNDECIDED: ("?", "D", UNSURE),
    WAITING: ("…", "D", UNSURE),
}


@dataclass(frozen=True)
class Row:
    """A claim or a part of one: its words in lines, those below them, its numbers, and the height it takes."""

    claim: ClaimVerdict
    part: bool
    says: str
    below: str
    numbers: str
    tall: float


def claims_figure(tidy: Tidy) -> Figure | None:
    """Return a row for each claim and each part of one, up to thirty; None if a study has no claims."""
    judged = judge(tidy)
    if not judged:
        return None
    rows = [_row(c, part) for claim in judged for part, c in [(False, claim), *((True, p) for p in claim.parts)]]
    shown = rows[:ROWS]
    badge = max(width(f"✓ {_badge(r.claim)}", TEXT, bold=True) for r in shown) + 0.2
    beside = max((width(r.numbers, TEXT) for r in shown), default=0.0) + 0.25
    left = EDGE + badge + SAYS + 0.15
    note = f"bars: {OVER} of compare minus against, paired by seed, each claim by itself"
    note += "".join(f"; {line}" for line in stars_of({r.claim.reach for r in shown}))
    found = [(r, r.claim.estimate) for r in shown]
    view = scale([([0.0, 100 * d.mean, *_goal(r.claim)], [100 * d.low, 100 * d.high]) for r, d in found])
    there = [(r, d) for r, d in found if r.numbers]
    if said := beyond(
        view, [(r.claim.spoken, r.numbers, [100 * d.mean], [100 * d.low, 100 * d.high]) for r, d in there]
    ):
        note += f"; {said}"
    if len(rows) > len(shown):
        note += f"; {len(rows) - len(shown)} more rows not shown"
    key = [
        mark("compare minus against, 95% interval", color=INK, marker="o", linestyle="-"),
        Patch(facecolor=GOAL, label="supported if the whole 95% interval is in here"),
    ]
    if any(_rule(r.claim)[1] for r in shown):
        line = {"color": MUST, "linestyle": (0, (3, 2)), "linewidth": 1.6}
        key.append(mark("and the 90% interval reaches this line, the margin", **line))
    if any(_inner(r.claim) for r in shown):
        key.append(
            mark("90% interval; for “equal” this one must be in the shade", color=INK, linestyle="-", linewidth=5)
        )
    tall = sum(r.tall for r in shown)
    size = panel((PANEL, tall), rows=True)
    shown = [replace(r, tall=r.tall * size[1] / tall) for r in shown]
    room = Room(left=left, right=beside, top=0.1, bottom=0.55)
    unit = _unit([RUNS[r.claim.metric].metric for r in shown if r.claim.metric])
    figure, (ax,) = sheet(_title(judged), note, 1, 1, size, room, key, (unit, ""))
    ax.set_xlim(view.low, view.high)
    ax.set_ylim(size[1], 0)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    grid(ax, "x")
    top = 0.0
    for r in shown:
        _draw(ax, r, top, view, badge, left, size[0])
        top += r.tall
    ax.axvline(0, color=INK, linewidth=1, zorder=1.5)
    return figure


def _unit(metrics: Sequence[Metric]) -> str:
    """Return the unit of the axis; metrics that are not fractions are multiplied by 100, as fractions are."""
    others = dict.fromkeys(m for m in metrics if not m.fraction)
    said = [f"for {m.words}: hundredths{' of a nat' if m.unit == 'nats' else ''}" for m in others]
    return f"points ({'; '.join(said)})" if said else "points"


def _title(found: tuple[ClaimVerdict, ...]) -> str:
    counts = {word: sum(c.verdict == word for c in found) for word in LOOKS}
    if len(found) == 1:
        return f"{found[0].verdict.capitalize()}: {found[0].spoken}"
    parts = [f"{count} {word}" for word, count in counts.items() if count]
    return f"{len(found)} claims: {', '.join(parts)}"


def _badge(claim: ClaimVerdict) -> str:
    return claim.verdict + STARS.get(claim.reach, "")


def _row(claim: ClaimVerdict, part: bool) -> Row:
    room = SAYS - 0.2 * part
    d = claim.estimate
    judged = bool(d.n) and not isnan(d.mean)
    says = wrap(claim.spoken, room, TEXT, bold=not part)
    notes = [claim.why, *claim.notes] if judged or claim.parts else [*claim.notes, claim.sentence]
    if claim.expect in BESIDE:
        notes.append(f"supported if {criteria(Part(metric=claim.metric, expect=claim.expect, margin=claim.margin))[0]}")
    notes = [note for note in notes if note]
    below = wrap(typeset("\n".join(notes)), room, NOTE) if notes else ""
    numbers = _numbers(claim) if judged else ""
    return Row(claim, part, says, below, numbers, max(height(says, TEXT) + height(below, NOTE) + 0.16, 0.4))


def _numbers(claim: ClaimVerdict) -> str:
    d, metric = claim.estimate, RUNS[claim.metric].metric
    mean, low, high = (f"{100 * v:+.1f}" if metric.fraction else f"{v:+.3f}" for v in (d.mean, d.low, d.high))
    unit = "" if metric.fraction else f" {metric.unit}".rstrip()
    interval = f" [{low}, {high}]" if not d.why else ""
    return typeset(f"{mean}{interval}{unit}, n = {d.n}")


def _rule(claim: ClaimVerdict) -> tuple[list[tuple[float, float]], list[float]]:
    """Return, times 100, the regions of which one must contain the interval to support a claim, and what it must reach."""
    m = 100 * claim.margin
    if isnan(m):
        return [], []
    return {
        "equal": ([(-m, m)], []),
        "at_least": ([(m, inf)], []),
        "lower_at_least": ([(-inf, -m)], []),
        "interaction": ([(-inf, 0.0), (0.0, inf)], [-m, m]),
        "lower": ([(-inf, 0.0)], [-m]),
        "decreasing": ([(-inf, 0.0)], [-m]),
        "interior_best": ([], []),
    }.get(claim.expect, ([(0.0, inf)], [m]))


def _inner(claim: ClaimVerdict) -> bool:
    """Whether the rule uses the 90% interval too: `equal` requires it to be within the margin, other rules not to be."""
    return claim.expect == "equal" or bool(_rule(claim)[1])


def _goal(claim: ClaimVerdict) -> list[float]:
    """Return what the scale must show of a rule."""
    regions, reached = _rule(claim)
    return [x for x in (*reached, *(end for region in regions for end in region)) if isfinite(x)]


def _draw(ax: Axes, row: Row, top: float, view: Scale, badge: float, left: float, wide: float) -> None:
    claim, d = row.claim, row.claim.estimate
    sign, marker, color = LOOKS[claim.verdict]
    y, across = top + row.tall / 2, ax.get_yaxis_transform()
    x = EDGE + 0.2 * row.part
    words = {"transform": across, "fontsize": TEXT}
    ax.text((x - left) / wide, y, f"{sign} {_badge(claim)}", color=color, fontweight="bold", va="center", **words)
    first = y - (height(row.says, TEXT) + height(row.below, NOTE)) / 2
    x += badge
    ax.text((x - left) / wide, first, row.says, va="top", fontweight="normal" if row.part else "bold", **words)
    under = first + height(row.says, TEXT)
    ax.text((x - left) / wide, under, row.below, va="top", transform=across, fontsize=NOTE, color=GREY)
    ax.text(1 + 0.12 / wide, y, row.numbers, va="center", **words)
    if not row.part and top:
        ends = [(EDGE - left) / wide, 1.0]
        ax.plot(ends, [top, top], color="#D0D0D0", linewidth=0.8, transform=across, clip_on=False, zorder=0)
    if not row.numbers:
        return
    regions, reached = _rule(claim)
    half = row.tall * 0.42
    for low, high in regions:
        ends = max(low, view.low), min(high, view.high)
        ax.fill_betweenx([y - half, y + half], *ends, color=GOAL, linewidth=0, zorder=1)
    for x in reached:
        ax.plot([x, x], [y - half, y + half], color=MUST, linestyle=(0, (3, 2)), linewidth=1.6, zorder=2)
    mean = 100 * d.mean
    if side := view.off(mean):
        ax.plot(
            [view.low if side < 0 else view.high],
            [y],
            "<" if side < 0 else ">",
            color=color,
            markersize=9,
            clip_on=False,
            zorder=4,
        )
        return
    inner = [(d.at(1 - (1 - TOST) * claim.errors), 5.0)] if _inner(claim) else []
    for (low, high), thick in (((d.low, d.high), 1.2 if inner else 2.6), *inner):
        if isfinite(low):
            ends = max(100 * low, view.low), min(100 * high, view.high)
            ax.hlines(y, *ends, color=color, linewidth=thick, zorder=3)
    ax.plot([mean], [y], marker, color=color, markeredgecolor="white", markersize=6.5, zorder=4)
