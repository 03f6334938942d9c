"""The layout of a figure: the title with the finding, the key, panels of a fixed size, and a note at the foot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dropexp.analysis.number_format import typeset
from dropexp.figures.key import HANDLE, SPACE, legend
from dropexp.figures.paper import given, most, settle
from dropexp.figures.text_size import height, shortened, width, wrap

# Matplotlib's constrained layout was tried side by side with this file and lost: it puts a legend outside the panels into the
# band of the title, cuts off words written beside a panel, neither wraps titles nor keeps panels of equal size from study to
# study, and takes a third longer to draw.
TITLE, HEAD, TEXT, NOTE = 14.0, 11.0, 10.0, 9.0  # points
EDGE = 0.12  # inches of paper around everything
LEAST = 7.0  # inches: a narrower figure has no room for its title
GREY = "#595959"


@dataclass(frozen=True)
class Room:
    """Inches left free around the panels and between them, for ticks, labels and the names of panels."""

    left: float = 0.82
    right: float = 0.2
    top: float = 0.1
    bottom: float = 0.6
    across: float = 0.25
    down: float = 0.14

    def named(self, names: Sequence[str], columns: int) -> Room:
        """Return the room with space for the tallest of the panels' names, and for ticks over an unfinished row."""
        first, others = (
            max((height(n, TEXT) for n in part), default=0.0) for part in (names[:columns], names[columns:])
        )
        ticks = 0.2 if len(names) > columns and len(names) % columns and given() is None else 0.0
        return replace(self, top=self.top + first, down=self.down + others + ticks)


def beside(count: int, inner: int = 0) -> int:
    """Return how many of so many panels stand beside each other, groups of `inner` kept together where they fit."""
    if inner in (3, 4) and count > inner and count % inner == 0:
        return min(inner, most())
    return min({0: 1, 1: 1, 2: 2, 3: 3, 4: 2, 5: 3, 6: 3, 9: 3}.get(count, 4), most())


def sheet(
    title: str,
    note: str,
    panels: int,
    columns: int,
    size: tuple[float, float],
    room: Room,
    key: Sequence[Artist] = (),
    labels: tuple[str, str] = ("", ""),
) -> tuple[Figure, list[Axes]]:
    """Return a figure as large as its panels of `size` inches need, and their axes, row by row.

    `labels` are what runs across and upwards in every panel, written once. The title is the figure's first text and
    the note its last, by which a page finds them; in a figure drawn to a size they are there, and not drawn.
    """
    rows = max(-(-panels // columns), 1)
    inner = columns * size[0] + (columns - 1) * room.across
    wide = room.left + inner + room.right
    title, note = typeset(title), typeset(note)
    asked = given()
    wide = max(wide, LEAST) if asked is None else wide
    breadth = (wide if asked is None else asked[0]) - 2 * EDGE
    heading, foot = ("", "") if asked else (wrap(title, breadth, TITLE, bold=True), wrap(note, breadth, NOTE))
    lines = _lines(key, breadth)
    key_top = EDGE + height(heading, TITLE) + (0.05 if heading else 0.0)
    top = key_top + 0.25 * len(lines) + 0.08 + room.top
    under = 0.08 + height(foot, NOTE) if foot else 0.0
    bottom = under + room.bottom
    tall = top + rows * size[1] + (rows - 1) * room.down + bottom
    if settle(max([wide, *(_width(line) + 2 * EDGE for line in lines)]), tall, columns, rows, size):
        wide, tall = asked or (wide, tall)
    figure = Figure(figsize=(wide, tall))
    head = {"fontsize": TITLE, "fontweight": "bold", "va": "top", "ha": "left", "visible": not asked}
    figure.text(EDGE / wide, 1 - EDGE / tall, heading or title, **head)
    for i, line in enumerate(lines):
        at = EDGE / wide, 1 - (key_top + 0.25 * i) / tall
        legend(figure, line, [str(entry.get_label()) for entry in line], at, TEXT)
    axes = []
    for i in range(panels):
        x = room.left + i % columns * (size[0] + room.across)
        y = tall - top - (i // columns + 1) * size[1] - i // columns * room.down
        axes.append(figure.add_axes((x / wide, y / tall, size[0] / wide, size[1] / tall), facecolor="none"))
    across, upwards = labels
    foot_top = ((under or 0.04) + 0.02) / tall
    center = room.left + inner / 2
    if asked and width(across, HEAD) > 2 * min(center, wide - center):
        across = shortened(across.split(" (")[0], 2 * min(center, wide - center), HEAD)
    figure.text(center / wide, foot_top, across, fontsize=HEAD, va="bottom", ha="center")
    middle = (tall - top - (rows * size[1] + (rows - 1) * room.down) / 2) / tall
    if asked and width(upwards, HEAD) > (free := 2 * tall * min(middle, 1 - middle)):
        upwards = shortened(upwards.split(",")[0], free, HEAD)
    figure.text(EDGE / wide, middle, upwards, fontsize=HEAD, va="center", ha="left", rotation=90)
    look = {"fontsize": NOTE, "color": GREY, "va": "bottom", "ha": "left", "visible": not asked}
    figure.text(EDGE / wide, 0.08 / tall, foot or note, **look)
    return figure, axes


def inches(axes: Axes) -> tuple[float, float]:
    """Return the width and height of a panel in inches."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    wide, tall = figure.get_size_inches()
    box = axes.get_position()
    return float(box.width * wide), float(box.height * tall)


def mark(label: str, **look: object) -> Line2D:
    """Return an entry of the key: a line or marker of that look."""
    return Line2D([], [], **{"linestyle": "", **look}, label=label)  # type: ignore[arg-type]


def _lines(key: Sequence[Artist], room: float) -> list[list[Artist]]:
    """Return the entries of the key in lines that fit."""
    lines: list[list[Artist]] = []
    left = 0.0
    for entry in key:
        need = _width([entry])
        if not lines or need > left:
            lines.append([])
            left = room
        lines[-1].append(entry)
        left -= need + SPACE
    return lines


def _width(line: Sequence[Artist]) -> float:
    return sum(HANDLE + 0.1 + width(str(entry.get_label()), TEXT) for entry in line) + SPACE * (len(line) - 1)
