"""Pictures of what is stored: a study's figures, drawn anew only where something has changed."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import dropexp
from dropexp.errors import StoreError, UsageError
from dropexp.executors.beside import shared
from dropexp.files import KIB, make_folders, read_bounded, refuse_link, sync_folder, write_aside
from dropexp.quoting import spelt
from dropexp.workflow.reading import content_of, reading

if TYPE_CHECKING:
    from dropexp.analysis.tidy import Tidy

FIGURES_STAMP = ".drawn"
PLOTS = "plots"  # below a study's folder: figures drawn to order
SIZE = re.compile(r"(\d{1,3}(?:\.\d{1,4})?|\.\d{1,4})\s*[x×*]\s*(\d{1,3}(?:\.\d{1,4})?|\.\d{1,4})(?:\s*in)?")
LEAST, LARGEST = 1.0, 40.0  # inches
FILES = ("study.yaml", "runs.csv", "epochs.csv", "probes.csv", "claims.csv", "design.csv")  # that figures depend on
STALE = 3600.0  # seconds after which what a kill left of figures is nobody's


@dataclass(frozen=True)
class Order:
    """Figures as somebody asks for them; what nothing is said of is as always.

    `only` are names of figures, `metric` is accuracy or loss where a figure can show either, `size` is in inches, `out` the
    folder to write into. Raises UsageError for a name, a metric, a format or a size that cannot be.
    """

    only: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    size: tuple[float, float] | None = None
    metric: str = ""
    out: Path | None = None

    def __post_init__(self) -> None:
        from dropexp.figures.all_figures import chosen
        from dropexp.figures.style import METADATA

        for suffix in self.formats:
            if suffix not in METADATA:
                raise UsageError(f"--format: {spelt(suffix)} is not one of {', '.join(METADATA)}")
        for inches in self.size or ():
            if not LEAST <= inches <= LARGEST:
                raise UsageError(
                    f"--size: {inches:g} is not between {LEAST:g} and {LARGEST:g} inches, as in --size 3.25x2.2"
                )
        chosen(self.only, self.metric)

    @property
    def plain(self) -> bool:
        """Whether it asks for nothing but the figures of every study."""
        return self == Order()

    def of(self, folder: Path, folders: Sequence[Path]) -> Order:
        """Return the order for one of several studies, each of which has a folder of its own below `out`."""
        if self.out is None or len(folders) < 2:
            return self
        alike = len({one.name for one in folders}) < len(folders)
        below = folder.resolve().as_posix().strip("/").replace("/", "-") if alike else folder.name
        return replace(self, out=self.out / below)


def ordered(
    only: str | Sequence[str] = (),
    formats: str | Sequence[str] = (),
    size: str | tuple[float, float] | None = None,
    metric: str = "",
    out: str | Path | None = None,
) -> Order:
    """Return an order from plain values: names or lists of them, a size in inches or as in `3.25x2.2`, a path."""
    names, suffixes = ((given,) if isinstance(given, str) else tuple(given) for given in (only, formats))
    suffixes = tuple(word.lower().removeprefix(".") for word in suffixes)
    inches = size_of(size) if isinstance(size, str) else None if size is None else (float(size[0]), float(size[1]))
    return Order(names, suffixes, inches, metric.lower(), None if out is None else Path(out))


def size_of(text: str) -> tuple[float, float]:
    """Return the inches of a size, such as `3.25x2.2`. Raises UsageError for anything else."""
    if (found := SIZE.fullmatch(text.strip())) is None:
        raise UsageError(f"--size: {spelt(text)} is not WIDTHxHEIGHT in inches, as in --size 3.25x2.2")
    return float(found[1]), float(found[2])


@dataclass(frozen=True)
class Drawn:
    """The figures of one study: `paths` are those there are, `current` is whether they were up to date.

    Of figures drawn to order, `captions` holds title and note by name where these are not in the picture, and `left_out`
    says which were not drawn, and why.
    """

    folder: Path
    paths: tuple[Path, ...]
    current: bool
    note: str | None
    captions: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


def load() -> None:
    """Load what draws; where that fails, it does so again and is said when a figure is asked for."""
    with contextlib.suppress(Exception):
        import dropexp.figures.all_figures  # noqa: F401


def plot(
    folder: Path,
    everything: bool = False,
    again: bool = False,
    baseline: Sequence[str] = (),
    known: tuple[Tidy, str | None] | None = None,
    order: Order | None = None,
) -> Drawn:
    """Draw a study's figures into its folder, unless they are up to date; `known` is what `reading` has returned of it.

    Figures drawn to order are always drawn, into the folder that the order names, else into `plots` in the study's own:
    `figures` is replaced as a whole when results change, and they are not.
    """
    try:
        if order is not None and not order.plain:
            return _to_order(folder, everything, baseline, known, order)
        return _draw(folder, everything, again, baseline, known)
    except PermissionError as error:
        raise StoreError(f"{error.filename or folder}: cannot be read or written ({error.strerror})") from None


def _draw(
    folder: Path, everything: bool, again: bool, baseline: Sequence[str], known: tuple[Tidy, str | None] | None
) -> Drawn:
    stamp = stamp_of(folder, FILES, everything, baseline)
    figures = folder / "figures"
    mark = figures / FIGURES_STAMP
    if not again and _stamped(mark) == stamp:
        return Drawn(folder, tuple(sorted(figures.glob("*.png"))), True, None)
    shown, note = known or reading(folder, everything, baseline)
    if shown.runs.empty:
        raise StoreError([f"{folder}: no finished run to draw yet; run its study again", *(note or "").splitlines()])
    from dropexp.figures.all_figures import FIGURES, draw

    try:
        refuse_link(figures)
        for stale in folder.glob(".figures.*"):
            if stale.lstat().st_mtime < time.time() - STALE:
                shutil.rmtree(stale, ignore_errors=True)  # which follows no link
        with tempfile.TemporaryDirectory(dir=folder, prefix=".figures.", ignore_cleanup_errors=True) as fresh:
            aside = Path(fresh) / "figures"
            aside.mkdir()  # with the permissions of any folder, which a temporary one has not
            rows = list(FIGURES)

            def one(i: int) -> None:
                draw(shown, aside, rows[i : i + 1])

            shared(len(rows), one)
            write_aside(aside / FIGURES_STAMP, stamp.encode())
            shutil.rmtree(figures, ignore_errors=True)
            aside.replace(figures)
            sync_folder(folder)
    except OSError as error:
        raise StoreError(f"{figures}: cannot be written ({error.strerror})") from None
    return Drawn(folder, tuple(sorted(figures.glob("*.png"))), False, note)


def _to_order(
    folder: Path, everything: bool, baseline: Sequence[str], known: tuple[Tidy, str | None] | None, order: Order
) -> Drawn:
    shown, note = known or reading(folder, everything, baseline)
    if shown.runs.empty:
        raise StoreError([f"{folder}: no finished run to draw yet; run its study again", *(note or "").splitlines()])
    from dropexp.figures.all_figures import ABSENT, chosen, draw_to_order
    from dropexp.figures.style import ALWAYS

    target = order.out or folder / PLOTS
    try:
        if order.out is None:
            refuse_link(target)
        make_folders(target)
        wanted, formats = chosen(order.only, order.metric), tuple(dict.fromkeys(order.formats)) or ALWAYS
        paths, captions, left_out = draw_to_order(shown, target, wanted, formats, order.size)
    except OSError as error:
        raise StoreError(f"{target}: cannot be written ({error.strerror})") from None
    said = [one for one in left_out if order.only or order.metric or not one.endswith(ABSENT)]
    return Drawn(folder, tuple(paths), False, note, captions if order.size else {}, tuple(said))


def stamp_of(folder: Path, names: Iterable[str], everything: bool, baseline: Sequence[str]) -> str:
    """Return a digest of files of a study, of how they are read and of the libraries that draw them."""
    import matplotlib

    digest = sha256(f"{dropexp.__version__} {matplotlib.__version__} {everything} {list(baseline)}".encode())
    for name in names:
        digest.update(name.encode() + content_of(folder / name))
    return digest.hexdigest()


def _stamped(mark: Path) -> str | None:
    try:
        return read_bounded(mark, KIB).decode(errors="replace")
    except OSError:
        return None
