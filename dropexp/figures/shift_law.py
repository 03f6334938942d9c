"""The figure of the law of variance shift: measured points on the closed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

from dropexp.figures.sheet import TEXT, Room, mark, sheet
from dropexp.figures.style import INK, METADATA, TEST, grid, styled
from dropexp.files import write_named

Points = Mapping[str, Sequence[tuple[float, float, float]]]


def draw_shift(points: Points, curve: Sequence[tuple[float, float]], path: Path) -> None:
    """Write the figure as .png or .svg, by the suffix of `path`, one panel for each kind of dropout.

    `points` holds (keep, closed form, measured) by kind, `curve` (keep, closed form): ratios of the variance in evaluation
    to that in training.
    """
    with styled():
        title = "Dropout before batch norm: with dropout off, the input of the norm varies less"
        note = "input: relu of a standard normal; the running variance of the norm is that of training"
        line, dots = {"color": INK}, {"color": TEST, "marker": "o"}
        key = [mark("closed form", **line, linestyle="-"), mark("measured", **dots)]
        room = Room().named(list(points), len(points))
        labels = ("keep probability", "variance in evaluation / in training")
        figure, panels = sheet(title, note, len(points), len(points), (2.6, 2.6), room, key, labels)
        for i, (axes, (kind, found)) in enumerate(zip(panels, points.items(), strict=True)):
            grid(axes)
            axes.set_title(kind, loc="left", fontsize=TEXT)
            axes.plot(*zip(*curve, strict=True), **line, zorder=1)
            keeps, _, measured = zip(*found, strict=True)
            axes.plot(keeps, measured, **dots, linestyle="")
            axes.set_ylim(0.0, 1.03)
            axes.tick_params(labelleft=i == 0)
        content = BytesIO()
        kind = path.suffix.lower().removeprefix(".")
        figure.savefig(content, format=kind, metadata=METADATA[kind])
    write_named(path, content.getvalue())
