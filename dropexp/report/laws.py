"""The figure of the law of variance shift: measured points on the closed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

from dropexp.report.style import INK, METADATA, TEST, canvas, entitle, frame, grid, styled

Points = Mapping[str, Sequence[tuple[float, float, float]]]


def draw_shift(points: Points, curve: Sequence[tuple[float, float]], path: Path) -> None:
    """Write the figure as .png or .svg, by the suffix of `path`, a panel for each kind of dropout.

    `points` holds (keep, closed form, measured) by kind, `curve` (keep, closed form): ratios of the variance in evaluation
    to that in training.
    """
    with styled():
        figure, panels = canvas(1, len(points), size=(9.5, 4.2), sharey=True)
        for axes, (kind, found) in zip(panels, points.items(), strict=True):
            grid(axes)
            entitle(axes, kind)
            line = axes.plot(*zip(*curve, strict=True), color=INK, label="closed form", zorder=1)
            keeps, _, measured = zip(*found, strict=True)
            marks = axes.plot(keeps, measured, "o", color=TEST, label="measured")
            axes.set_xlabel("keep probability")
            axes.set_ylim(0.0, 1.03)
        panels[0].set_ylabel("variance in evaluation / in training")
        title = "Dropout before batch norm: once it is off, what enters varies less"
        note = "relu of a standard normal; the norm's running variance is the one in training"
        frame(figure, title, note, [*line, *marks])
        content = BytesIO()
        kind = path.suffix.lower().removeprefix(".")
        figure.savefig(content, format=kind, metadata=METADATA[kind])
    path.write_bytes(content.getvalue())
