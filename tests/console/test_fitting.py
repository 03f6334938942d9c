"""Text in narrow terminals: every line fits, no word is lost, and a cell never leaves its heading."""

import io

import pytest

from dropexp.console.fitting import USUAL, fitted, room
from dropexp.console.screen import tell
from dropexp.tables.arms import table

TABLE = """ rate   n   train   test         test vs 0
 0      5    99.8   94.4 ± 1.6
 0.2    5    99.7   94.1 ± 1.2   -0.2 ± 1.4 undecided
 0.5    5    99.4   94.5 ± 1.3   +0.2 ± 1.6 better"""


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True

    def fileno(self):
        raise io.UnsupportedOperation("fileno")


@pytest.mark.parametrize("width", [36, 50, 72, 99])
def test_every_line_of_a_studys_table_fits(cases, width):
    for name in ("rates", "rate-placement", "noise", "three", "one-arm"):
        text = table(cases[name]())
        made = fitted(text, width)
        assert max(map(len, made.split("\n"))) <= width, name
        for word in set(text.replace("\n", " ").split()):
            assert word in made.split(), f"{word} of {name} is lost"


def test_a_text_that_fits_is_left_as_it_is():
    assert fitted(TABLE, 60) == TABLE


def test_a_table_is_first_cut_in_two_with_the_arms_in_both_parts():
    first, second = fitted(TABLE, 40).split("\n\n")
    assert [line.split()[0] for line in first.split("\n")] == ["rate", "0", "0.2", "0.5"]
    assert [line.split()[0] for line in second.split("\n")] == ["rate", "0", "0.2", "0.5"]
    assert "test vs 0" in second
    assert "-0.2 ± 1.4 undecided" in second


def test_a_very_narrow_one_has_a_line_per_cell_behind_its_heading():
    lines = fitted(TABLE, 24).split("\n")
    assert lines[0] == " rate 0"
    at = lines.index(" rate 0.5")
    assert [line.split() for line in lines[at + 1 : at + 4]] == [
        ["n", "5"],
        ["train", "99.4"],
        ["test", "94.5", "±", "1.3"],
    ]


def test_sentences_that_were_wrapped_for_a_hundred_columns_are_wrapped_anew():
    long = " vs 0: difference to the arm without dropout, paired by seed; a word stands where ± excludes 0, and\n"
    made = fitted(f"{long}   the intervals hold together\n a second sentence", 60)
    assert made.split("\n") == [
        " vs 0: difference to the arm without dropout, paired by",
        "   seed; a word stands where ± excludes 0, and the intervals",
        "   hold together",
        " a second sentence",
    ]


def test_a_path_is_never_broken():
    path = "results/" + "x" * 50 + "/figures/gap.png"
    assert path in fitted(f"figures: {path} {path}", 40).split()


@pytest.mark.parametrize(
    ("said", "columns"), [("60", 60), ("5", 30), ("500", USUAL), ("0", None), ("x", None), ("", None)]
)
def test_columns_says_how_wide_it_is(monkeypatch, said, columns):
    monkeypatch.setenv("COLUMNS", said)
    assert room(io.StringIO()) == columns


def test_a_pipe_gets_the_text_as_it_is(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    stream = io.StringIO()
    tell("word " * 100, stream)
    assert stream.getvalue() == "word " * 100 + "\n"


def test_verdicts_have_colours_on_a_terminal_and_nowhere_else(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    text = f"{TABLE}\n A: results/better, rate 0.5\n\n + supported  dropout is better\n a word is better"

    def told(stream):
        tell(text, stream)
        return stream.getvalue().removesuffix("\n")

    made = told(Terminal())
    assert "+0.2 ± 1.6 \x1b[32mbetter\x1b[0m" in made
    assert "\x1b[2mundecided\x1b[0m" in made
    assert " + \x1b[32msupported\x1b[0m  dropout is better" in made
    assert made.count("\x1b[") == 6, "a word elsewhere is a word"
    assert told(io.StringIO()) == text
    monkeypatch.setenv("NO_COLOR", "1")
    assert told(Terminal()) == text
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert told(Terminal()) == text


def test_no_word_of_a_stranger_reaches_the_terminal_as_a_code(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    tell("\x1b[31mx\x1b]0;title\x07", stream)
    assert "\x1b" not in stream.getvalue()
