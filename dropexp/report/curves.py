"""curves.png: training and test accuracy over the epochs, an arm a panel, selected epochs marked."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from dropexp.analysis.stats import by_epoch
from dropexp.analysis.tidy import Tidy
from dropexp.report.axis import PANELS
from dropexp.report.style import SHADE, TEST, TRAIN, canvas, cut, entitle, frame, grid
from dropexp.report.words import footnote, seeds
from dropexp.spec.naming import label
from dropexp.spec.study import Arm

EARLY = 0.25  # the first epochs, whose climb would flatten everything after it, do not set the limits of y


def curves_figure(tidy: Tidy) -> Figure | None:
    """Return a panel for each function among the arms, up to twelve; None where no epochs are stored."""
    arms = [arm for arm in {a.arm_id: a for a in reversed(tidy.arms)}.values() if len(tidy.curves(arm))][::-1]
    if not arms:
        return None
    shown = _spread(arms, PANELS)
    columns = min(len(shown), 3 if len(shown) != 4 else 2)
    rows = -(-len(shown) // columns)
    size = (8.4, 5.4) if len(shown) == 1 else (max(3.7 * columns, 8.4), 2.9 * rows + 1.5)
    figure, axes = canvas(rows, columns, size, sharex=True, sharey=True)
    limits: list[float] = []
    for i, ax in enumerate(axes):
        ax.set_visible(i < len(shown))
        if i % columns == 0:
            ax.set_ylabel("accuracy, percent")
        if i + columns >= len(shown):
            ax.set_xlabel("epoch")
            ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
            ax.tick_params(labelbottom=True)
    for ax, arm in zip(axes, shown, strict=False):
        limits += _panel(ax, tidy, arm)
        if tidy.axes:
            entitle(ax, label(arm, tidy.axes))
    cut(axes[0], limits, [])
    epochs = f"Accuracy over the epochs, {seeds(tidy, tuple(shown))}"
    note = footnote(tidy, "bands", len(arms) - len(shown))
    if any(tidy.finished(arm)["epochs_run"].nunique() > 1 for arm in shown):
        note += "; means while half of the runs still train"
    frame(figure, epochs, note, _key(tidy))
    return figure


def _spread(arms: list[Arm], limit: int) -> list[Arm]:
    """Return at most `limit` arms, evenly from first to last."""
    if len(arms) <= limit:
        return arms
    return [arms[round(i * (len(arms) - 1) / (limit - 1))] for i in range(limit)]


def _key(tidy: Tidy) -> list[Line2D]:
    train = "training (labels left alone)" if tidy.noisy else "training, dropout off"
    return [
        Line2D([], [], color=TRAIN, linestyle="--", label=train),
        Line2D([], [], color=TEST, label="test"),
        Line2D(
            [],
            [],
            color="#262626",
            marker="|",
            markersize=11,
            linestyle="",
            label="selected epoch, a seed each",
        ),
    ]


def _panel(ax: Axes, tidy: Tidy, arm: Arm) -> list[float]:
    """Draw one arm and return the heights that the y axis must hold."""
    rows = tidy.curves(arm)
    seen: list[float] = []
    means = {}
    for metric, color, line in ((tidy.lead.train, TRAIN, "--"), (tidy.lead.test, TEST, "-")):
        band = by_epoch(100 * rows[metric], rows["epoch"])
        means[metric] = band["mean"]
        x = band.index.to_numpy(dtype=float)
        ax.fill_between(x, band["low"], band["high"], color=color, alpha=0.25, linewidth=0, zorder=2)
        marker = "s" if line == "--" else "o"
        ax.plot(x, band["mean"], color=color, linestyle=line, zorder=3, marker=marker if len(x) == 1 else "")
        late = band[band.index > EARLY * band.index.max()]
        seen += [float(v) for column in late.columns for v in late[column]]
    train, test = means[tidy.lead.train], means[tidy.lead.test]
    ax.fill_between(train.index.to_numpy(dtype=float), test, train, color=SHADE, linewidth=0, zorder=1)
    selected = tidy.finished(arm)["selected_epoch"].dropna().to_numpy()
    heights = test.reindex(selected).to_numpy()
    ax.plot(selected, heights, "|", color="#262626", markersize=11, markeredgewidth=1.6, zorder=4)
    seen += [float(v) for v in heights]
    grid(ax)
    return seen
