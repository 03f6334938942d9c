"""Mutated study files: a study or sentences, within a second and little memory; what is read can be written and read back."""

import random
from functools import reduce
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest
import yaml

from dropexp.experiment.config import Config
from dropexp.experiment.identity import run_id
from dropexp.experiment.study import Study
from dropexp.rows import CONFIG_COLUMNS, config_cells
from dropexp.study_files.parse import parse
from dropexp.study_files.stored_arms import names_of
from dropexp.study_files.writing import to_yaml
from dropexp.study_files.yaml_reader import read, read_text


def field_of(section, name):
    return section.model_fields[name].annotation


CONFIGS = sorted((Path(__file__).parent.parent.parent / "configs").rglob("*.yaml"))
TEXTS = [path.read_text(encoding="utf-8") for path in CONFIGS]
KEYS = [
    *(
        "study", "data", "model", "dropout", "early_stopping", "training", "seeds", "streams", "sweep", "claims",
        "probes",
    ),
    *(
        "source", "test_size", "val_size", "train_size", "label_noise", "kind", "hidden", "channels", "kernel",
        "pool", "units",
    ),
    *(
        "activation", "norm", "norm_group", "order", "init", "rate", "placement", "rate_at", "group_size",
        "block_size", "shape",
    ),
    *(
        "schedule", "epochs", "begin", "end", "patience", "monitor", "min_delta", "optimizer", "lr", "batch_size",
        "says", "metric",
    ),
    *(
        "compare", "against", "expect", "margin", "save_weights", "save_predictions", "label", "sha256", "layers", "bidirectional",
        "max_norm", "split",
    ),
    *(
        "dropout.rate", "model.hidden", "dropout.kind", "training.lr", "dropout.rate_at", "a.b", "<<", "", "\u2028",
        "é", "x" * 300,
    ),
]  # fmt: skip
VALUES = [
    *(None, True, False, 0, 1, -1, 2, 3, 7, 16, 64, 512, 2**53, 2**63, -(2**63), 10**40, 10**320, 0.5, 0.2, 1.0, 0.0, -0.0),
    *(0.999999, 0.99999999, 1e-5, 1e-9, 1e-320, 1e308, -0.5, 50, float("inf"), float("nan"), "", " ", "none", "all", "hidden"),
    *("hidden.1", "hidden.0", "hidden.-1", "hidden.99999999999999999999", "conv", "input", "recurrent.1", "last", "input+hidden"),
    *("64*8", "64*999", "0*5", "9999999*999", "NAD", "dna", "NNN", "batch", "layer", "cnn", "lstm", "mlp", "spatial", "dropblock"),
    *("alpha", "selu", "variational", "dropconnect", "adam", "cosine", "step", "linear", "early", "50%", "0,5", "1_000", "off"),
    *("digits", "cifar10", "mnist", "nowhere.npz", "../x.csv", "/etc/passwd", "con", "\x00", "\x85", "\ud7ff", "\U0001f600", "=0"),
    *("&a", "*a", "!!python/object/apply:os.system [ls]", "a: b", "- a", "x" * 5000, "2020-01-01", "0x10", "0o17", "1e5", ".5"),
    *([], {}, [[]], [None], [0], [7], [0, 0], [0, 0.5], [64, 64], [512, 256, 128], list(range(40)), {"a": 1}, {"shape": "linear"}),
    *({"input": 0.2}, {"hidden.1": 0}),
    *({"a": {"b": {"c": [1, {"d": None}]}}}, [{"a": []}], {1: 2}, {None: 0}, [["hidden"], ["input"]]),
]  # fmt: skip
WORDS = {  # the fields that hold one of some words
    path: get_args(annotation)
    for path in CONFIG_COLUMNS
    if get_origin(annotation := reduce(field_of, path.split("."), Config)) is Literal
}
TOKENS = [
    *(
        "&a ", "*a", "<<: *a", "!!str ", "!x ", "|\n", ">-\n", "? ", "- ", ": ", ":", ",", "[", "]", "{", "}", "'",
        '"', "#", "%YAML 1.1\n",
    ),
    *(
        "---\n", "...\n", "\t", "\r", "\n", "\n\n", "\x00", "\ufeff", "\u2028", "\x85", "\\", '"\\ud800"',
        '"\\UFFFFFFFF"', "@", "`", "  ",
    ),
    *(
        "[" * 40, "{a: " * 40, "- " * 40, "? " * 40, "&a [*a]", "&b {c: *b}", "'" * 99, "a" * 2000, "1" * 400,
        "# " * 500, "!" * 50,
    ),
]  # fmt: skip


def tree(rng: random.Random, node, depth=0):
    """Return a copy of plain data with one of its nodes changed."""
    if depth > 5 or not isinstance(node, dict | list) or not node or rng.random() < 0.15:
        return rng.choice(VALUES)
    if isinstance(node, list):
        at = rng.randrange(len(node))
        action = rng.randrange(4)
        changed = list(node)
        if action == 0:
            del changed[at]
        elif action == 1:
            changed.insert(at, rng.choice(VALUES))
        elif action == 2:
            changed *= rng.choice((2, 3))
        else:
            changed[at] = tree(rng, node[at], depth + 1)
        return changed
    key = rng.choice(list(node))
    action = rng.randrange(8)
    changed = dict(node)
    if action == 0:
        del changed[key]
    elif action == 1:
        changed[rng.choice(KEYS)] = changed.pop(key)
    elif action == 2:
        changed[rng.choice(KEYS)] = rng.choice(VALUES)
    elif action == 3 and depth == 0:
        if rng.random() < 0.5:  # one word that is allowed, by which the base configuration may be no arm
            path = rng.choice(list(WORDS))
            changed["sweep"] = {path: [rng.choice(WORDS[path])]}
        else:
            path = rng.choice(CONFIG_COLUMNS)
            changed["sweep"] = {path: [rng.choice(VALUES) for _ in range(rng.randint(1, 4))]}
    else:
        changed[key] = tree(rng, node[key], depth + 1)
    return changed


def text(rng: random.Random, given: str) -> str:
    """Return a text with some of its characters, words or lines changed."""
    for _ in range(rng.randint(1, 3)):
        at, end = sorted(rng.randrange(len(given) + 1) for _ in range(2))
        lines = given.split("\n")
        match rng.randrange(7):
            case 0 | 1:
                given = given[:at] + rng.choice(TOKENS) + given[at:]
            case 2:
                given = given[:at] + given[min(end, at + rng.randint(1, 8)) :]
            case 3:
                i = rng.randrange(len(lines))
                given = "\n".join([*lines[:i], *[lines[i]] * rng.choice((2, 50)), *lines[i + 1 :]])
            case 4:
                i = rng.randrange(len(lines))
                given = "\n".join([*lines[:i], " " * rng.randrange(4) + lines[i].lstrip(), *lines[i + 1 :]])
            case 5:
                given = (
                    given[:at] + chr(rng.choice((rng.randrange(32, 127), rng.randrange(0xD800), 0x1F600))) + given[at:]
                )
            case 6:
                given = given[:at]
    return given


@pytest.fixture
def case(tmp_path, mutated):
    """Write a mutated study and read it, unless it is refused."""
    path = tmp_path / "study.yaml"
    plain = [yaml.safe_load(t) for t in TEXTS]

    def check(rng: random.Random) -> Study:
        which = rng.randrange(10)
        if which < 6:
            content = rng.choice(plain)
            for _ in range(rng.choice((1, 1, 1, 2, 4))):
                content = tree(rng, content)
            written = yaml.safe_dump(content, default_flow_style=rng.choice((None, True, False)), allow_unicode=True)
            raw = (text(rng, written) if which == 5 else written).encode("utf-8", "surrogatepass")
        elif which < 9:
            raw = text(rng, rng.choice(TEXTS)).encode("utf-8", "surrogatepass")
        else:
            raw = mutated(rng, rng.choice(TEXTS).encode())
        path.write_bytes(raw)
        return parse(read(path))

    return check


def known_again(study: Study) -> None:
    """Read a study's rows and its study.yaml back, neither of which may be refused."""
    for arm in study.arms[:3]:
        cells = tuple(config_cells(arm.trained))
        assert not any("\n" in cell or "\r" in cell for cell in cells)
        assert names_of(cells, 3) == (arm.arm_id, run_id(arm.trained, 3)), "a row of runs.csv does not know its name"
    if len(study.arms) < 200:
        again = parse(read_text(to_yaml(study), "study.yaml"), folder=study.folder, large=True)
        assert [a.arm_id for a in again.arms] == [a.arm_id for a in study.arms], "study.yaml is another study"


def test_mutated_studies(case, fuzz):
    fuzz(case, 120, then=known_again)


@pytest.mark.slow
def test_many_mutated_studies(case, fuzz, many):
    fuzz(case, many(100_000), then=known_again)
