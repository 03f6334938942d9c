"""YAML 1.2 with positions: from a file to plain values that know their line and column, or to sentences."""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dropexp.errors import ConfigError
from dropexp.spec.words import clean, dotted, near, spelt

BYTES = 1_000_000
DEPTH = 30
EXPANDED = 10_000  # values that all aliases of a file may stand for
WRITTEN = 50_000  # values that a file may hold: a second of reading
DIGITS = 300

Position = tuple[int, int]
Loc = tuple[str | int, ...]

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
    (
        r"found character '\\t' that cannot start",
        "problem",
        "a tab stands here; between words YAML wants a space",
    ),
    (r"found character (.+) that cannot start", "problem", "a word cannot begin with {0}; put it in quotes"),
    (
        r"mapping values are not allowed",
        "problem",
        "this ':' stands where no value can follow; check that the line is indented like its neighbours, "
        "and put text that holds ': ' in quotes",
    ),
    (
        r"sequence entries are not allowed",
        "problem",
        "a list that is written with '-' begins on a line of its own; write '[a, b]' to stay on this one",
    ),
    (r"could not find expected ':'", "context", "this key has no value; write 'key: value', with a space"),
    (r"expected ',' or '\]'", "context", "this '[' is never closed; add ']' where the list ends"),
    (r"expected ',' or '\}'", "context", "this '{{' is never closed; add '}}' where the mapping ends"),
    (r"found unexpected end of stream", "context", "this quote is never closed; add the second one"),
    (
        r"found unknown escape character (.+)",
        "problem",
        "'\\' and {0} is no escape; use single quotes around paths",
    ),
    (r"but found '([\]}},])'", "problem", "this '{0}' closes or separates nothing; remove it"),
    (
        r"expected <block end>",
        "problem",
        "this is not indented like the lines it belongs to; begin it in the same column as they do",
    ),
    (
        r"expected '<document start>'",
        "problem",
        "more text follows here after the study has ended; remove it",
    ),
    (
        r"found undefined tag handle",
        "problem",
        "tags (words that begin with '!') are not read; write the plain value",
    ),
    (r"incompatible YAML document", "problem", "this is not a version of YAML 1; remove the line"),
)


class _Stop(Exception):
    """Carries the one mistake after which nothing more can be read."""

    def __init__(self, at: Position | None, says: str):
        self.at, self.says = at, says
        super().__init__(says)


@dataclass(eq=False)
class Node:
    """A value of the file with its position, those of its keys, and its size with all aliases written out."""

    at: Position
    content: Any = None
    keys: dict[str, Position] = field(default_factory=dict)
    parts: dict[str | int, Node] = field(default_factory=dict)
    size: int = 1
    height: int = 0
    pending: Node | None = None  # the key that waits for its value
    plain: str = ""  # the text of an unquoted word
    anchor: str | None = None


@dataclass(frozen=True)
class Document:
    """What a file says, as plain values, and where it says it."""

    path: str
    content: dict[str, Any]
    root: Node = field(repr=False, compare=False)

    def position(self, loc: Loc, *, key: bool = False) -> Position:
        """Return line and column, from 1, of the value (or the key) at a path, or of what is nearest above it."""
        node, at = self.root, self.root.at
        for part in loc:
            if part not in node.parts:
                break
            at = node.keys.get(str(part), node.parts[part].at) if key else node.parts[part].at
            node = node.parts[part]
        return at

    def mark(self, loc: Loc, key: bool = False) -> str:
        """Return what a message about a path begins with: `config.yaml:7:9`."""
        line, column = self.position(loc, key=key)
        return f"{_shown(self.path)}:{line}:{column}"


class _Composer:
    """Builds nodes from the parser's events without recursion, so that no file can exhaust the stack."""

    def __init__(self) -> None:
        self.stack: list[Node] = []
        self.anchors: dict[str, Node] = {}
        self.mistakes: list[tuple[Position, str]] = []
        self.root: Node | None = None
        self.documents = self.written = self.expanded = 0

    def take(self, event: yaml.Event) -> None:
        handler = HANDLERS.get(type(event))
        if handler:
            handler(self, event, (event.start_mark.line + 1, event.start_mark.column + 1))

    def document(self, event: Any, at: Position) -> None:
        self.documents += 1
        if self.documents > 1:
            raise _Stop(
                at, "a second document begins here; one file is one study: move it to a file of its own"
            )

    def begin(self, event: Any, at: Position) -> None:
        self._deep(at, len(self.stack) + 1)
        content: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        node = Node(at, content, anchor=event.anchor)
        self._tag(event, at)
        if event.anchor:
            self.anchors[event.anchor] = node
        self.stack.append(node)

    def end(self, event: Any, at: Position) -> None:
        self._place(self.stack.pop())

    def scalar(self, event: Any, at: Position) -> None:
        self._tag(event, at)
        node = Node(at, event.value, anchor=event.anchor)
        if event.implicit[0]:
            node.plain = event.value
            node.content = self._resolved(event.value, at)
        elif any("\ud800" <= character <= "\udfff" for character in event.value):
            self.mistakes.append(
                (at, "this word holds half a character (\\ud800 to \\udfff); write the whole one")
            )
        if event.anchor:
            self.anchors[event.anchor] = node
        self._place(node)

    def alias(self, event: Any, at: Position) -> None:
        meant = self.anchors.get(event.anchor)
        name = clean(event.anchor)
        if meant is None:
            self.mistakes.append((at, f"*{name} names nothing; write &{name} before the value it stands for"))
            meant = Node(at)
        if any(meant is node for node in self.stack):
            raise _Stop(
                at, f"*{name} stands inside the value that it names, which never ends; write the value out"
            )
        self.expanded += meant.size
        if self.expanded > EXPANDED:
            raise _Stop(
                at, f"the aliases up to here stand for more than {EXPANDED:,} values; write fewer of them"
            )
        self._deep(at, len(self.stack) + meant.height)
        content = copy.deepcopy(meant.content)
        self._place(Node(at, content, meant.keys, meant.parts, meant.size, meant.height, plain=meant.plain))

    def _deep(self, at: Position, depth: int) -> None:
        if depth > DEPTH:
            raise _Stop(at, f"this is nested deeper than {DEPTH} levels; a study needs four")

    def _tag(self, event: Any, at: Position) -> None:
        if event.tag is not None:
            tag = spelt(event.tag.replace("tag:yaml.org,2002:", "!!"))
            self.mistakes.append(
                (at, f"the tag {tag} is not read; write the plain value, in quotes to make it a word")
            )

    def _resolved(self, text: str, at: Position) -> Any:
        for pattern, read_as in CORE:
            if pattern.fullmatch(text):
                if len(text) > DIGITS:
                    self.mistakes.append((at, f"a number of {len(text)} characters; {DIGITS} are allowed"))
                    return 0
                return read_as(text)
        return text

    def _place(self, node: Node) -> None:
        """Put a finished value where it belongs: it is the whole, an item, a key or the value of a key."""
        self.written += 1
        if self.written > WRITTEN:
            raise _Stop(node.at, f"more than {WRITTEN:,} values up to here; a study needs a few dozen")
        if not self.stack:
            self.root = node
            return
        whole = self.stack[-1]
        if isinstance(whole.content, dict) and whole.pending is None:
            whole.pending = node
            return
        whole.size += node.size
        whole.height = max(whole.height, node.height + 1)
        if isinstance(whole.content, list):
            whole.parts[len(whole.content)] = node
            whole.content.append(node.content)
        elif whole.pending is not None and self._key(whole, whole.pending):
            name = whole.pending.content
            whole.keys[name], whole.parts[name] = whole.pending.at, node
            whole.content[name] = node.content
        whole.pending = None

    def _key(self, whole: Node, key: Node) -> bool:
        """Return whether a key can be taken; if not, say why."""
        says = None
        if key.plain == "<<":
            says = "merging with '<<' is not part of YAML 1.2; write the keys out"
        elif isinstance(key.content, dict | list):
            says = f"{spelt(key.content)} stands where a key should; write 'key: value', the key a word"
        elif not isinstance(key.content, str):
            says = f"the key {spelt(key.content)} is not a word; put it in quotes or give it its name"
        elif key.content in whole.keys:
            line, column = whole.keys[key.content]
            says = f"{dotted([key.content])}: written twice, first at line {line}, column {column}; keep one of them"
        if says:
            self.mistakes.append((key.at, says))
        return says is None


HANDLERS: dict[type[yaml.Event], Callable[[_Composer, Any, Position], None]] = {
    yaml.DocumentStartEvent: _Composer.document,
    yaml.MappingStartEvent: _Composer.begin,
    yaml.SequenceStartEvent: _Composer.begin,
    yaml.MappingEndEvent: _Composer.end,
    yaml.SequenceEndEvent: _Composer.end,
    yaml.ScalarEvent: _Composer.scalar,
    yaml.AliasEvent: _Composer.alias,
}


def read_text(text: str, shown: str) -> Document:
    """Return the document that a text holds; raises ConfigError with every mistake as `shown:line:column: sentence`."""
    composer = _Composer()
    mistakes = composer.mistakes
    try:
        for event in _events(text.removeprefix("\ufeff")):
            composer.take(event)
    except _Stop as stop:
        if stop.at is None:
            raise ConfigError(f"{_shown(shown)}: {stop.says}") from None
        mistakes.append((stop.at, stop.says))
    root = composer.root
    if not mistakes and (root is None or root.content is None):
        raise ConfigError(
            f"{_shown(shown)}: holds no settings; write at least one, such as 'dropout: {{rate: 0.5}}', "
            "or {} for the study of the built-in digits"
        )
    if root is not None and not isinstance(root.content, dict):
        kind = "a list" if isinstance(root.content, list) else f"one value, {spelt(root.content)},"
        mistakes.append(
            (root.at, f"{kind} stands where a study should; write keys with values: 'key: value'")
        )
    if mistakes:
        raise ConfigError(f"{_shown(shown)}:{at[0]}:{at[1]}: {says}" for at, says in sorted(set(mistakes)))
    assert root is not None
    return Document(shown, root.content, root)


def read(path: Path | str, shown: str | None = None) -> Document:
    """Return the document in a file; raises ConfigError with all that keeps it from being read, each a line."""
    shown = str(path) if shown is None else shown
    try:
        path = Path(path)
        if path.is_dir():
            raise _Stop(None, "a folder, not a file; name the .yaml file inside it")
        with path.open("rb") as file:
            raw = file.read(BYTES + 1)
    except _Stop as stop:
        raise ConfigError(f"{_shown(shown)}: {stop.says}") from None
    except FileNotFoundError:
        raise ConfigError(f"{_shown(shown)}: no such file{_beside(Path(path))}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"{_shown(shown)}: cannot be read ({why}); check its name and its permissions"
        ) from None
    return read_text(_decoded(raw, _shown(shown)), shown)


def _decoded(raw: bytes, shown: str) -> str:
    if len(raw) > BYTES:
        raise ConfigError(f"{shown}: more than {BYTES:,} bytes, too large for a study; is it a data file?")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError(f"{shown}: UTF-16 text; save it as UTF-8")
    if b"\0" in raw:
        raise ConfigError(f"{shown}: a binary file (it holds NUL bytes), not a study; name a .yaml file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
        line, column = _line_and_column(before)
        byte = f"0x{raw[error.start]:02x}"
        says = f"byte {byte} is not UTF-8; save the file as UTF-8, or name a text file if this is none"
        raise ConfigError(f"{shown}:{line}:{column}: {says}") from None


def _events(text: str) -> Iterator[yaml.Event]:
    """Yield the parser's events; whatever it stumbles over is raised as a _Stop."""
    loader = None
    try:
        loader = yaml.SafeLoader(text)
        while loader.check_event():
            yield loader.get_event()
    except yaml.reader.ReaderError as error:
        at = _line_and_column(text[: error.position])
        code = error.character if isinstance(error.character, int) else ord(error.character)
        raise _Stop(at, f"the control character U+{code:04X} is not allowed in YAML; delete it") from None
    except yaml.MarkedYAMLError as error:
        raise _stumble(error, text) from None
    except (
        yaml.YAMLError,
        ValueError,
        OverflowError,
    ):  # an escape such as \UFFFFFFFF, which no character has
        at = (loader.line + 1, loader.column + 1) if loader else (1, 1)
        raise _Stop(at, "this stands for no character or number; write it differently") from None


def _stumble(error: yaml.MarkedYAMLError, text: str) -> _Stop:
    """Return what the parser stumbled over in our words, at the place where the user can mend it."""
    problem, mark = str(error.problem), error.problem_mark or error.context_mark
    if mark is None:
        return _Stop((1, 1), f"not YAML: {clean(problem, 200)}")
    at = (mark.line + 1, mark.column + 1)
    line = (re.split("\r\n|[\r\n\x85\u2028\u2029]", text) + [""])[mark.line]
    indent = line[: len(line) - len(line.lstrip())]
    if "\t" in indent:
        return _Stop((at[0], indent.index("\t") + 1), "tabs cannot indent YAML; use spaces")
    for pattern, where, says in SYNTAX:
        found = re.search(pattern, problem)
        if found:
            if where == "context" and error.context_mark is not None:
                at = (error.context_mark.line + 1, error.context_mark.column + 1)
            return _Stop(at, says.format(*(clean(group) for group in found.groups())))
    return _Stop(at, f"not YAML: {clean(problem, 200)}; put text with signs such as : # & * ! in quotes")


def _line_and_column(before: str) -> Position:
    """Return the place of what follows a text."""
    lines = before.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return len(lines), len(lines[-1]) + 1


def _shown(path: str) -> str:
    return clean(path, 4096)  # a file name may hold a line break


def _beside(path: Path) -> str:
    """Return which file of the same folder may have been meant."""
    with contextlib.suppress(OSError):
        names = [
            item.name for item in sorted(path.parent.iterdir())[:1000] if item.suffix in (".yaml", ".yml")
        ]
        if guess := near(path.name, names):
            return f"; did you mean {path.with_name(guess)}?"
    return "; check the path, or let 'dropexp init' write a config.yaml"
