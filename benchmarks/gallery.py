"""Makes the pictures, tables and glossary in docs/ from the commands that stand there: python -m benchmarks.gallery."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
GALLERY, LECTURE, GLOSSARY = DOCS / "figures.md", DOCS / "lecture.md", DOCS / "glossary.md"
COLOURS = 64  # of a committed picture: a third of the bytes
WIDEST = 1200  # pixels of a committed picture
NOTES = " n: "  # begins what stands beneath a table, which is the same for every study
MADE_WITH = re.compile(r"<!-- made with (.*) -->\n$")


@dataclass(frozen=True)
class Entry:
    """A section of a document: its heading, its commands, the name of its picture and the table that was printed.

    `picture` is '' and `table` None where the section has none.
    """

    heading: str
    commands: tuple[str, ...]
    picture: str
    table: str | None
    text: str


def entries(path: Path) -> list[Entry]:
    """Return the sections of a document that hold commands, in order."""
    found = []
    for section in path.read_text(encoding="utf-8").split("\n## ")[1:]:
        heading, text = section.split("\n", 1)
        blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        picture = re.search(r"!\[[^\]]*\]\(figures/([^)]+)\)", text)
        table = re.search(r"^```text\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        if blocks:
            commands = tuple(line for block in blocks for line in block.splitlines())
            found.append(Entry(heading, commands, picture[1] if picture else "", table and table[1], text))
    return found


class Made:
    """What commands leave and print, each list of commands run once in a folder of its own; `close` removes the folders."""

    def __init__(self) -> None:
        self._root = tempfile.TemporaryDirectory(prefix="gallery-")
        self._printed: dict[tuple[str, ...], tuple[Path, str]] = {}

    def close(self) -> None:
        self._root.cleanup()

    def _run(self, commands: tuple[str, ...]) -> tuple[Path, str]:
        from dropexp.cli import main

        if commands not in self._printed:
            folder = Path(self._root.name) / str(len(self._printed))
            folder.mkdir()
            for command in commands:  # the last one prints what is shown
                out = io.StringIO()
                with contextlib.chdir(folder), contextlib.redirect_stdout(out):
                    if code := main(shlex.split(command)[1:]):
                        raise RuntimeError(f"{command} ended with {code}")
            self._printed[commands] = folder, out.getvalue()
        return self._printed[commands]

    def table(self, entry: Entry) -> str:
        """Return the table that the last command of an entry prints, without the notes beneath it."""
        lines = self._run(entry.commands)[1].splitlines()
        end = next((i for i, line in enumerate(lines) if line.startswith(NOTES)), len(lines))
        return "\n".join(line.rstrip() for line in lines[:end]).strip("\n") + "\n"

    def picture(self, entry: Entry) -> Image.Image:
        """Return the picture of an entry as it is committed: few colours, no wider than a page.

        Raises FileNotFoundError where the commands draw no picture of this name.
        """
        folder, _ = self._run(entry.commands)
        drawn = sorted(folder.rglob(entry.picture))
        if not drawn:
            others = sorted({path.name for path in folder.rglob("*.png")})
            raise FileNotFoundError(
                f"{entry.heading}: no {entry.picture} is drawn, but {', '.join(others) or 'nothing'}"
            )
        image = Image.open(drawn[0]).convert("RGB")
        if image.width > WIDEST:
            image = image.resize((WIDEST, round(image.height * WIDEST / image.width)), Image.Resampling.LANCZOS)
        return image.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


@cache
def here() -> str:
    """Return what numbers and pictures depend on beside the code; with other versions they may differ in the last digit."""
    import matplotlib
    import torch

    return f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, matplotlib {matplotlib.__version__}"


def made_with(path: Path) -> str:
    """Return what a document was made with, '' where it does not say."""
    found = MADE_WITH.search(path.read_text(encoding="utf-8"))
    return found[1] if found else ""


def glossary() -> str:
    """Return docs/glossary.md: every term of the glossary."""
    from dropexp.wording.glossary import TERMS

    lines = [
        "# Glossary",
        "",
        "What the words in tables, figures and reports mean. Every report holds the same list.",
        "How the numbers are computed: [statistics.md](statistics.md).",
        "",
    ]
    return (
        "\n".join([*lines, *(f"- **{term.title}**: {term.meaning}" for term in TERMS)]).replace(
            "*, **)", "\\*, \\*\\*)"
        )
        + "\n"
    )


def write(path: Path, made: Made) -> None:
    """Write the pictures and tables of a document anew, and what it was made with."""
    text = path.read_text(encoding="utf-8")
    for entry in entries(path):
        print(f"{path.name}: {entry.heading}", flush=True)
        if entry.picture:
            made.picture(entry).save(DOCS / "figures" / entry.picture, optimize=True)
        if entry.table is not None:
            fresh = entry.text.replace(f"```text\n{entry.table}```", f"```text\n{made.table(entry)}```")
            text = text.replace(f"\n## {entry.heading}\n{entry.text}", f"\n## {entry.heading}\n{fresh}")
    text = MADE_WITH.sub("", text).rstrip("\n") + f"\n\n<!-- made with {here()} -->\n"
    path.write_text(text, encoding="utf-8")


def main(names: list[str]) -> None:
    """Write the documents named, all by default."""
    (DOCS / "figures").mkdir(exist_ok=True)
    made = Made()
    try:
        if not names or GLOSSARY.stem in names:
            GLOSSARY.write_text(glossary(), encoding="utf-8")
        for path in (GALLERY, LECTURE):
            if not names or path.stem in names:
                write(path, made)
    finally:
        made.close()


if __name__ == "__main__":
    main(sys.argv[1:])
