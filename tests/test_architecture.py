"""Guards the shape of the project: imports go down only, each library has its rooms, no file outgrows its idea."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "dropexp"
LEVELS = [
    ("errors", "streams", "quoting", "signatures", "metrics"),
    ("experiment", "records", "stopping"),
    ("study_files",),
    ("rows",),
    ("data", "nn", "store", "foreign", "executors", "analysis"),
    ("train", "wording"),
    ("laws", "figures", "tables"),
    ("page", "export"),
    ("workflow",),
    ("console", "notebook"),
    ("api",),
    ("cli",),
    ("__main__",),
]
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
PICTURES = ("wording", "figures", "tables", "page")  # rooms that put numbers before a reader
FENCES = {
    "torch": (
        "nn",
        "train",
        "laws",
        "executors/machine.py",
    ),  # which asks, inside a function, whether a device is there
    "pandas": ("store", "foreign", "analysis", *PICTURES, "export", "data/csv_table.py", "notebook.py", "api.py"),
    "matplotlib": (
        "figures",
        "page",
        "workflow/drawing.py",
        "workflow/reporting.py",
    ),  # its version is part of what a figure depends on
    "jinja2": ("page",),
    "typer": ("cli",),
    "rich": ("console",),
    "yaml": ("study_files",),
    "pyarrow": (),  # pandas asks for it
    "tensorboard": ("export/events.py",),
    "ray": ("executors/ray.py",),
    "scipy": ("analysis", "figures", "wording"),
    "sklearn": ("data/loading.py",),
    "click": (),
}
FILES = sorted(PACKAGE.rglob("*.py"))
SEES_NO_CONFIGURATION = ("analysis", *PICTURES, "export")
LIGHT = ("torch", "pandas", "matplotlib", "scipy", "sklearn", "numpy")


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[str, int, bool]]:
    """Return (module, line, whether at the top level) of every import."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = {id(node) for node in tree.body}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.module or "", node.lineno, id(node) in top))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down_only(path):
    here = room(path)
    if here == "__init__":
        return
    assert here in LEVEL, f"{here} is no known room; put it on a level"
    for module, line, _ in imports(path):
        if not module.startswith("dropexp."):
            continue
        there = module.split(".")[1]
        allowed = there == here or LEVEL[there] < LEVEL[here]
        assert allowed, f"{path}:{line}: {here} imports {there}, which is not below it"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_libraries_stay_in_their_rooms(path):
    name = path.relative_to(PACKAGE).as_posix()
    for module, line, _ in imports(path):
        library = module.split(".")[0]
        if library in FENCES:
            inside = any(name == f or name.startswith(f"{f}/") for f in FENCES[library])
            assert inside, f"{path}:{line}: {library} is not used in {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_is_one_idea_and_says_which(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300, f"{path} outgrew 300 lines: it is two ideas"
    assert ast.get_docstring(ast.parse(text)), f"{path} does not open with what it is for"


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in SEES_NO_CONFIGURATION], ids=lambda p: p.name)
def test_statistics_and_pictures_ask_an_arm_and_not_its_configuration(path):
    """Arms that dropexp did not train have none."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        asked = isinstance(node, ast.Attribute) and node.attr in ("config", "trained", "configs")
        assert not asked, f"{path}:{node.lineno}: {node.attr} is what only a study of dropexp's own has"


def test_no_room_for_leftovers():
    forbidden = {"utils", "util", "common", "helpers", "base", "misc"}
    assert not [p for p in PACKAGE.rglob("*") if p.stem in forbidden]


def test_modules_form_no_cycle():
    graph = {}
    for path in FILES:
        name = "dropexp." + ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        graph[name.removesuffix(".__init__")] = {m for m, _, top in imports(path) if top and m.startswith("dropexp.")}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, f"a cycle of imports: {' > '.join((*above, name))}"
        if name not in done:
            for other in graph.get(name, ()):
                visit(other, (*above, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def _loaded(code: str) -> set[str]:
    import subprocess
    import sys

    script = f"import sys\n{code}\nprint(' '.join(sorted({{m.split('.')[0] for m in sys.modules}})))"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(out.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "from dropexp.cli import main; main(['--help'])",
        "from dropexp.cli import main; main(['sweep', '--help'])",
        "import dropexp; dir(dropexp)",
        "from dropexp.study_files import parse, yaml_reader as r; parse.parse(r.read('configs/quickstart.yaml'))",
    ],
)
def test_help_and_parsing_start_without_the_heavy_libraries(code):
    loaded = _loaded(code)
    assert not loaded & {"torch", "pandas", "matplotlib", "scipy", "sklearn"}


def test_a_worker_needs_no_statistics():
    loaded = _loaded("import dropexp.train.pack, dropexp.executors.pool")
    assert "torch" in loaded
    assert not loaded & {"pandas", "matplotlib", "scipy", "sklearn", "typer", "rich", "pooch"}


def test_the_tree_in_contributing_names_every_file():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\s*([\w./]+\.py) {2,}(.+)$", text, re.MULTILINE))
    for path in FILES:
        name = path.relative_to(PACKAGE).as_posix()
        if path.name == "__init__.py" and len(path.relative_to(PACKAGE).parts) > 1:
            continue
        first = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
        assert told.get(name) == first, f"CONTRIBUTING.md should say of {name}: {first}"
