"""What reaches the two streams: controls escaped, markup as it stands, and no stream that can end a command."""

import contextlib
import errno
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dropexp.cli import main
from dropexp.console.progress import Progress
from dropexp.quoting import CONTROLS, visible

ROOT = Path(__file__).parent.parent.parent
TINY = """data: {train_size: 30, val_size: 10}
model: {hidden: [4]}
training: {epochs: 1}
seeds: 2
sweep: {dropout.rate: [0, 0.5]}
"""
LABELS = ("[red]x[/red]", "\x1b]0;title\x07\x9b31m", "=cmd|'/c calc'!A1", "\u202eabc", "$\\frac$", "a\nb", "-2+3", "9")
RUNS = "rate,ax,seed,epoch,train_accuracy,test_accuracy,test_loss\n" + "".join(
    f'0,"{label}",{seed},1,0.9,{0.8 + seed / 100 + place / 50},{1 - place / 50}\n'
    for place, label in enumerate(LABELS)
    for seed in (0, 1)
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    (home / "c.yaml").write_text(TINY)
    (home / "results" / "others").mkdir(parents=True)
    (home / "results" / "others" / "epochs.csv").write_text(RUNS)
    with contextlib.chdir(home), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert main(["run", "c.yaml", "--no-plot", "--jobs", "1"]) == 0
    return home


class Broken(io.StringIO):
    """A stream on which nothing can be written; whoever holds it has no descriptor of ours."""

    def __init__(self, number):
        super().__init__()
        self.error = OSError(number, os.strerror(number))

    def write(self, text):
        raise self.error


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


STREAMS = {
    "full": lambda: Broken(errno.ENOSPC),
    "read no further": lambda: Broken(errno.EPIPE),
    "closed": closed,
    "none": lambda: None,
}
VERBS = {
    "check": ["check", "c.yaml"],
    "verify": ["verify", "results/c", "--sample", "1"],
    "laws": ["laws", "io-untouched"],
    "export": ["export", "results/c", "--to", "csv"],
    "compare": ["compare", "results/c", "--arm", "rate=0.5", "--arm", "rate=0"],
    "a mistake": ["check", "absent.yaml"],
}


@pytest.mark.parametrize("how", STREAMS)
@pytest.mark.parametrize("verb", VERBS)
def test_no_stream_ends_a_command(verb, how, home, monkeypatch):
    monkeypatch.chdir(home)
    with contextlib.redirect_stdout(STREAMS[how]()), contextlib.redirect_stderr(STREAMS[how]()):
        code = main(VERBS[verb])
    assert code == (2 if how == "full" or verb == "a mistake" else 0), "a full disk must not read as all is well"


@pytest.mark.parametrize("how", STREAMS)
def test_training_goes_on_whatever_the_streams(how, home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with contextlib.redirect_stdout(STREAMS[how]()), contextlib.redirect_stderr(STREAMS[how]()):
        code = main(["run", str(home / "c.yaml"), "--jobs", "1", "--no-plot"])
    assert code == (2 if how == "full" else 0)
    assert (tmp_path / "results/c/runs.csv").read_bytes() == (home / "results/c/runs.csv").read_bytes()
    assert (tmp_path / "results/c/summary.csv").exists()


def test_a_full_stdout_is_said_where_stderr_is_read(home, monkeypatch, capsys):
    monkeypatch.chdir(home)
    with contextlib.redirect_stdout(Broken(errno.ENOSPC)):
        assert main(["check", "c.yaml"]) == 2
    assert capsys.readouterr().err == "standard output: No space left on device; what was printed there is incomplete\n"


def started(words, folder):
    """Start Python as a shell does whose user closed stdout and stderr."""
    command = f"{sys.executable} {words} >&- 2>&-"
    return subprocess.run(["sh", "-c", command], cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}).returncode


PRINTS = """
import os
from dropexp.console.screen import guarded
with guarded(), open("file", "w") as file:
    os.write(1, b"what a library prints")
    file.write("own")
"""


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_closed_descriptors_are_taken_by_no_file(tmp_path):
    """The next file opened would have got descriptor 1, and with it whatever libraries print."""
    (tmp_path / "prints.py").write_text(PRINTS)
    assert started("prints.py", tmp_path) == 0
    assert (tmp_path / "file").read_text() == "own"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_training_without_descriptors_leaves_the_same_files(home, tmp_path):
    assert started(f"-m dropexp run {home / 'c.yaml'} --jobs 1 --no-plot", tmp_path) == 0
    for name in ("runs.csv", "epochs.csv", "study.yaml"):
        assert (tmp_path / "results/c" / name).read_bytes() == (home / "results/c" / name).read_bytes()


COMMANDS = [
    ["compare", "results/others", "--arm", "ax=9", "--arm", "ax=-2+3"],
    ["compare", "results/others", "--arm", "ax=\x1b[31m", "--arm", "ax=9"],
    ["compare", "results/others", "results/others"],
    ["stopping", "results/others", "--monitor", "test_loss"],
    ["export", "results/others", "--to", "latex"],
    ["export", "results/others", "--to", "markdown"],
    ["plot", "results/others", "--fresh"],
    ["report", "results/others", "--fresh"],
    ["check", "\x1b[31m\u202e.yaml"],
    ["init", "\x1b[31m.yaml"],
    ["run", "c.yaml", "--results", "\x1b[31m", "--no-plot"],
    ["verify", "\x1b[31m", "--sample", "0"],
    ["data", "\x1b[31m"],
    ["laws", "\x1b[31m"],
    ["sweep", "--study", "\x1b[31m"],
    ["\x1b[31m[red]x[/red]"],
    ["run", "--\x1b[31m"],
    ["report", "--out"],
]


@pytest.mark.parametrize("argv", COMMANDS, ids=lambda argv: visible(" ".join(argv)))
def test_no_control_reaches_the_terminal(argv, home, monkeypatch, capsys):
    monkeypatch.chdir(home)
    assert main(argv) in (0, 2)
    shown = capsys.readouterr()
    assert not CONTROLS.search(shown.out + shown.err)


def test_markup_and_newlines_of_a_label_are_printed_as_they_stand(home, monkeypatch, capsys):
    monkeypatch.chdir(home)
    assert main(["compare", "results/others", "--arm", "ax=nosuch", "--arm", "ax=9"]) == 2
    err = capsys.readouterr().err
    assert "[red]x[/red], \\x1b]0;title\\x07\\x9b31m" in err
    assert "a\\nb" in err
    assert main(["[red]x[/red]"]) == 2
    assert "[red]x[/red]" in capsys.readouterr().err


def test_a_page_holds_no_control(home, monkeypatch, capsys):
    folder = home / "results" / "\x1b[31m$x^{"
    folder.mkdir()
    (folder / "epochs.csv").write_text(RUNS)
    assert main(["report", str(folder)]) == 0
    assert not CONTROLS.search((folder / "report.html").read_text(encoding="utf-8").replace("\t", ""))


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_and_what_a_terminal_is_handed_are_escaped_too(home, monkeypatch):
    bar = Progress(Terminal())
    bar._print("\x1b]0;title\x07 [red]x[/red] :smile:")
    assert bar.stream.inner.getvalue() == "\\x1b]0;title\\x07 [red]x[/red] :smile:\n"
    monkeypatch.chdir(home)
    for stream, escaped in ((Terminal(), True), (io.StringIO(), False)):
        with contextlib.redirect_stdout(stream):
            assert main(["export", "results/others", "--to", "csv"]) == 0
        assert (CONTROLS.search(stream.getvalue()) is None) == escaped, "a file is given what the table holds"


def test_a_width_that_is_no_number_ends_no_bar(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "\N{SUPERSCRIPT TWO}")
    with contextlib.redirect_stderr(Terminal()):
        assert main(["run", str(home / "c.yaml"), "--jobs", "1", "--no-plot"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MPLBACKEND", "SOURCE_DATE_EPOCH", "TERMINAL_WIDTH"])
def test_variables_of_others_end_no_drawing(name, home):
    env = {**os.environ, "PYTHONPATH": str(ROOT), name: "junk"}
    for argv in (["plot", "results/c", "--fresh"], ["--help"]):
        done = subprocess.run(
            [sys.executable, "-m", "dropexp", *argv], cwd=home, env=env, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_json_stays_json():
    assert json.loads(visible(json.dumps("\x7f\x1b\u202e\t"))) == "\x7f\x1b\u202e\t"


def test_there_is_one_way_to_the_screen():
    """No file of the command line but screen.py and the bar prints by itself."""
    printing = re.compile(r"(?<![\w.])print\(|sys\.std(out|err)\.write|typer\.echo\((?!f\"dropexp )")
    found = [
        path.name for path in (ROOT / "dropexp").rglob("*.py") if printing.search(path.read_text(encoding="utf-8"))
    ]
    assert sorted(found) == ["progress.py", "screen.py"]
