"""Text that fits a narrow terminal: sentences are wrapped, and tables that are too wide become one short list per row."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Sequence
from typing import TextIO

USUAL = 100  # columns, for which tables are made; more are not used
LEAST = 30  # columns; a narrower terminal wraps by itself


def room(stream: TextIO) -> int | None:
    """Return how many columns a text may take, by COLUMNS or the terminal, at most the usual number; None if unknown."""
    said = os.environ.get("COLUMNS", "")
    columns = int(said) if said.isdecimal() else 0
    if not columns and stream.isatty():
        try:
            columns = os.get_terminal_size(stream.fileno()).columns
        except (OSError, ValueError):
            columns = 0
    return max(LEAST, min(USUAL, columns)) if columns else None


def fitted(text: str, width: int) -> str:
    """Return a text whose lines have at most `width` columns, if words allow it; a text that fits is unchanged."""
    lines, found = text.split("\n"), list[str]()
    at = 0
    while at < len(lines):
        end = next((i for i in range(at, len(lines)) if not lines[i].strip()), len(lines))
        block = lines[at:end]
        found += block if all(len(line) <= width for line in block) else _narrowed(block, width)
        found += lines[end : end + 1]
        at = end + 1
    return "\n".join(found)


def _narrowed(block: Sequence[str], width: int) -> list[str]:
    columns = _columns(block)
    if len(columns) > 2:
        return _halved(block, columns, width) or _listed(block, columns, width)
    return [part for line in _joined(block) for part in _wrapped(line, width)]


def _joined(block: Sequence[str]) -> list[str]:
    """Return sentences that were wrapped for the usual width as one line each."""
    found: list[str] = []
    last = ""
    for line in block:
        words, begin = line.split(maxsplit=1), _indent(line)
        full = len(last) + 1 + len(words[0]) >= USUAL - 1  # so that the next word went to a line of its own
        if found and full and begin > _indent(found[-1]):
            found[-1] += f" {line.strip()}"
        else:
            found.append(line)
        last = line
    return found


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _halved(block: Sequence[str], columns: Sequence[tuple[int, int]], width: int) -> list[str]:
    """Return a table in two parts, each with the columns that name a row; nothing if a part is still too wide."""
    heads = [block[0][begin:end].strip() for begin, end in columns]
    names = max(1, heads.index("n")) if "n" in heads else 1  # in a table of arms, all before the counts
    for cut in range(len(columns) - 1, names, -1):
        parts = [(*columns[:names], *own) for own in (columns[names:cut], columns[cut:])]
        made = [[" " + "  ".join(line[b:e].ljust(e - b) for b, e in part).rstrip() for line in block] for part in parts]
        if max(map(len, made[0])) <= width:
            return [*made[0], "", *made[1]] if max(map(len, made[1])) <= width else []
    return []


def _columns(block: Sequence[str]) -> list[tuple[int, int]]:
    """Return where the columns of a table begin and end, a single column if the lines are not a table.

    Between two columns there are two spaces or more, in every line.
    """
    if len(block) < 2:
        return []
    wide = max(map(len, block))
    blank = "".join(" " if all(line[i : i + 1] in ("", " ") for line in block) else "x" for i in range(wide))
    return [m.span() for m in re.finditer(r"x(?: ?x)*", blank)]


def _listed(block: Sequence[str], columns: Sequence[tuple[int, int]], width: int) -> list[str]:
    """Return a table as one list per row: its first cell, and below it one line for each other cell, after its heading."""
    heads, *rows = ([line[begin:end].strip() for begin, end in columns] for line in block)
    wide = max(len(head) for head in heads[1:])
    found = []
    for row in rows:
        found += _wrapped(f" {heads[0]} {row[0]}".rstrip(), width)
        for head, cell in zip(heads[1:], row[1:], strict=True):
            found += _wrapped(f"   {head:<{wide}}  {cell}", width, keep=5 + wide) if cell else []
    return found


def _wrapped(line: str, width: int, keep: int = 0) -> list[str]:
    """Return a line in parts, broken only at spaces, so that paths and numbers stay whole; its first `keep` columns stay."""
    begin = max(keep, _indent(line))
    parts = textwrap.wrap(
        line[begin:], width, initial_indent=" " * begin, subsequent_indent=" " * (begin + 2 * (not keep)),
        break_long_words=False, break_on_hyphens=False,
    ) or [line]  # fmt: skip
    return [line[:begin] + parts[0][begin:], *parts[1:]]
