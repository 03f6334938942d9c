"""YAML 1.2 with positions: from a file to plain values that know their line and column, or to sentences."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dropexp.errors import ConfigError
from dropexp.experiment.vocabulary import near
from dropexp.quoting import clean, spelt
from dropexp.study_files.yaml_nodes import Composer, Node, Stop
from dropexp.study_files.yaml_scalars import LINE_END, Position, line_and_column, reworded

BYTES = 1_000_000

Loc = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """What a file says, as plain values, and where it says it."""

    path: str
    content: dict[str, Any]
    root: Node = field(repr=False, compare=False)

    def position(self, loc: Loc, *, key: bool = False) -> Position:
        """Return line and column, from 1, of the value (or key) at a path, or of the nearest above it."""
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
        return f"{_shown(self.path)}:{line}:{column}" if line else _shown(self.path)


def read_text(text: str, shown: str) -> Document:
    """Return the document that a text holds; raises ConfigError with a line for each mistake."""
    composer, stopped = Composer(), False
    mistakes = composer.mistakes
    try:
        for event in _events(text.removeprefix("\ufeff")):
            composer.take(event)
    except Stop as stop:
        stopped = True
        mistakes.append((stop.at, stop.says))
    root = composer.root
    if not mistakes and (root is None or root.content is None):
        raise ConfigError(
            f"{_shown(shown)}: contains no settings; write at least one, such as 'dropout: {{rate: 0.5}}', "
            "or {} for the study of the built-in digits"
        )
    if root is not None and not isinstance(root.content, dict) and not stopped:
        kind = "a list" if isinstance(root.content, list) else f"one value, {spelt(root.content)},"
        mistakes.append((root.at, f"{kind} is not a study; write 'key: value', with a space after ':'"))
    if mistakes:
        raise ConfigError(f"{_shown(shown)}:{at[0]}:{at[1]}: {says}" for at, says in sorted(set(mistakes)))
    assert root is not None
    return Document(shown, root.content, root)


def read(path: Path | str, shown: str | None = None) -> Document:
    """Return the document in a file; raises ConfigError with a line for each thing that forbids it."""
    shown = str(path) if shown is None else shown
    try:
        path = Path(path)
        if path.is_dir():
            raise ConfigError(f"{_shown(shown)}: a folder, not a file; name the .yaml file inside it")
        with path.open("rb") as file:
            raw = file.read(BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{_shown(shown)}: no such file{_beside(Path(path))}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{_shown(shown)}: cannot be read ({why}); check its name and its permissions") from None
    return read_text(_decoded(raw, _shown(shown)), shown)


def _decoded(raw: bytes, shown: str) -> str:
    if len(raw) > BYTES:
        raise ConfigError(f"{shown}: more than {BYTES:,} bytes, too large for a study; is it a data file?")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError(f"{shown}: UTF-16 text; save it as UTF-8")
    raw = raw.removeprefix(b"\xef\xbb\xbf")  # a byte order mark, which some editors write
    if b"\0" in raw:
        raise ConfigError(f"{shown}: a binary file (it contains NUL bytes), not a study; name a .yaml file")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        line, column = line_and_column(before)
        byte = f"0x{raw[error.start]:02x}"
        says = f"byte {byte} is not UTF-8; save the file as UTF-8, or name another file if this is not text"
        raise ConfigError(f"{shown}:{line}:{column}: {says}") from None


class _Loader(yaml.SafeLoader):
    """The scanner, but for tabs after a value or on an empty line, which YAML 1.2 allows."""

    def scan_to_next_token(self) -> None:
        super().scan_to_next_token()
        while self.peek() == "\t":
            count = 1
            while self.peek(count) in (" ", "\t"):
                count += 1
            before = self.buffer[self.pointer - self.column : self.pointer].strip()
            if before.endswith(("-", "?")) or (not before and self.peek(count) not in "\0#\r\n"):
                return  # it indents
            self.forward(count)
            super().scan_to_next_token()


def _events(text: str) -> Iterator[yaml.Event]:
    """Yield the parser's events; whatever it stumbles over is raised as a Stop."""
    loader = None
    try:
        loader = _Loader(text)
        while loader.check_event():
            yield loader.get_event()
    except yaml.reader.ReaderError as error:
        at = line_and_column(text[: error.position])
        code = error.character if isinstance(error.character, int) else ord(error.character)
        raise Stop(at, f"the character U+{code:04X} is not allowed in YAML; delete it") from None
    except yaml.MarkedYAMLError as error:
        raise _stumble(error, text) from None
    except (yaml.YAMLError, ValueError, OverflowError):
        # an escape such as \UFFFFFFFF, which no character has
        at = (loader.line + 1, loader.column + 1) if loader else (1, 1)
        raise Stop(at, "this is neither a character nor a number; write it differently") from None


def _stumble(error: yaml.MarkedYAMLError, text: str) -> Stop:
    """Return what the parser stumbled over in our words, at the place where the user can mend it."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Stop((1, 1), f"not YAML: {clean(str(error.problem), 200)}")
    line = ([*LINE_END.split(text), ""])[mark.line]
    cause = error.context_mark
    context = (cause.line + 1, cause.column + 1) if cause else None
    return Stop(*reworded(str(error.problem), line, (mark.line + 1, mark.column + 1), context))


def _shown(path: str) -> str:
    return clean(path, 4096)  # a file name may hold a line break


def _beside(path: Path) -> str:
    """Return which file of the same folder may have been meant."""
    with contextlib.suppress(OSError):
        names = [item.name for item in sorted(path.parent.iterdir())[:1000] if item.suffix in (".yaml", ".yml")]
        if guess := near(path.name, names):
            return f"; did you mean {path.with_name(guess)}?"
    return "; check the path, or let 'dropexp init' write a config.yaml"
