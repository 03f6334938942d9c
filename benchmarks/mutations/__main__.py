"""`python -m benchmarks.mutations`: applies each edit of the table to a copy of the package and runs the tests on it.

An edit that none of the tests named beside it notices survives, which is a gap in the tests. Words after the command choose
edits by file; `--root` names another checkout, so that two states of the tests can be compared. Libraries are loaded once,
then each edit has a process.
"""

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import traceback
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.mutations.table import MUTATIONS

ROOT = Path(__file__).parent.parent.parent
COPIED = ("dropexp", "tests", "configs", "benchmarks", "docs", "pyproject.toml", "README.md", "CONTRIBUTING.md")
LIBRARIES = ("dropexp.nn", "torch", "pandas", "matplotlib.figure", "scipy.stats", "sklearn.datasets", "rich.table")
SECONDS = 600  # of processor time; what an edit makes endless is noticed too
Edit = tuple[str, str, str, str]  # file, old, new, tests


class Watch:
    """Remembers the first test that failed, or the file that could not be collected."""

    first = ""

    def pytest_runtest_logreport(self, report):
        self.first = self.first or (report.nodeid if report.failed else "")

    def pytest_collectreport(self, report):
        self.first = self.first or (f"{report.nodeid} (collection)" if report.failed else "")


def noticed(tree: Path, tests: list[str]) -> str:
    """Run tests on a tree in a process of its own; return the one that failed, "" where none did."""
    there = [f"tests/{name}" for name in tests if (tree / "tests" / name).exists()]
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            os.chdir(tree)
            sys.path.insert(0, str(tree))
            os.environ["PYTHONPATH"] = str(tree)
            for name in [m for m in sys.modules if m.partition(".")[0] == "dropexp"]:
                del sys.modules[name]
            watch = Watch()
            ended = pytest.main([*there, "-x", "-q", "-n", "0", "-p", "no:cacheprovider"], plugins=[watch])
            first = watch.first if ended == 1 else "" if ended == 0 else watch.first or f"pytest ended with {ended}"
            os.write(writing, json.dumps(first).encode())
            code = 0
        except BaseException:
            os.write(writing, json.dumps(traceback.format_exc()[-300:]).encode())
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    _, status = os.waitpid(child, 0)
    return json.loads(said) if said else f"ended by signal {status & 0x7F}"


def prepare(root: Path, place: str) -> None:
    """Give this worker a copy of the checkout to edit."""
    global TREE
    TREE = Path(tempfile.mkdtemp(dir=place))
    os.environ["TMPDIR"] = str(TREE)
    tempfile.tempdir = None
    for name in COPIED:
        if (root / name).is_dir():
            shutil.copytree(root / name, TREE / name, ignore=shutil.ignore_patterns("__pycache__", "peers"))
        elif (root / name).exists():
            shutil.copy(root / name, TREE / name)


def attempt(edit: Edit) -> tuple[Edit, str | None]:
    """Apply an edit, run the tests and take it back; return the test that noticed it, None where it does not apply."""
    name, old, new, tests = edit
    path = TREE / "dropexp" / name
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if before.count(old) != 1:
        return edit, None
    changed = path.stat().st_mtime
    path.write_text(before.replace(old, new), encoding="utf-8")
    attempt.count = getattr(attempt, "count", 0) + 1
    os.utime(path, (changed, changed - 100 * attempt.count))  # compiled files are told apart by whole seconds
    found = noticed(TREE, tests.split())
    path.write_text(before, encoding="utf-8")
    os.utime(path, (changed, changed))
    return edit, found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutations", description="Do the tests notice edits?")
    parser.add_argument("words", nargs="*", help="parts of the names of files whose edits are tried")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--root", type=Path, default=ROOT, help="a checkout of the project, this one by default")
    given = parser.parse_args()
    for library in LIBRARIES:
        import_module(library)
    edits = [
        (name, old, new, tests)
        for name, (tests, rows) in MUTATIONS.items()
        if not given.words or any(word in name for word in given.words)
        for old, new in rows
    ]
    counts = {"caught": 0, "SURVIVED": 0, "does not apply": 0}
    with tempfile.TemporaryDirectory(prefix="mutations-") as place:
        start = (given.jobs, multiprocessing.get_context("fork"), prepare, (given.root.resolve(), place))
        with ProcessPoolExecutor(*start) as pool:
            for (name, old, new, _), found in pool.map(attempt, edits):
                word = "does not apply" if found is None else "caught" if found else "SURVIVED"
                counts[word] += 1
                print(f"{word}\t{name}\t{old!r} -> {new!r}\t{found or ''}", flush=True)
    print(", ".join(f"{count} {word}" for word, count in counts.items()))
    return int(counts["caught"] < len(edits))


if __name__ == "__main__":
    sys.exit(main())
