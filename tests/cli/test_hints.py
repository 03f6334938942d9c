"""No hint names an option that the command has not to which it points."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
import typer

from dropexp.cli.app import VERBS, app

PACKAGE = Path(__file__).parent.parent.parent / "dropexp"
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
VERB = re.compile(rf"(?<![\w-])(?:dropexp )?({'|'.join(name for name, _, _ in VERBS)})(?![\w-])")
COMPOSED = ("{} --results {}",)  # the end of a command that begins in another text
TRAINING = ("run", "sweep", "check")  # who plans and trains: what else is said, these verbs say
TOGETHER = ("compare", "plot", "report")
READING = tuple(name for name, _, _ in VERBS if name not in ("init", "laws", "data"))
SAID_BY = {  # file or room -> the verbs that say what stands there
    "export/": ("export",),
    "workflow/networks.py": ("export",),
    "stopping.py": ("stopping",),
    "tables/stopping.py": ("stopping",),
    "workflow/replaying.py": ("stopping",),
    "workflow/ensembling.py": ("ensemble",),
    "workflow/reporting.py": ("report",),
    "workflow/comparing.py": ("compare",),
    "workflow/drawing.py": ("plot",),
    "workflow/removing.py": ("remove",),
    "figures/all_figures.py": ("plot",),
    "inline.py": ("stopping",),
    "workflow/together.py": TOGETHER,
    "foreign/union.py": TOGETHER,
    "study_files/arm_conditions.py": (),  # --arm or --baseline, whichever the command names
    "store/csv_lines.py": READING,
    "store/": ("run", "sweep"),
    "console/": ("run", "sweep"),
    "train/provenance.py": (),  # git's own options
}


@cache
def options() -> dict[str, set[str]]:
    commands = typer.main.get_command(app).commands
    return {name: {o for p in sub.params for o in getattr(p, "opts", ())} for name, sub in commands.items()}


def texts(path: Path):
    """Yield (line, text) of every text of a file but docstrings, f-strings with {} in the place of values."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside, docs = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            docs.add(id(node.body[0].value))
        if isinstance(node, ast.JoinedStr):
            inside |= {id(part) for part in node.values}
            parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
            yield node.lineno, "".join(map(str, parts))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside | docs:
            yield node.lineno, node.value


def verbs_of(path: Path) -> tuple[str, ...]:
    """Return the verbs that say what stands in a file: those that are in it, those that the table names, or who trains."""
    name = path.relative_to(PACKAGE).as_posix()
    module = "dropexp." + name.removesuffix(".py").replace("/", ".")
    if own := tuple(verb for verb, command, _ in VERBS if command.__module__ == module):
        return own
    return next((verbs for begin, verbs in SAID_BY.items() if name.startswith(begin)), TRAINING)


def wrong(path: Path):
    """Yield the hints of a file that name an option which no verb has that they may mean."""
    of_cli = path.parent.name == "cli"
    for line, text in texts(path):
        if of_cli and text.isprintable() and OPTION.fullmatch(text):
            continue  # an option is declared here, and nothing said
        if text in COMPOSED:
            continue
        for found in OPTION.finditer(text):
            pointed = [m[1] for m in VERB.finditer(text[: found.start()]) if found.start() - m.end() < 60]
            has = [found[0] in options()[verb] for verb in verbs_of(path)]
            if pointed and found[0] in options()[pointed[-1]]:
                continue
            if not (any(has) if of_cli else all(has)):
                yield f"{path.relative_to(PACKAGE)}:{line}: {found[0]} of {verbs_of(path)}: {text}"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_every_option_in_a_hint_is_one_of_the_command(path):
    assert not list(wrong(path))


def test_a_hint_that_is_wrong_is_seen(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    (tmp_path / "a.py").write_text(
        '"""x --no."""\nA = f"{1} runs are not shown; --all shows them"\nB = "\'plot --all\' does"'
    )
    assert [text.partition(": ")[2] for text in wrong(tmp_path / "a.py")] == [
        "--all of ('run', 'sweep', 'check'): {} runs are not shown; --all shows them"
    ]
