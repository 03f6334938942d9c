"""weights.png and first-layer.png: how large weights are, how far they came, how smooth the loss is, and what units look at."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dropexp.analysis.probed import at_the_end, measured_arms, sample
from dropexp.analysis.tidy import Tidy
from dropexp.experiment.naming import label
from dropexp.figures.beside_arms import MOST, key, places
from dropexp.figures.dumbbell import spaced
from dropexp.figures.paper import panel
from dropexp.figures.sheet import TEXT, Room, sheet
from dropexp.figures.text_size import wrap
from dropexp.wording.labels import epoch_rule, footnote
from dropexp.wording.probed import sentence

SMOOTH = (("input", "gradient"), ("loss", "gradient"), ("loss", "random"))
ROWS, UNITS = 6, 12  # images: arms and units shown at most


def weights_figure(tidy: Tidy) -> Figure | None:
    """Return norms, distances and smoothness; None where the probe's rows do not exist."""
    rows = at_the_end(tidy, "weights")
    layers = list(dict.fromkeys(rows.loc[rows["at"] == "from_start", "layer"]))
    if not layers:
        return None
    panels = {
        "norm of a layer's weights": {layer: sample(rows, layer) for layer in layers},
        "their distance from the start": {layer: sample(rows, layer, "from_start") for layer in layers},
        "norm of the loss's gradient with respect to inputs": {"test examples": sample(rows, *SMOOTH[0])},
        "rise of the training loss: a step along the gradient": {"training examples": sample(rows, *SMOOTH[1])},
        "rise of the training loss: steps in random directions": {"training examples": sample(rows, *SMOOTH[2])},
    }  # fmt: skip
    panels = {name: own for name, own in panels.items() if any(own.values())}
    arms = measured_arms(tidy, [sample(rows, layers[0])])
    shown = spaced(arms, MOST)
    size = panel((3.6, 2.2))
    names = [wrap(name, size[0], TEXT) for name in panels]
    note = footnote(tidy, "bars", len(arms) - len(shown))
    note += "; steps are as long as the probe's radius times the norm of all parameters"
    room = Room(bottom=0.4, across=0.65, down=0.35).named(names, 2)
    title = sentence(tidy, "Norm of the loss's gradient with respect to inputs", sample(rows, *SMOOTH[0]))
    figure, axes = sheet(title, note, len(names), 2, size, room, key(tidy, shown))
    for ax, name, own in zip(axes, names, panels.values(), strict=True):
        ax.set_title(name, loc="left", fontsize=TEXT)
        places(ax, shown, list(own), list(own.values()))
    return figure


def first_layer_figure(tidy: Tidy) -> Figure | None:
    """Return a row of units per arm, those of its first seed; None where no weights were written out as images."""
    rows = at_the_end(tidy, "weights")
    own = rows[rows["at"].str.fullmatch(r"\d+\.\d+\.\d+\.\d+")]
    arms = measured_arms(tidy, [{str(arm): pd.Series() for arm in own["arm_id"].unique()}])
    if not arms:
        return None
    shown = spaced(arms, ROWS)
    pictures = [_pictures(own[own["arm_id"] == arm.arm_id]) for arm in shown]
    units = min(UNITS, max(len(p) for p, _ in pictures))
    size = panel((6.4, 6.4 / max(units, 6)), rows=True)
    names = [
        wrap(f"{label(arm, tidy.axes)}: seed {seed}" if tidy.axes else f"seed {seed}", size[0], TEXT)
        for arm, (_, seed) in zip(shown, pictures, strict=True)
    ]
    note = (
        f"{epoch_rule(tidy)}; each arm on its own scale; one seed of each arm, so that nothing is said of differences"
    )
    note += f"; {len(arms) - len(shown)} more arms not shown" if len(arms) > len(shown) else ""
    layer = str(own["layer"].iloc[0])
    figure, axes = sheet(
        f"Weights of the first {units} units of {layer}, as images", note, len(shown), 1, size,
        Room(left=0.3, bottom=0.15, down=0.1).named(names, 1),
    )  # fmt: skip
    for ax, name, (images, _) in zip(axes, names, pictures, strict=True):
        ax.set_title(name, loc="left", fontsize=TEXT)
        _row(ax, images[:units], units)
    return figure


def _pictures(own: pd.DataFrame) -> tuple[np.ndarray, int]:
    """Return the weights of an arm's first seed, (units, channels, height, width), and that seed."""
    seed = int(own["seed"].min())
    of_seed = own[own["seed"] == seed]
    at = np.array([[int(n) for n in place.split(".")] for place in of_seed["at"]])
    images = np.zeros(at.max(0) + 1)
    images[tuple(at.T)] = of_seed["value"]
    return images, seed


def _row(ax: Axes, images: np.ndarray, units: int) -> None:
    """Draw units beside each other: three channels in colour, others by their mean; grey is 0."""
    largest = float(np.abs(images).max()) or 1.0
    _, channels, height, wide = images.shape
    canvas = np.ones((height, units * (wide + 1) - 1, 3))
    for unit, image in enumerate(images):
        colours = image if channels == 3 else np.repeat(image.mean(0, keepdims=True), 3, 0)
        canvas[:, unit * (wide + 1) : unit * (wide + 1) + wide] = np.moveaxis(0.5 + colours / (2 * largest), 0, 2)
    ax.imshow(canvas, interpolation="nearest", aspect="equal")
    ax.set_anchor("W")
    ax.set_axis_off()
