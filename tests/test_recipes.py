"""The recipes of CONTRIBUTING, followed to the letter: rows in the tables that they name, and nothing else."""

import ast
import csv
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

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

    table("SOURCES")["stripes"] = Source("Stripes", (1, 4, 5), 3, 90, None, "nobody")
    table("PUBLISHED")["stripes"] = Published(
        {"stripes.npy": hashlib.md5(there.read_bytes()).hexdigest()}, ("https://mirror.invalid/",)
    )
    table("BUILT_IN")["stripes"] = stripes

if "probe" in ADD:
    from dropexp.experiment.probes import Probe

    table("PROBES")["weight_norms"] = Probe("the L2 norm of each weight", "each layer", "nobody")
    table("MEASURES")["weight_norms"] = lambda network, feed, noise: [
        (name.removesuffix(".weight"), "", [float(w.detach().norm()) for w in tensor])
        for name, tensor in network.parameters.items()
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


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_file_and_table_that_a_recipe_names_is_there(recipe):
    for name in re.findall(r"`([\w/]+\.py|\w+/)`", RECIPES[recipe]):
        assert (ROOT / name).exists() or (ROOT / "dropexp" / name).exists(), name
    for table, module in TABLES[recipe]:
        assert isinstance(vars(importlib.import_module(f"dropexp.{module.replace('/', '.')}"))[table], dict)


@pytest.mark.parametrize("recipe", FOLLOWED)
def test_rows_in_the_tables_that_a_recipe_names_are_all_it_takes(recipe, tmp_path):
    what, study = FOLLOWED[recipe]
    (tmp_path / "new.yaml").write_text(study)
    script = f"ADD, TABLES = {what!r}, {TABLES[recipe]!r}\n{ADDED}"
    command = ["run", "new.yaml", "--jobs", "1", "--no-plot", "--data-dir", "cache"]
    done = subprocess.run(
        [sys.executable, "-c", script, *command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "audit" not in done.stderr
    with (tmp_path / "results/new/runs.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    probes = tmp_path / "results/new/probes.csv"
    if what != "probe":
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
