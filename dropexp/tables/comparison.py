"""The table of a comparison of two studies or two arms: one row per metric, and notes on its numbers."""

from __future__ import annotations

import textwrap

from dropexp.analysis.compare import Contrast, Pair, Side, differing
from dropexp.analysis.inference import SAME
from dropexp.analysis.stats import Difference, Estimate
from dropexp.experiment.levels import FEWEST, TOGETHER
from dropexp.experiment.naming import headings, label
from dropexp.metrics import RUNS
from dropexp.tables.arms import WIDTH, Column, side_by_side
from dropexp.wording.labels import LATE, OVER, corrected, directed, epoch_rule, half, percent, signed, starred, stars
from dropexp.wording.movements import moved

SHOWN = 5  # paths on which the sides differ


def comparison(pairs: tuple[Pair, ...], names: tuple[str, str]) -> str:
    """Return the comparison as plain text; accuracies in percent, differences in points, losses in nats per example."""
    lines = [f" A: {names[0]}", f" B: {names[1]}"]
    if apart := differing(pairs):
        words = headings(tuple(apart))
        parts = [f"{words[path]} {a or 'none'} | {b or 'none'}" for path, (a, b) in list(apart.items())[:SHOWN]]
        more = f", and {len(apart) - SHOWN} more" if len(apart) > SHOWN else ""
        lines += textwrap.wrap(f"A | B: {', '.join(parts)}{more}", WIDTH - 1, initial_indent=" ")
    heading, *rows = side_by_side(_columns(pairs, "  " * (len(pairs) > 1)))
    lines += ["", heading]
    for pair in pairs:
        lines += [f" {common(pair)}"] if len(pairs) > 1 else []
        lines += rows[: len(pair.contrasts)]
        rows = rows[len(pair.contrasts) :]
    wrapped = [part for note in _notes(pairs) for part in textwrap.wrap(note, WIDTH - 1, subsequent_indent="  ")]
    return "\n".join([*lines, "", *(f" {line}" for line in wrapped)])


def common(pair: Pair) -> str:
    """Return what both arms of a pair have in common, by what their studies sweep."""
    a, b = pair.a.arm.cells, pair.b.arm.cells
    paths = dict.fromkeys((*pair.a.tidy.axes, *pair.b.tidy.axes))
    return label(pair.a.arm, tuple(p for p in paths if p in a and a[p] == b.get(p)))


def _columns(pairs: tuple[Pair, ...], indent: str) -> list[Column]:
    found = [c for pair in pairs for c in pair.contrasts]
    return [
        Column("", [("", indent + c.metric.replace("_", " ")) for c in found]),
        Column("A", [_mean(c, c.a) for c in found]),
        Column("B", [_mean(c, c.b) for c in found]),
        Column("A minus B", [_distance(c) for c in found]),
        Column("seeds", [("", _seeds(c)) for c in found]),
    ]


def _mean(c: Contrast, e: Estimate) -> tuple[str, str]:
    return (percent(e.mean), half(e.half)) if _in_points(c) else (nats(e.mean), half_nats(e.half))


def _in_points(c: Contrast) -> bool:
    return c.metric not in RUNS or RUNS[c.metric].metric.fraction  # what a study leads with are accuracies and gaps


def _distance(c: Contrast) -> tuple[str, str]:
    d = c.judged.difference
    number, spread = (signed(d.mean), half(d.half)) if _in_points(c) else (nats(d.mean, "+"), half_nats(d.half))
    return number, f"{spread} {starred(c.judged)}".strip()


def _seeds(c: Contrast) -> str:
    return f"{c.judged.difference.n} paired" if c.judged.difference.paired else f"{c.a.n} and {c.b.n}"


def nats(loss: float, sign: str = "") -> str:
    """Return a loss in nats per example with three decimals."""
    return "-" if loss != loss else f"{loss:{sign}.3f}"


def half_nats(loss: float) -> str:
    """Return half an interval of a loss, '' where there is none."""
    return "" if loss != loss else "± <0.001" if loss < 0.0005 else f"± {loss:.3f}"


def _notes(pairs: tuple[Pair, ...]) -> list[str]:
    sides = [side for pair in pairs for side in (pair.a, pair.b)]
    rules = dict.fromkeys(epoch_rule(side.tidy) for side in sides)
    losses = "; losses in nats per example" if any("loss" in c.metric for pair in pairs for c in pair.contrasts) else ""
    lines = [
        f"±: half the {OVER}",
        f"train, test: accuracy in percent, dropout off, {' or '.join(rules)}; gap: train minus test, in points{losses}",
    ]
    if any(side.tidy.noisy for side in sides):
        lines.append("where labels are wrong, train and gap count only training examples with correct labels")
    return [*lines, *_shrunk(pairs), *_pairing(pairs), *_absent(sides)]


def _shrunk(pairs: tuple[Pair, ...]) -> list[str]:
    """Return all three movements of each smaller gap in which training accuracy had a part."""
    lines = []
    for pair in pairs:
        train, test, gap = ({c.metric: c.judged for c in pair.contrasts}.get(m) for m in ("train", "test", "gap"))
        if three := moved(train, test, gap):
            lines.append(f"smaller gap{f', {common(pair)}' if len(pairs) > 1 else ''}: {three}")
    return lines


def _pairing(pairs: tuple[Pair, ...]) -> list[str]:
    found: list[tuple[Pair, Difference]] = [(pair, c.judged.difference) for pair in pairs for c in pair.contrasts]
    lines = []
    if any(d.paired for _, d in found):
        lines.append("paired: by the seeds that A and B share")
    if apart := [pair for pair, d in found if not d.paired]:
        foreign = any(pair.a.arm.population != pair.b.arm.population for pair in apart)
        why = "a seed gives A and B different splits" if foreign else "A and B share fewer than two seeds"
        lines.append(f"not paired (Welch's t-test): {why}")
    if any(c.judged.difference.why == "variance 0" and c.judged.word != SAME for pair in pairs for c in pair.contrasts):
        lines.append(
            "undecided without ±: the difference is the same in every seed (variance 0), so it has no interval"
        )
    return [*lines, *_family(pairs)]


def _family(pairs: tuple[Pair, ...]) -> list[str]:
    """Return for which comparisons verdicts are corrected, and how far they reach."""
    answers = [c.judged for pair in pairs for c in pair.contrasts if c.metric in TOGETHER]
    lines = []
    if any(j.exploratory for j in answers):
        lines.append("exploratory: each interval is 95% by itself, not corrected for other comparisons")
    elif sizes := sorted({j.family for j in answers if j.family > 1}):
        of = " of the study" if all(pair.a.tidy is pair.b.tidy for pair in pairs) else ""
        lines.append(directed("±", any(1 < j.difference.n < FEWEST for j in answers)))
        lines.append(f"{corrected(' or '.join(map(str, sizes)))}{of}, in test and gap together")
    late = dict.fromkeys(c.metric.replace("_", " ") for pair in pairs for c in pair.contrasts if _late(c))
    if late:
        where = "" if len(pairs) == 1 else f" at {_listed([common(p) for p in pairs if any(map(_late, p.contrasts))])}"
        lines.append(f"after the fact: {', '.join(late)}{where}, {LATE}")
    return lines + stars(answers)


def _late(c: Contrast) -> bool:
    return c.judged.told and c.judged.after


def _listed(names: list[str]) -> str:
    return "; ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _absent(sides: list[Side]) -> list[str]:
    once = {(id(side.tidy), side.arm.arm_id): side for side in sides}.values()
    diverged = sum(side.tidy.diverged(side.arm) for side in once)
    return [f"{diverged} diverged run{'s' * (diverged != 1)}, left out of the means"] if diverged else []
