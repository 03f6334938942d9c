"""YAML values with their positions, built from the parser's events within bounds on size and depth."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dropexp.quoting import clean, dotted, spelt
from dropexp.study_files.yaml_scalars import DIGITS, Position, core_value

DEPTH = 30
EXPANDED = 10_000  # values that all aliases of a file may stand for
WRITTEN = 50_000  # values that a file may hold: a second of reading


class Stop(Exception):
    """Carries the one mistake after which nothing more can be read."""

    def __init__(self, at: Position, says: str):
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


class Composer:
    """Builds nodes from the parser's events without recursion, so that no file can exhaust the stack."""

    def __init__(self) -> None:
        self.stack: list[Node] = []
        self.anchors: dict[str, Node] = {}
        self.mistakes: list[tuple[Position, str]] = []
        self.root: Node | None = None
        self.documents = self.written = self.expanded = 0

    def take(self, event: Any) -> None:
        handler = HANDLERS.get(type(event).__name__)
        if handler:
            handler(self, event, (event.start_mark.line + 1, event.start_mark.column + 1))

    def document(self, event: Any, at: Position) -> None:
        self.documents += 1
        if self.documents > 1:
            raise Stop(at, "a second document begins here, but a file holds one study; move it to a file of its own")

    def mapping(self, event: Any, at: Position) -> None:
        self._begin(event, at, {})

    def sequence(self, event: Any, at: Position) -> None:
        self._begin(event, at, [])

    def _begin(self, event: Any, at: Position, content: Any) -> None:
        self._deep(at, len(self.stack) + 1)
        self._tag(event, at)
        node = Node(at, content)
        if event.anchor:
            self.anchors[event.anchor] = node
        self.stack.append(node)

    def end(self, event: Any, at: Position) -> None:
        self._place(self.stack.pop())

    def scalar(self, event: Any, at: Position) -> None:
        self._tag(event, at)
        node = Node(at, event.value)
        if event.implicit[0]:
            node.plain = event.value
            node.content = core_value(event.value)
            if len(event.value) > DIGITS and not isinstance(node.content, str):
                self.mistakes.append((at, f"a number of {len(event.value)} characters; {DIGITS} are allowed"))
        elif any("\ud800" <= character <= "\udfff" for character in event.value):
            self.mistakes.append(
                (at, "this word contains half of a character (\\ud800 to \\udfff); write the whole character")
            )
        if event.anchor:
            self.anchors[event.anchor] = node
        self._place(node)

    def alias(self, event: Any, at: Position) -> None:
        meant = self.anchors.get(event.anchor)
        name = clean(event.anchor)
        if meant is None:
            self.mistakes.append((at, f"*{name} is not defined; write &{name} before the value that it stands for"))
            meant = Node(at)
        if any(meant is node for node in self.stack):
            raise Stop(
                at, f"*{name} is inside the value that it names, so the value would never end; write the value out"
            )
        self.expanded += meant.size
        if self.expanded > EXPANDED:
            raise Stop(at, f"the aliases up to here stand for more than {EXPANDED:,} values; write fewer of them")
        self._deep(at, len(self.stack) + meant.height)
        content = copy.deepcopy(meant.content)
        self._place(Node(at, content, meant.keys, meant.parts, meant.size, meant.height, plain=meant.plain))

    def _deep(self, at: Position, depth: int) -> None:
        if depth > DEPTH:
            raise Stop(at, f"this is nested more than {DEPTH} levels deep; a study needs four")

    def _tag(self, event: Any, at: Position) -> None:
        if event.tag is not None:
            tag = spelt(event.tag.replace("tag:yaml.org,2002:", "!!"))
            self.mistakes.append(
                (at, f"the tag {tag} is not supported; write the plain value, with quotes if it is a word")
            )

    def _place(self, node: Node) -> None:
        """Put a finished value where it belongs: it is the whole, an item, a key or the value of a key."""
        self.written += 1
        if self.written > WRITTEN:
            raise Stop(node.at, f"more than {WRITTEN:,} values up to here; a study needs a few dozen")
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
            says = f"{spelt(key.content)} cannot be a key; write 'key: value', with a word as the key"
        elif not isinstance(key.content, str):
            says = f"the key {spelt(key.content)} is not a word; put it in quotes or give it its name"
        elif key.content in whole.keys:
            line, column = whole.keys[key.content]
            says = f"{dotted([key.content])}: written twice, first at {line}:{column}; keep one of them"
        if says:
            self.mistakes.append((key.at, says))
        return says is None


HANDLERS: dict[str, Callable[[Composer, Any, Position], None]] = {
    "DocumentStartEvent": Composer.document,
    "MappingStartEvent": Composer.mapping,
    "SequenceStartEvent": Composer.sequence,
    "MappingEndEvent": Composer.end,
    "SequenceEndEvent": Composer.end,
    "ScalarEvent": Composer.scalar,
    "AliasEvent": Composer.alias,
}
