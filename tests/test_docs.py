"""What the documents say is so: every command stands in the README and runs, every YAML file parses."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest
import torch

from dropexp.cli import main
from dropexp.cli.app import VERBS
from dropexp.experiment.sources import SOURCES
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read, read_text
from dropexp.workflow.planning import Options, prepare

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
ELSEWHERE = (  # a network; tests/laws; tests/cli/test_inspect.py, as it needs weights
    "dropexp data mnist cifar10", "dropexp laws", "dropexp laws variance-shift",
    "dropexp export results/x rate=0.5 seed=3 --to torch --out net.py",
)  # fmt: skip
QUICKSTART = "dropexp sweep --rates 0 0.2 0.5"
SHORT = ["--jobs", "1", "--set", "training.epochs=6"]
TRAINED = {
    QUICKSTART: [*SHORT, "--study", "quickstart"],
    "--results": [*SHORT, "--no-plot"],
    "run five-networks": [*SHORT, "--study", "five-networks", "--no-plot", "--seeds", "10"],
}  # what other commands read; the rest is only planned


def commands() -> list[str]:
    """Return every command of the README that begins with dropexp, in order."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [part.strip() for block in blocks for line in block.splitlines() for part in line.split("&&")]
    quoted = re.findall(r"`(dropexp [^`]+)`", README)
    found = [c for c in dict.fromkeys([*lines, *quoted]) if c.startswith("dropexp ")]
    return [c for c in found if c not in ELSEWHERE]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_shipped_config_is_a_study(path):
    study = parse(read(path), name="x")
    prepare(study, Options(results=Path("nowhere")), data=False)
    assert path.read_text(encoding="utf-8").startswith("# "), "its first line is its question"
    assert study.sources[0] in SOURCES


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", README, re.DOTALL))
def test_every_yaml_block_parses(block):
    assert parse(read_text(block, "README.yaml"), name="x")


def test_every_command_has_help_and_stands_in_the_readme(capsys):
    for name, command, _ in VERBS:
        assert f"dropexp {name}" in README
        assert command.__doc__
        assert main([name, "--help"]) == 0
        assert len(capsys.readouterr().out) > 100


@pytest.mark.slow
def test_the_readme_table_is_what_the_quickstart_prints(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(QUICKSTART)[1:]) == 0
    shown = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    for line in re.search(r"```text\n(.*?)```", README, re.DOTALL).group(1).strip("\n").splitlines():
        if re.match(r" (rate|n:|train|vs)", line):
            assert line.rstrip() in shown


def hear(name, act):
    """Return what a command or a script prints, which must end well."""
    torch.set_num_threads(1)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert not act(), name
    return out.getvalue()


def test_every_command_of_the_readme_that_trains_nothing_runs(tmp_path, monkeypatch, store_study):
    """What run and sweep would do is planned; what is read of the quickstart is made up."""
    monkeypatch.chdir(tmp_path)
    store_study(tmp_path / "results/quickstart", "study: quickstart\nseeds: 3\nsweep: {dropout.rate: [0, 0.2, 0.5]}")
    said = {}
    for command in commands():
        words = shlex.split(command)[1:]
        dry = ["--dry-run"] if words[0] in ("run", "sweep") and "--dry-run" not in words else []
        if words[0] not in ("plot", "report", "verify", "stopping", "ensemble") and not {*words} & {
            "results/my-model",
            "anna",
        }:
            said[command] = hear(command, lambda words=[*words, *dry]: main(words))
    assert len(said) > 30
    assert all(said.values())


@pytest.fixture(scope="module")
def readme_folder(tmp_path_factory):
    """Run every script and command of the README in one folder and process; return what each printed."""
    with contextlib.chdir(tmp_path_factory.mktemp("readme")):
        printed = {}
        for i, script in enumerate(SCRIPTS):
            code = compile(script, "README.md", "exec")
            printed[f"script-{i}"] = hear(script, lambda code=code: exec(code, {"__name__": "__main__"}))
        for command in commands():
            words = shlex.split(command)[1:]
            if words[0] in ("run", "sweep"):
                more = [more for part, more in TRAINED.items() if part in command]
                words += more[0] if more else ["--dry-run"] if "--dry-run" not in words else []
            printed[command] = hear(command, lambda words=words: main(words))
    return printed


@pytest.mark.slow
def test_every_command_of_the_readme_runs(readme_folder):
    assert len(readme_folder) > 15
    assert all(printed for name, printed in readme_folder.items() if name != "script-0")


@pytest.mark.slow
def test_your_own_model_is_thirty_lines_that_dropexp_reads(readme_folder):
    assert len(SCRIPTS[0].splitlines()) <= 30
    assert "my-model" in readme_folder["dropexp plot results/my-model"]
    assert "| 0.5 " in readme_folder["dropexp export results/my-model --to markdown"]
    assert "Welch" in readme_folder["dropexp compare results/my-model results/quickstart"]
    assert "dropexp does not yet train your own module itself" in README


@pytest.mark.slow
def test_the_notebook_example_prints_what_it_says(readme_folder):
    shown = readme_folder["script-1"]
    assert "test vs 0" in shown
    assert "gap.png" in shown
    assert " A: results/notebook, rate 0.5" in shown
    assert " 0      2 " in readme_folder["dropexp compare anna ben --together --out results/class"]


def test_the_two_commands_of_the_readme_are_what_ci_runs():
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "pip install . && dropexp sweep --rates 0 0.2 0.5" in README
    assert "pip install '.[test]' && pytest" in README
    assert "'.[test]' && pytest" in ci


def test_every_kind_of_dropout_stands_in_the_readme():
    from dropexp.experiment.kinds import KINDS

    for name, kind in KINDS.items():
        assert f"| `{name}` | {kind.means} | {kind.source} |" in README
