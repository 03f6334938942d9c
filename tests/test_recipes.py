"""The recipes of CONTRIBUTING, followed to the letter: rows in the tables that they name, and nothing else."""

import ast
import csv
import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import dropexp
from dropexp import rows

PACKAGE = Path(dropexp.__file__).parent
ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"\*\*(Add a [\w ]+)\.\*\*(.*?)(?=\n\n)", TEXT, re.DOTALL))
TABLES = {
    title: re.findall(r"`([A-Z_]{4,})`\s+\(`(\w+/\w+)\.py`\)", text) for title, text in RECIPES.items()
}  # (table, file) as a recipe names them

# What someone adds from outside, one recipe after the other. `table` finds the next row's place: it takes only what the
# recipe names. The order is that of a session in which the package is imported for the first time.
ADDED = '''
import hashlib, sys
from pathlib import Path

import numpy as np


def table(name, tables=dict(TABLES)):
    """Return a table that the recipe names."""
    return getattr(__import__(f"dropexp.{tables[name].replace('/', '.')}", fromlist=[name]), name)


if "kind" in ADD:
    from dropexp.experiment.kinds import Kind

    table("KINDS")["coin"] = Kind(
        "coin", (), "1/keep", "1", "nobody", "times 1 plus or minus sqrt(rate/keep)", signed=True
    )
    from dropexp.nn.expected_noise import Expected, outside
    from dropexp.nn.noise_laws import NoiseLaw

    def coin(u, s):
        spread_R = ((1.0 - s.keep_R) / s.keep_R).sqrt().to(s.survivor_R)
        return (u >= 0).to(s.survivor_R.dtype).mul(2.0).sub(1.0) * spread_R + 1.0, None

    def expected(rate, shape, size):
        p, bits = (0.5, 1.0) if rate else (0.0, 0.0)
        return Expected(p, p, 1, bits, outside)

    table("NOISE_LAWS")["coin"] = NoiseLaw(coin, expected, fired=lambda factor, rates: (factor > 1).flatten(1))

if "data set" in ADD:
    from dropexp.data.dataset import Dataset
    from dropexp.data.published import Published
    from dropexp.experiment.sources import Source

    rng = np.random.default_rng(0)
    there = Path("cache/stripes/stripes.npy")
    there.parent.mkdir(parents=True)
    np.save(there, rng.integers(0, 256, (90, 1, 4, 5), dtype=np.uint8))

    def stripes(source, files):
        x = np.load(files["stripes.npy"])
        return Dataset(source, x, np.arange(len(x)) % 3, None, ("flat", "steep", "round"))

    table("SOURCES")["stripes"] = Source("Stripes", (1, 4, 5), (30, 30, 30), None, "nobody")
    table("PUBLISHED")["stripes"] = Published(
        {"stripes.npy": hashlib.md5(there.read_bytes()).hexdigest()}, ("https://mirror.invalid/",)
    )
    table("BUILT_IN")["stripes"] = stripes

if "probe" in ADD:
    from dropexp.experiment.probes import Probe

    table("PROBES")["weight_norms"] = Probe("the L2 norm of each weight", "each layer", "nobody")
    table("MEASURES")["weight_norms"] = lambda look: [
        (name.removesuffix(".weight"), "", [float(w.detach().norm()) for w in tensor])
        for name, tensor in look.network.parameters.items()
        if name.endswith(".weight")
    ]

from dropexp.cli import main

sys.exit(main(sys.argv[1:]))
'''
STUDY = """
data: {source: SOURCE, test_size: 20, val_size: 10, train_size: 60}
model: {hidden: [30, 20]}
dropout: {kind: KIND}
training: {epochs: 2, batch_size: 20}
seeds: 2
sweep: {dropout.rate: [0, 0.3]}
PROBES
"""
FOLLOWED = {
    "Add a kind of dropout": ("kind", STUDY.replace("KIND", "coin").replace("SOURCE", "digits").replace("PROBES", "")),
    "Add a data set": (
        "data set",
        STUDY.replace("KIND", "bernoulli").replace("SOURCE", "stripes").replace("PROBES", ""),
    ),
    "Add a probe": (
        "probe",
        STUDY.replace("KIND", "bernoulli").replace("SOURCE", "digits").replace("PROBES", "probes: [weight_norms]"),
    ),
}
ALL = STUDY.replace("KIND", "coin").replace("SOURCE", "stripes").replace("PROBES", "probes: [weight_norms]")


SESSION = """
import json, os, sys, traceback
os.environ["MKL_CBWR"] = "AUTO,STRICT"
import matplotlib.figure, pandas, scipy.special, torch

for line in sys.stdin:
    package, folder, script, words = json.loads(line)
    if (child := os.fork()) == 0:
        for number, name in enumerate(("out", "err"), 1):
            os.dup2(os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT), number)
        os.chdir(folder)
        sys.path.insert(0, package)
        sys.argv[1:] = words
        code = 1
        try:
            exec(script, {"__name__": "__main__"})
            code = 0
        except SystemExit as end:
            code = end.code
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(code)  # taking the libraries down would take as long as the script
    print(os.waitpid(child, 0)[1], flush=True)
"""


@pytest.fixture(scope="module")
def fresh():
    """Run scripts each in a process that has the libraries loaded and nothing of dropexp; return its stdout and stderr."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", SESSION], cwd=PACKAGE, **pipes) as session:

        def run(script, folder, *words, package=PACKAGE):
            print(json.dumps([str(package.parent), str(folder), script, words]), file=session.stdin, flush=True)
            status = int(session.stdout.readline())
            out, err = ((folder / name).read_text() for name in ("out", "err"))
            assert status == 0, out + err
            return out, err

        yield run


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_file_and_table_that_a_recipe_names_is_there(recipe):
    for name in re.findall(r"`([\w/]+\.py|\w+/)`", RECIPES[recipe]):
        assert (ROOT / name).exists() or (ROOT / "dropexp" / name).exists(), name
    for table, module in TABLES[recipe]:
        assert isinstance(vars(importlib.import_module(f"dropexp.{module.replace('/', '.')}"))[table], dict)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", FOLLOWED)
def test_rows_in_the_tables_that_a_recipe_names_are_all_it_takes(recipe, tmp_path, fresh):
    what, study = FOLLOWED[recipe]
    added(what, TABLES[recipe], study, tmp_path, fresh)


def test_all_recipes_can_be_followed_in_one_study(tmp_path, fresh):
    tables = [table for recipe in FOLLOWED for table in TABLES[recipe]]
    added([what for what, _ in FOLLOWED.values()], tables, ALL, tmp_path, fresh)


def added(what, tables, study, tmp_path, fresh):
    """Train a study of what was added to tables, and see that it is there."""
    (tmp_path / "new.yaml").write_text(study)
    script = f"ADD, TABLES = {what!r}, {tables!r}\n{ADDED}"
    _, err = fresh(script, tmp_path, "run", "new.yaml", "--jobs", "1", "--no-plot", "--data-dir", "cache")
    assert "audit" not in err
    with (tmp_path / "results/new/runs.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    probes = tmp_path / "results/new/probes.csv"
    if "probe" not in what:
        assert not probes.exists()
        return
    with probes.open(encoding="utf-8") as file:
        measured = list(csv.DictReader(file))
    assert {row["probe"] for row in measured} == {"weight_norms"}
    assert {row["layer"] for row in measured} == {"hidden.1", "hidden.2", "output"}


def test_the_recipes_name_no_table_that_their_test_leaves_out():
    """What is added above is exactly what the recipes say: no more, and no less."""
    used = {
        node.args[0].value
        for node in ast.walk(ast.parse(ADDED))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "table"
    }
    assert used == {table for tables in TABLES.values() for table, _ in tables}


METRIC = """    Metric(
        "brier", "Brier score", "", higher=False, low=0.0, high=1.0, chance=lambda k: (k - 1) / k**2, counts=False,
        on=("train", "val", "test"), averaged=("train_brier", "test_brier"), since={since},
    ),
""".replace("{since}", str(len(rows.ADDED) + 1))  # what comes after all that there is
BRIER = """
    "brier": lambda logits_RBK, guess_RB, labels_RB: (
        (torch.softmax(logits_RBK, -1) - torch.nn.functional.one_hot(labels_RB, logits_RBK.shape[-1])) ** 2
    ).mean(-1),
"""
METRIC_STUDY = """
study: s
data: {train_size: 60}
model: {hidden: [6]}
training: {epochs: 3}
early_stopping: {patience: 2, monitor: val_brier}
seeds: 3
sweep: {dropout.rate: [0, 0.9]}
claims:
  - {metric: test_brier, compare: {dropout.rate: 0.9}, against: {dropout.rate: 0}, expect: higher, margin: 0.001}
"""
ALL_THAT_READS_METRICS = """
import json, sys
from pathlib import Path
from dropexp.cli import main

assert main(["run", "s.yaml", "--no-plot", "--jobs", "1"]) == 0
from dropexp.analysis.compare import Side, compare
from dropexp.analysis.judging import judge
from dropexp.figures.claims import claims_figure
from dropexp.page.runs import arm_runs
from dropexp.store.folder import Store
from dropexp.store.writer import Writer
from dropexp.tables.comparison import comparison
from dropexp.workflow.reading import reading
from dropexp.workflow.running import summarise
from dropexp.workflow.verifying import verify

shown, _ = reading(Path("results/s"))
store = Store(Path("results/s"))
pairs = compare([Side(shown, shown.arms[1])], [Side(shown, shown.arms[0])], [])
runs = list(arm_runs(shown, store.frame("provenance.csv")))
old, _ = reading(Path("old"))
with Writer(Path("old")) as writer:
    summarise(writer)
assert claims_figure(shown) is not None
print(json.dumps({
    "epochs": list(store.frame("epochs.csv")), "runs": list(store.frame("runs.csv")),
    "scores": store.frame("epochs.csv")["test_brier"].tolist(),
    "sentence": judge(shown)[0].sentence, "table": comparison(pairs, ("a", "b")),
    "page": [name for name, _ in runs[0].runs[0].rows], "fine": verify(Path("results/s"), 1).fine,
    "old": [len(old.runs), int(old.runs["test_brier"].isna().sum())],
}))
"""


def test_one_more_metric_is_one_row_and_its_function(tmp_path, store_study, fresh):
    """A copy of the package gets a Brier score: files, claims, monitors, tables, figures and pages know it from there."""
    store_study(tmp_path / "old", "study: old\nseeds: 2\nsweep:\n  dropout.rate: [0, 0.5]\n")
    package = tmp_path / "dropexp"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    for file, before, text in (
        ("metrics.py", "METRICS: tuple[Metric, ...] = (\n", METRIC),
        ("train/evaluate.py", "EACH: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {", BRIER),
    ):
        known = (package / file).read_text(encoding="utf-8")
        assert known.count(before) == 1
        (package / file).write_text(known.replace(before, before + text), encoding="utf-8")
    (tmp_path / "s.yaml").write_text(METRIC_STUDY)
    found = json.loads(fresh(ALL_THAT_READS_METRICS, tmp_path, package=package)[0].splitlines()[-1])
    assert found["epochs"][-3:] == ["train_brier", "val_brier", "test_brier"]
    assert [name for name in found["runs"] if "brier" in name] == ["train_brier", "val_brier", "test_brier"]
    assert all(0 < score < 1 for score in found["scores"])
    header = (tmp_path / "results/s/summary.csv").read_text().partition("\n")[0].split(",")
    assert {"train_brier_mean", "test_brier_diff_p_family"} <= set(header)
    assert header.index("test_loss_mean") < header.index("train_brier_mean") < header.index("data.source")
    assert re.match(r"test brier [-+]0\.\d{3} \[.+\], n = 3, margin 0\.001\b(?! nats)", found["sentence"])
    assert "test brier" in found["table"]
    assert "test Brier score" in found["page"]
    assert found["fine"]
    assert found["old"] == [4, 4]
    assert "test_brier" in (tmp_path / "old/runs.csv").read_text().partition("\n")[0]
