"""YAML scalars: what an unquoted word stands for; and the YAML parser's complaints as plain sentences."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from dropexp.quoting import clean

Position = tuple[int, int]  # line and column, from 1
DIGITS = 300
LINE_END = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # where the parser counts a line

# the core schema of YAML 1.2, by the text of an unquoted word
CORE: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (re.compile(r"|~|null|Null|NULL"), lambda text: None),
    (re.compile(r"true|True|TRUE"), lambda text: True),
    (re.compile(r"false|False|FALSE"), lambda text: False),
    (re.compile(r"[-+]?[0-9]+"), int),
    (re.compile(r"0o[0-7]+"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: int(text[2:], 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)"), lambda text: float(text.replace(".", ""))),
    (re.compile(r"\.(nan|NaN|NAN)"), lambda text: float("nan")),
)

# what the parser says -> where to point (at the problem, or at what it belongs to) and what to say instead
SYNTAX: tuple[tuple[str, str, str], ...] = (
    (r"found character '\\t' that cannot start", "problem", "there is a tab here; YAML needs a space between words"),
    (r"found character (.+) that cannot start", "problem", "a word cannot begin with {0}; put it in quotes"),
    (
        r"mapping values are not allowed",
        "problem",
        "no value can follow this ':'; look for a ':' without a space after it, for a line "
        "that is not indented like its neighbours, or for text with ': ' that needs quotes",
    ),
    (
        r"sequence entries are not allowed",
        "problem",
        "a list written with '-' must start on its own line; to stay on this line, write '[a, b]'",
    ),
    (r"could not find expected ':'", "context", "this key has no value; write 'key: value', with a space"),
    (r"expected ',' or '\]'", "context", "this '[' is never closed; add ']' where the list ends"),
    (r"expected ',' or '\}'", "context", "this '{{' is never closed; add '}}' where the mapping ends"),
    (r"escape sequence of", "problem", "this escape sequence is incomplete; put paths in single quotes"),
    (
        r"expected (?:alphabetic or numeric|URI)",
        "context",
        "'&', '*' and '!' have a special meaning in YAML; put text that begins with one of them in quotes",
    ),
    (
        r"expected (?:chomping|indentation indicator|a comment or a line)",
        "context",
        "after '|' or '>' the text must begin on the next line; put text that begins with one of these signs in quotes",
    ),
    (r"found unexpected document separator", "context", "this quote is never closed; add the second one"),
    (r"found unexpected end of stream", "context", "this quote is never closed; add the second one"),
    (
        r"found unknown escape character '(.+)'",
        "problem",
        "'\\{0}' is not an escape sequence; put paths in single quotes",
    ),
    (r"but found '([\]}},])'", "problem", "this '{0}' closes or separates nothing; remove it"),
    (r"expected the node content", "problem", "a value is missing here; write it, or close the bracket before this"),
    (
        r"expected <block end>",
        "problem",
        "this is not indented like the lines it belongs to; start it in the same column",
    ),
    (
        r"expected '<document start>'",
        "problem",
        "more text follows after the end of the study; remove it, or indent it",
    ),
    (
        r"found undefined tag handle",
        "problem",
        "tags (words that begin with '!') are not supported; write the plain value",
    ),
    (r"incompatible YAML document", "problem", "this is not a version of YAML 1; remove the line"),
)


def core_value(word: str) -> Any:
    """Return what an unquoted word stands for; 0 for a number of more than DIGITS characters."""
    for pattern, read_as in CORE:
        if pattern.fullmatch(word):
            return read_as(word) if len(word) <= DIGITS else 0
    return word


def line_and_column(before: str) -> Position:
    """Return the place of what follows a text."""
    lines = before.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return len(lines), len(lines[-1]) + 1


def reworded(problem: str, line: str, at: Position, context: Position | None) -> tuple[Position, str]:
    """Return where to point and what to say for a complaint; `context` is where its cause began."""
    indent = line[: len(line) - len(line.lstrip())]
    if "\t" in indent:
        return (at[0], indent.index("\t") + 1), "YAML cannot be indented with tabs; use spaces"
    for pattern, where, says in SYNTAX:
        found = re.search(pattern, problem)
        if found:
            at = context if where == "context" and context else at
            return at, says.format(*(clean(group) for group in found.groups()))
    return at, f"not YAML: {clean(problem, 200)}; put text with signs such as : # & * ! in quotes"
