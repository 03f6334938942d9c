"""How loud commands speak: --quiet, --verbose and --json of run and sweep, progress, completion and the examples in help."""

import contextlib
import io
import json
import os
import shlex
import subprocess
import sys
import webbrowser
from pathlib import Path

import pytest
import typer
from stored import stored

from dropexp.cli import main
from dropexp.cli.app import VERBS, app
from dropexp.cli.arguments import gather
from dropexp.cli.completion import OFFERED, completing
from dropexp.cli.environment import PLAIN, tamed
from dropexp.cli.examples import EXAMPLES
from dropexp.console import steps as steps_module
from dropexp.console.steps import Steps
from dropexp.workflow import running

ROOT = Path(__file__).parent.parent.parent
TINY = (
    "data: {train_size: 30, val_size: 10}\nmodel: {hidden: [4]}\ntraining: {epochs: 1}\nseeds: 2\n"
    "sweep: {dropout.rate: [0, 0.5]}\n"
)
RUN = ["run", "c.yaml", "--jobs", "1", "--no-plot"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    (home / "c.yaml").write_text(TINY)
    return home


@pytest.fixture(autouse=True)
def here(home, monkeypatch):
    monkeypatch.chdir(home)
    monkeypatch.delenv("COLUMNS", raising=False)


def test_quiet_prints_nothing_and_json_one_line_while_all_else_goes_to_stderr(capsys):
    assert main([*RUN, "--quiet"]) == 0
    assert tuple(capsys.readouterr()) == ("", "")
    assert main([*RUN, "--quiet", "--json", "--fresh"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.count("\n") == 1
    made = json.loads(shown.out)["studies"]
    assert [(one["study"], one["trained"], one["failed"], one["interrupted"]) for one in made] == [("c", 4, [], False)]
    assert main([*RUN, "--json"]) == 0
    again = capsys.readouterr()
    assert json.loads(again.out)["studies"][0]["arms"] == made[0]["arms"]
    assert json.loads(again.out)["studies"][0]["trained"] == 0
    assert "test vs 0" in again.err
    assert "next: dropexp report results/c" in again.err


def test_verbose_says_packs_workers_times_and_places(capsys):
    assert main([*RUN, "--verbose", "--fresh"]) == 0
    shown = capsys.readouterr()
    for said in ("folder: results/c", "checkpoints: results/c/", "1 worker, 1 thread each", "pack 1: 4 runs of 2 arms",
                 "4 runs stored after", "for training"):  # fmt: skip
        assert said in shown.err
        assert said not in shown.out
    assert main(RUN) == 0
    assert "pack 1:" not in capsys.readouterr().err


def test_a_dry_run_as_json_is_what_check_says(capsys):
    assert main([*RUN, "--dry-run", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)["studies"]
    assert main(["check", "c.yaml", "--json"]) == 0
    assert made == [json.loads(capsys.readouterr().out)]


def test_quiet_is_not_silent_about_mistakes(capsys):
    assert main(["run", "absent.yaml", "--quiet", "--json"]) == 2
    shown = capsys.readouterr()
    assert "absent.yaml" in shown.err
    assert shown.out == ""
    assert main([*RUN, "--quiet", "--verbose"]) == 2
    assert "give one of the two" in capsys.readouterr().err


def test_runs_that_failed_are_said_and_stand_in_the_document(capsys, monkeypatch):
    def raising(*_, **__):
        raise ValueError("boom")

    monkeypatch.setattr(running, "train_work", raising)
    assert main([*RUN, "--quiet", "--json", "--fresh"]) == 1
    shown = capsys.readouterr()
    assert "4 runs failed" in shown.err
    assert len(json.loads(shown.out)["studies"][0]["failed"]) == 4
    assert json.loads(shown.out)["studies"][0]["runs"] == 0


def test_laws_verify_and_report_are_quiet_where_all_is_well(capsys, tmp_path):
    stored(tmp_path / "s", "study: s\nseeds: 3\ntraining: {epochs: 4}\nsweep: {dropout.rate: [0, 0.5]}\n")
    assert main(["report", str(tmp_path / "s"), "--quiet"]) == 0
    assert main(["laws", "io-untouched", "--quiet"]) == 0
    assert tuple(capsys.readouterr()) == ("", "")
    assert main(["verify", str(tmp_path / "s"), "--sample", "0", "--quiet"]) == 1
    assert "summary.csv: is missing" in capsys.readouterr().out, "what is wrong is said"


@pytest.mark.parametrize(("opens", "said"), [(True, ""), (False, "--open: no browser was found here")])
def test_report_opens_the_page(capsys, tmp_path, monkeypatch, opens, said):
    asked = []
    monkeypatch.setattr(webbrowser, "open", lambda address: asked.append(address) or opens)
    stored(tmp_path / "s", "study: s\nseeds: 1\ntraining: {epochs: 4}\nsweep: {dropout.rate: [0]}\n")
    assert main(["report", str(tmp_path / "s"), "--open"]) == 0
    assert asked == [(tmp_path / "s" / "report.html").resolve().as_uri()]
    err = capsys.readouterr().err
    assert said in err
    assert bool(err) == bool(said)


def test_progress_without_a_terminal_is_a_line_now_and_then(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(steps_module.time, "monotonic", lambda: now[0])
    with contextlib.redirect_stderr(io.StringIO()) as stream, Steps(stream, 4, "laws") as steps:
        for name, at in (("a", 1.0), ("b\x1b[31m", 9.0), ("c", 10.0), ("d", 30.0)):
            now[0] = at
            with steps.step(name):
                pass
    assert stream.getvalue() == "1 of 4 laws done, now b\\x1b[31m\n3 of 4 laws done, now d\n"


def test_every_verb_has_two_examples_that_are_commands():
    verbs = typer.main.get_command(app).commands
    assert set(EXAMPLES) == {name for name, _, _ in VERBS}
    for name, examples in EXAMPLES.items():
        assert len(examples) == 2, name
        for command, what in examples:
            program, verb, *words = shlex.split(command)
            assert (program, verb) == ("dropexp", name)
            assert verbs[verb].make_context(verb, gather(words)), command  # raises for an option that there is not
            assert what


def test_the_examples_stand_beneath_the_help(capsys):
    for name, examples in EXAMPLES.items():
        assert main([name, "--help"]) == 0
        told = " ".join(capsys.readouterr().out.split())
        for command, what in examples:
            assert command in told
            assert what in told


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "variables", "plain"),
    [
        (Terminal, {}, False),
        (Terminal, {"NO_COLOR": "1"}, True),
        (io.StringIO, {"GITHUB_ACTIONS": "true"}, True),  # by which typer would colour what no terminal shows
        (io.StringIO, {"FORCE_COLOR": "1"}, False),
    ],
)
def test_help_is_plain_where_no_color_asks_for_that_and_in_pipes(monkeypatch, stream, variables, plain):
    """typer reads its variable once, as it is loaded; that it obeys it there is seen in the slow test below."""
    for name in ("NO_COLOR", "FORCE_COLOR", PLAIN):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with contextlib.redirect_stdout(stream()):
        tamed()
    assert (os.environ.pop(PLAIN, None) == "1") == plain


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals")
@pytest.mark.parametrize(("variables", "plain"), [({"NO_COLOR": "1"}, True), ({}, False)])
def test_help_on_a_terminal_obeys_no_color(variables, plain):
    import pty

    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", PLAIN)}
    environment |= {"TERM": "xterm-256color", "PYTHONPATH": str(ROOT), **variables}
    reader, writer = pty.openpty()
    command = [sys.executable, "-m", "dropexp", "show", "--help"]
    with subprocess.Popen(command, stdout=writer, stderr=writer, env=environment) as process:
        os.close(writer)
        shown = b""
        with contextlib.suppress(OSError):  # how the end of a pseudo-terminal reads on Linux
            while part := os.read(reader, 4096):
                shown += part
        os.close(reader)
    assert process.returncode == 0
    assert b"baseline" in shown
    assert (b"\x1b" not in shown) == plain


@pytest.mark.parametrize(
    ("words", "at", "offered"),
    [
        ("dropexp re", 1, ["report", "remove"]),
        ("dropexp sweep --kinds alp", 3, ["alpha"]),
        ("dropexp run --orders ND", 3, ["NDA"]),
        ("dropexp data mn", 2, ["mnist"]),
        ("dropexp init bn", 2, ["bn-order"]),
        ("dropexp report --op", 2, ["--open"]),
    ],
)
def test_the_tab_key_offers_names(capsys, monkeypatch, words, at, offered):
    monkeypatch.setenv("_DROPEXP_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(at))
    with pytest.raises(SystemExit, match="0"):
        main([])
    assert capsys.readouterr().out.split() == offered


def test_all_that_is_offered_is_there():
    for what in OFFERED:
        assert completing(what)(""), what
        assert completing(what)("no such name") == []
