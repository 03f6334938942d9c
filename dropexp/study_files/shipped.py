"""The configs that travel with the package: found in the wheel and in a checkout alike."""

from __future__ import annotations

from pathlib import Path

import dropexp


def folder() -> Path:
    """Return the folder of shipped configs."""
    inside = Path(dropexp.__file__).parent / "configs"
    return inside if inside.is_dir() else Path(dropexp.__file__).parent.parent / "configs"


def shipped() -> dict[str, Path]:
    """Return every shipped study by name."""
    found = {path.stem: path for path in sorted(folder().rglob("*.yaml")) if path.stem != "template"}
    return dict(sorted(found.items(), key=lambda pair: (pair[0] != "quickstart", pair[0])))


def question(path: Path) -> str:
    """Return the first comment line of a config, which is its question."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.lstrip("# ").strip()
