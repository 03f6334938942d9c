"""The figures in the page: each a small PNG in a data URI, with its title and note as text for screen readers."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from dropexp.analysis.tidy import Tidy
from dropexp.figures.all_figures import FIGURES
from dropexp.figures.style import styled

DPI = 150
COLOURS = 128  # a figure has a few inks and their edges: a quarter of the bytes, and no eye sees it
PAD = 8  # pixels


@dataclass(frozen=True)
class Picture:
    """A figure: its name, its title, its note, the PNG as a data URI, and its size in CSS pixels."""

    name: str
    finding: str
    note: str
    uri: str
    width: int
    height: int


def pictures(tidy: Tidy) -> Iterator[Picture]:
    """Draw every figure that applies; title and note are taken out of the picture and become text."""
    with styled():
        for figures in FIGURES.values():
            for name, figure in figures(tidy):
                yield _picture(name, figure)


def _picture(name: str, figure: Figure) -> Picture:
    texts = figure.texts[:1] + figure.texts[1:][-1:]
    finding, note = [*(" ".join(text.get_text().split()) for text in texts), "", ""][:2]
    for text in texts:
        text.set_visible(False)
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = Image.fromarray(_inked(np.asarray(canvas.buffer_rgba())[:, :, :3]))
    width, height = (round(96 * size / DPI) for size in image.size)
    uri = f"data:image/png;base64,{base64.b64encode(compressed(image)).decode('ascii')}"
    return Picture(name, finding or name, note, uri, width, height)


def compressed(image: Image.Image) -> bytes:
    """Return a picture as a PNG with few colours."""
    content = BytesIO()
    few = image.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(content, "png", optimize=True)
    return content.getvalue()


def _inked(pixels: np.ndarray) -> np.ndarray:
    """Return the part of a picture, (height, width, RGB), that is not white, with a small margin."""
    drawn = (pixels < 255).any(axis=2)
    if not drawn.any():
        return pixels
    (top, bottom), (left, right) = ((found.min(), found.max() + 1) for found in np.nonzero(drawn))
    return np.ascontiguousarray(pixels[max(top - PAD, 0) : bottom + PAD, max(left - PAD, 0) : right + PAD])
