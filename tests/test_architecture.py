"""Guards the shape of the project: imports go down only, each library has its rooms, no file outgrows its idea."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "dropexp"
LEVELS = [
    ("errors", "streams", "quoting", "signatures", "metrics", "files"),
    ("experiment", "records", "stopping"),
    ("study_files",),
    ("rows",),
    ("data", "nn", "store", "foreign", "executors", "analysis"),
    ("train", "wording"),
    ("laws", "figures", "tables"),
    ("page", "export"),
    ("workflow",),
    ("inline",),
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
    "pandas": (
        "store",
        "foreign",
        "analysis",
        *PICTURES,
        "export",
        "data/csv_table.py",
        "inline.py",
        "notebook.py",
        "api.py",
    ),
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
    "safetensors": ("store/stored_arrays.py",),
}
FILES = sorted(PACKAGE.rglob("*.py"))
SEES_NO_CONFIGURATION = ("analysis", *PICTURES, "export")


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path) -> list[tuple[str, int, bool]]:
    """Return (module, line, whether at the top level) of every import."""
    top = {id(node) for node in tree(path).body}
    found = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.module or "", node.lineno, id(node) in top))
    return found


def test_every_room_stands_on_a_level():
    assert {room(path) for path in FILES} - {"__init__"} == set(LEVEL)


def test_imports_go_down_only():
    offenders = [
        f"{name(path)}:{line}: {here} imports {there}, which is not below it"
        for path in FILES
        if (here := room(path)) != "__init__"
        for module, line, _ in imports(path)
        if module.startswith("dropexp.") and (there := module.split(".")[1]) != here and LEVEL[there] >= LEVEL[here]
    ]
    assert not offenders, "\n".join(offenders)


def test_libraries_stay_in_their_rooms():
    offenders = [
        f"{name(path)}:{line}: {library} is not used here"
        for path in FILES
        for module, line, _ in imports(path)
        if (library := module.split(".")[0]) in FENCES
        and not any(name(path) == f or name(path).startswith(f"{f}/") for f in FENCES[library])
    ]
    assert not offenders, "\n".join(offenders)


def test_a_file_is_one_idea_and_says_which():
    long = [name(path) for path in FILES if len(path.read_text(encoding="utf-8").splitlines()) > 300]
    assert not long, f"longer than 300 lines, so more than one idea: {long}"
    silent = [name(path) for path in FILES if not ast.get_docstring(tree(path))]
    assert not silent, f"without a first sentence that says what they are for: {silent}"


def test_statistics_and_pictures_ask_an_arm_and_not_its_configuration():
    """Arms that dropexp did not train have none."""
    offenders = [
        f"{name(path)}:{node.lineno}: {node.attr} is what only a study of dropexp's own has"
        for path in FILES
        if room(path) in SEES_NO_CONFIGURATION
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in ("config", "trained", "configs")
    ]
    assert not offenders, "\n".join(offenders)


def test_no_room_for_leftovers():
    forbidden = {"utils", "util", "common", "helpers", "base", "misc"}
    assert not [p for p in PACKAGE.rglob("*") if p.stem in forbidden]


def test_modules_form_no_cycle():
    graph = {}
    for path in FILES:
        module = "dropexp." + ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        graph[module.removesuffix(".__init__")] = {m for m, _, top in imports(path) if top and m.startswith("dropexp.")}
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, f"a cycle of imports: {' > '.join((*above, module))}"
        if module not in done:
            for other in graph.get(module, ()):
                visit(other, (*above, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def _loaded(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(' '.join(sorted({{m.split('.')[0] for m in sys.modules}})))"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(out.stdout.splitlines()[-1].split())


def test_help_and_parsing_start_without_the_heavy_libraries():
    loaded = _loaded(
        "import dropexp; dir(dropexp)\n"
        "from dropexp.cli import main; main(['--help']); main(['sweep', '--help'])\n"
        "from dropexp.study_files import parse, yaml_reader as r; parse.parse(r.read('configs/quickstart.yaml'))"
    )
    assert not loaded & {"torch", "pandas", "matplotlib", "scipy", "sklearn"}


def test_a_worker_needs_no_statistics():
    loaded = _loaded("import dropexp.train.pack, dropexp.executors.pool")
    assert "torch" in loaded
    assert not loaded & {"pandas", "matplotlib", "scipy", "sklearn", "typer", "rich", "pooch"}


def test_the_tree_in_contributing_names_every_file():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\s*([\w./]+\.py) {2,}(.+)$", text, re.MULTILINE))
    for path in FILES:
        if path.name == "__init__.py" and len(path.relative_to(PACKAGE).parts) > 1:
            continue
        first = (ast.get_docstring(tree(path)) or "").partition("\n")[0]
        assert told.get(name(path)) == first, f"CONTRIBUTING.md should say of {name(path)}: {first}"
