"""Words that nobody meant, for every verb and option: exit code 0, 1, 2 or 130, and never a traceback."""

import contextlib
import csv
import io
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import requests
import typer

from dropexp.cli import main
from dropexp.cli.app import app
from dropexp.errors import UsageError
from dropexp.quoting import CONTROLS
from dropexp.rows import CONFIG_COLUMNS

ROOT = Path(__file__).parent.parent.parent
COMMANDS = typer.main.get_command(app).commands
TINY = """data: {train_size: 30, val_size: 10}
model: {hidden: [4]}
training: {epochs: 1}
seeds: 2
sweep: {dropout.rate: [0, 0.5]}
claims: [{says: less gap, metric: gap, compare: {dropout.rate: 0.5}, against: {dropout.rate: 0}, expect: lower, margin: 0.01}]
"""
PATHS = [
    *(
        "c.yaml", "c.yaml", "c.yaml", "bad.yaml", "empty.yaml", "absent.yaml", "image.yaml", "folder.yaml",
        "own.yaml", "results",
    ),
    *(
        "results/c", "results/edited", "results/torn", "results/bare", "results/foreign", "results/noise",
        "results/c/runs.csv", "results/c/study.yaml", "d.npz", "d.csv",
    ),
    *(
        "/dev/null", "/proc/self/mem", "/", "", ".", "..", "~", "~nobody/x", "sealed", "sealed/in", "x" * 300,
        "x/" * 2000, "a\0b",
    ),
    *("\udcff.yaml", "é.yaml", "new.yaml", "loop", "loop/x.yaml", "http://x/y.yaml", "figure.png", "c.yaml/x", "-"),
]  # fmt: skip
WORDS = [
    *(
        "0", "1", "2", "-1", "0.5", "1.5", "1e400", "nan", "inf", "0:1:0.1", "0:1:0", "1:0:0.1", "0:1e9:1e-9",
        "::", "0:0.4:0.2",
    ),
    *(
        "none", "all", "hidden", "input+hidden", "hidden.1", "+", ",", "[", "[]", "[7]", "[0,1]", "'", '"', "é",
        "\u2028", "\udcff",
    ),
    *(
        "bernoulli", "spatial", "nosuch", "NAD", "DNA", "cpu", "cuda", "mps", "tpu", "auto",
        "99999999999999999999", "x" * 5000, "",
    ),
    *(
        "digits", "mnist", "cifar10", "mnst", "bn-order", "per-sample", "q", "con", "../x", "a/b", "--", "-x",
        "=", "a=b", "0x10", "1_0",
    ),
]  # fmt: skip
SETS = [
    *("training.lr=0.1", "training.lr=", "=1", "model.hidden=4+4", "model.hidden=", "model.kind=cnn", "model.kind=lstm", "x.y=1"),
    *("data.source=d.npz", "data.source=d.csv", "data.label=y", "data.source=absent.npz", "data.source=/dev/zero", "data.source=."),
    *("data.source=\udcff", "data.source=a\nb", "dropout.rate_at=input=0.2", "dropout.rate_at=input", "dropout.rate_at=="),
    *("model.hidden=64*9999", "streams.split=99999999999999999999", "training.epochs=0", "model.norm=batch", "data.test_size=0.5"),
]  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with configs, data and results: good, bad, edited, torn and sealed."""
    home = tmp_path_factory.mktemp("home")
    (home / "c.yaml").write_text(TINY)
    (home / "é.yaml").write_text(TINY)
    (home / "own.yaml").write_text(f"{TINY}".replace("train_size", "source: d.csv, label: y, train_size"))
    (home / "bad.yaml").write_text("dropout: {rate: 2, placment: x}\nmodel: 3\n")
    (home / "empty.yaml").write_text("")
    (home / "image.yaml").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0")
    (home / "folder.yaml").mkdir()
    (home / "loop").symlink_to("loop")
    (home / "sealed").mkdir()
    np.savez(home / "d.npz", x=np.random.default_rng(0).normal(size=(60, 5)), y=np.arange(60) % 3)
    (home / "d.csv").write_text("a,b,y\n" + "".join(f"{k / 7},{k % 5},{'uv'[k % 2]}\n" for k in range(60)))
    with contextlib.chdir(home), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for name in ("c", "edited", "torn", "bare", "noise"):
            assert main(["run", "c.yaml", "--study", name, "--no-plot", "--jobs", "1"]) == 0
    runs = home / "results" / "edited" / "runs.csv"
    runs.write_text(runs.read_text().replace(",0.05,", ",0.07,"))
    torn = home / "results" / "torn" / "epochs.csv"
    torn.write_bytes(torn.read_bytes()[:-9])
    for file in ("runs.csv", "summary.csv"):
        (home / "results" / "bare" / file).unlink()
    (home / "results" / "foreign").mkdir()
    header = "rate,seed,epoch,train_accuracy,test_accuracy\n"
    rows = "".join(f"{r},{s},{e},0.9,0.8\n" for r in (0, 0.5) for s in range(3) for e in (1, 2))
    (home / "results" / "foreign" / "epochs.csv").write_text(header + rows)
    for file in ("claims.csv", "summary.csv", "stopping.csv", "failures.csv"):
        (home / "results" / "noise" / file).write_bytes(random.Random(file).randbytes(300) + b"\n")
    (home / "sealed").chmod(0o500)
    return home


def words_for(rng: random.Random, name: str, parameter) -> list[str]:
    """Return words for one parameter: most of them of its kind, some of another."""
    if name == "--set":
        made = [rng.choice(SETS), f"{rng.choice(CONFIG_COLUMNS)}={rng.choice(WORDS)}", rng.choice(WORDS)]
        return rng.sample(made, rng.randint(1, 2))
    if rng.random() < 0.3:
        return [rng.choice(WORDS + PATHS)]
    kind = str(getattr(parameter, "type_descriptor", None) or parameter.type).lower()
    if "path" in kind:
        return [rng.choice(PATHS)]
    if "class 'int'" in kind or "integer" in kind:
        return [rng.choice(("1", "2", "0", "-1", "1024", "1025", "x", "1.0"))]
    return [rng.choice(WORDS) for _ in range(rng.choice((1, 1, 2, 4)))]


def options_of(parameter) -> list[str]:
    return [o for o in (*parameter.opts, *parameter.secondary_opts) if o.startswith("-")]


def words(rng: random.Random, verb: str) -> list[str]:
    """Return a command line of a verb, its options and words in any order and number."""
    parts = []
    for parameter in COMMANDS[verb].params:
        options = options_of(parameter)
        if not options:
            if rng.random() < 0.75:
                parts.append([rng.choice(WORDS if rng.random() < 0.2 else PATHS)])
            continue
        for _ in range(
            rng.choice((0, 0, 0, 1, 1, 2) if len(COMMANDS[verb].params) < 8 else (0, 0, 0, 0, 0, 0, 1, 1, 2))
        ):
            option = rng.choice(options)
            if parameter.is_flag:
                parts.append([option if rng.random() < 0.95 else f"{option}=x"])
            else:
                taken = words_for(rng, options[-1], parameter)
                parts.append([f"{option}={taken[0]}", *taken[1:]] if rng.random() < 0.2 else [option, *taken])
    rng.shuffle(parts)
    if rng.random() < 0.05:
        parts.append([rng.choice(("--nosuch", "--help", "--version", "-h", "--", "-"))])
    return [verb, *(word for part in parts for word in part)]


def harmless(rng: random.Random, argv: list[str]) -> list[str]:
    """Return a command line that trains nothing, or next to nothing, and looks at no law but one that takes no time."""
    if argv[0] in ("run", "sweep"):
        if rng.random() < 0.85 or "--threads" in " ".join(argv):
            return [argv[0], "--dry-run", *argv[1:]]
        return [argv[0], "c.yaml", "--jobs", "1", "--no-plot", "--study", f"s{rng.randrange(9)}"] + rng.choice(
            ([], ["--fresh"], ["--rates", "0.1"], ["--set", "data.source=d.npz"], ["--results", rng.choice(PATHS)])
        )
    if argv[0] == "check":
        return ["check", "c.yaml", "--time"] if "--time" in argv else argv
    if argv[0] == "laws" and not any(word not in PATHS and not word.startswith("-") for word in argv[1:]):
        return ["laws", *argv[1:], "nosuch"]
    return argv


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_option_comes_up(verb):
    """The list is typer's, so that a new verb or option is fuzzed from its first day."""
    drawn = {word.partition("=")[0] for seed in range(400) for word in words(random.Random(seed), verb)}
    for parameter in COMMANDS[verb].params:
        assert set(options_of(parameter)) <= drawn


@pytest.fixture
def case(home, monkeypatch):
    def offline(*_, **__):
        raise requests.ConnectionError("no network")

    monkeypatch.chdir(home)
    monkeypatch.setattr(requests, "get", offline)
    monkeypatch.setenv("DROPEXP_DATA", str(home / "cache"))
    monkeypatch.delenv("COLUMNS", raising=False)

    def check(rng):
        argv = harmless(rng, words(rng, rng.choice(list(COMMANDS))))
        code, out, err = answered(argv)
        promised = (0, 1, 2) if argv[0] == "verify" else (0, 2)  # no run of these fails, and nobody interrupts
        assert code in promised, f"{argv}: {code}: {err[-3000:]}"
        assert not CONTROLS.search(out + err) or "csv" in argv, argv
        if code == 2:
            raise UsageError("refused")  # so that the harness counts it

    return check


NAMES = [
    *("rate", "dropout", "p", "kind", "order", "model.order", "dropout.placement", "model.hidden", "rate_at", "gap"),
    *("=c", "$x", "a b", "é", "[red]", "x=y", "-x", "data.source", "seed.x", "test_loss", "val_loss", "run_id", "n"),
    *("a.kind", "b.kind", "label_noise"),
]  # fmt: skip
LABELS = [
    *("0", "0.5", "1", "-2+3", "2+", "+", "-", "--", "=cmd|x", "@x", "[red]x[/red]", "\x1b[31m", "\x9b", "\u202e"),
    *("", " ", "none", "null", "true", "nan", "inf", "1e400", "1" * 400, "9" * 5000, "NAD", "norm-activation-dropout"),
    *("é", "\U0001f600", "x" * 300, "{}", "[1]", "a=b", "input+hidden", "256+256", "input=0.2", "%", "\\", "0x10", "1_0"),
    *("２", "-0", ".", "'", '"', "a,b", "a\nb", "$\\frac{"),
]  # fmt: skip
SHOWS = ("compare", "export", "stopping", "verify", "report", "plot")


@pytest.fixture
def foreign_case(tmp_path, monkeypatch):
    """A table of others with odd columns and labels, and a verb that shows it."""
    monkeypatch.chdir(tmp_path)

    def table(rng, folder):
        columns = rng.sample(NAMES, rng.randint(1, 3))
        header = [
            *columns,
            "seed",
            "epoch",
            "train_accuracy",
            "test_accuracy",
            *rng.choice(([], ["test_loss"], ["val_loss"])),
        ]
        arms = {tuple(rng.choice(LABELS) for _ in columns) for _ in range(rng.randint(1, 4))}
        folder.mkdir(exist_ok=True)
        with (folder / "epochs.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(list(dict.fromkeys(header)))
            for arm in sorted(arms):
                for seed in range(rng.randint(1, 3)):
                    for epoch in (1, 2):
                        row = dict(
                            zip(header, [*arm, seed, epoch, *(round(rng.random(), 3) for _ in range(3))], strict=False)
                        )
                        writer.writerow(list(row.values()))
        return [f"{c}={label}" for arm in arms for c, label in zip(columns, arm, strict=True)]

    def check(rng):
        conditions = table(rng, tmp_path / "t") + [f"{rng.choice(NAMES)}={rng.choice(LABELS)}", "x", "=", "="]
        verb = rng.choice(SHOWS[:4] if rng.random() < 0.97 else SHOWS)  # a page and figures take their time
        argv = [verb, "t"]
        if verb == "compare":
            argv += [word for _ in range(rng.choice((1, 2, 2, 2, 3))) for word in ("--arm", rng.choice(conditions))]
        elif verb == "export":
            argv += ["--to", rng.choice(("latex", "markdown", "csv", "markdwon"))]
        elif verb == "stopping":
            argv += ["--monitor", rng.choice(("test_loss", "test_accuracy", "val_loss"))]
        elif verb in ("report", "plot"):
            argv += ["--fresh", *rng.choice(([], ["--baseline", rng.choice(conditions)]))]
        code, out, err = answered(argv)
        assert code in (0, 2), f"{argv}: {code}"
        if "csv" not in argv:
            assert not CONTROLS.search(out), argv
        assert not CONTROLS.search(err), argv
        if code == 2:
            raise UsageError("refused")

    return check


def answered(argv):
    """Return exit code, stdout and stderr of a command; a mistake must be a sentence, and nothing may be a traceback."""
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(argv)
    except BaseException as error:
        raise AssertionError(f"{argv}: {type(error).__name__}: {error}") from error
    assert "Traceback" not in err.getvalue(), f"{argv}: {err.getvalue()[-3000:]}"
    assert code != 2 or err.getvalue().strip(), f"{argv}: exit code 2 without a word"
    return code, out.getvalue(), err.getvalue()


def test_odd_tables_of_others(foreign_case, fuzz):
    fuzz(foreign_case, 30, seconds=20)


@pytest.mark.slow
def test_many_odd_tables_of_others(foreign_case, fuzz, many):
    fuzz(foreign_case, many(3_000), seconds=60)


def test_mutated_command_lines(case, fuzz):
    fuzz(case, 20, seconds=20)


@pytest.mark.slow
def test_many_mutated_command_lines(case, fuzz, many):
    fuzz(case, many(5_000), seconds=60)  # a dozen studies drawn anew are work, not a hang


@pytest.mark.slow
def test_a_hundred_processes(home):
    """As a user starts them, with descriptors of a console: nothing of a traceback on either."""
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DROPEXP_DATA": str(home / "cache"),
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }
    env |= {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "", "PYTHONWARNINGS": "default"}
    for seed in range(100):
        rng = random.Random(f"process {seed}")
        argv = harmless(rng, words(rng, list(COMMANDS)[seed % len(COMMANDS)]))
        argv = [word.replace("\0", "?") for word in argv]
        out = subprocess.run(
            [sys.executable, "-m", "dropexp", *argv],
            cwd=home,
            env=env,
            capture_output=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
        )
        assert out.returncode in (0, 1, 2, 130), (argv, out.returncode, out.stderr[-2000:])
        assert b"Traceback" not in out.stdout + out.stderr, (argv, out.stderr[-3000:])
