"""YAML 1.2 with positions: what is read, where it stands, and that every refusal is one sentence."""

import os
import random
import re
import sys
import time

import pytest

from dropexp.errors import ConfigError
from dropexp.study_files.yaml_reader import read, read_text

STUDY = """\
# a study
study: bn-order
data:
  source: digits
  val_size: 0.1
model: {hidden: [64, 32], norm: batch}
dropout:
  rate: 5e-1   # half
  rate_at: {input: .2}
sweep:
  dropout.rate: [0, 0.2]
claims:
  - says: it narrows
    margin: 1e-3
  - says: "it: widens"
seeds: &s [7, 8]
training:
  lr:
"""


def refusal(text):
    with pytest.raises(ConfigError) as caught:
        read_text(text, "c.yaml")
    return caught.value.messages


@pytest.mark.parametrize(
    "word, value",
    [
        ("1e-3", 0.001),
        ("1E5", 100000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("-0.5", -0.5),
        ("+3", 3),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("true", True),
        ("TRUE", True),
        ("False", False),
        ("~", None),
        ("Null", None),
        ("", None),
        (".inf", float("inf")),
        ("-.INF", float("-inf")),
        ("on", "on"),
        ("off", "off"),
        ("Yes", "Yes"),
        ("no", "no"),
        ("y", "y"),
        ("tRUE", "tRUE"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("0b1", "0b1"),
        ("1e", "1e"),
        ("2020-01-01", "2020-01-01"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("=", "="),
        ("|\n  1\n", "1\n"),
        ("[1, 'a', {b: }]", [1, "a", {"b": None}]),
        ("0.5\t# a tab before a comment", 0.5),
        ("\t0.5", 0.5),
        ("1\n\t\nb: 2", 1),
    ],
)
def test_words_are_read_as_yaml_1_2_reads_them(word, value):
    found = read_text(f"a: {word}" if not word.startswith("\t") else f"a:{word}", "c.yaml").content["a"]
    assert found == value
    assert type(found) is type(value)


def test_nan_reaches_the_schema():
    found = read_text("a: .nan", "c").content["a"]
    assert found != found


@pytest.mark.parametrize(
    "loc, key, place",
    [
        ((), False, (2, 1)),
        (("study",), False, (2, 8)),
        (("study",), True, (2, 1)),
        (("data", "val_size"), False, (5, 13)),
        (("data", "val_size"), True, (5, 3)),
        (("model", "hidden", 1), False, (6, 22)),
        (("model", "hidden", 1), True, (6, 22)),
        (("model", "norm"), True, (6, 27)),
        (("dropout", "rate_at", "input"), False, (9, 20)),
        (("sweep", "dropout.rate", 1), False, (11, 21)),
        (("claims", 1, "says"), False, (15, 11)),
        (("claims", 0, "expect"), False, (13, 5)),
        (("dropout", "kind"), False, (8, 3)),
        (("dropout", "kind"), True, (7, 1)),
        (("streams", "mask"), False, (2, 1)),
        (("training", "lr"), False, (18, 6)),
        (("dropout", "rate", "deeper"), False, (8, 9)),
        ((0,), False, (2, 1)),
    ],
)
def test_positions(loc, key, place):
    document = read_text(STUDY, "c.yaml")
    assert document.position(loc, key=key) == place
    assert document.mark(loc, key) == f"c.yaml:{place[0]}:{place[1]}"


def test_positions_are_the_same_with_other_line_ends_and_a_byte_order_mark(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + STUDY.replace("\n", "\r\n").encode())
    document = read(path, "c.yaml")
    assert document.content == read_text(STUDY, "c.yaml").content
    assert document.position(("study",), key=True) == (2, 1)
    assert document.mark(("model", "hidden", 1)) == "c.yaml:6:22"


def test_an_alias_stands_where_it_is_written_and_its_parts_where_they_are():
    document = read_text("a: &x {b: [1, 2]}\nc: *x\nd: [*x]\n", "c.yaml")
    assert document.content == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}, "d": [{"b": [1, 2]}]}
    assert document.position(("c",)) == (2, 4)
    assert document.position(("c", "b", 1)) == (1, 15)
    document.content["c"]["b"].append(3)
    assert document.content["a"] == {"b": [1, 2]}


def test_no_settings_is_not_the_same_as_an_empty_file():
    assert read_text("{}", "c.yaml").content == {}
    assert read_text("{}", "c.yaml").position(("a",)) == (1, 1)
    assert read_text("--- # one document\n{a: 1}\n...\n", "c.yaml").content == {"a": 1}


REFUSED = [
    ("", "c.yaml: contains no settings; write at least one"),
    ("# nothing\n\n", "c.yaml: contains no settings"),
    ("---\n", "c.yaml: contains no settings"),
    ("- a\n- b", "c.yaml:1:1: a list is not a study"),
    ("rate:0.5", "c.yaml:1:1: one value, 'rate:0.5', is not a study; write 'key: value'"),
    ("a: 1\n---\nb: 2", "c.yaml:2:1: a second document begins here"),
    ("a: 1\n...\nb: 2", "c.yaml:3:1: more text follows after the end"),
    ("a:\n\tb: 1", "c.yaml:2:1: YAML cannot be indented with tabs; use spaces"),
    ("a:\n  b: 1\n  \tc: 1", "c.yaml:3:3: YAML cannot be indented with tabs; use spaces"),
    ("a: x\n\tb: 1", "c.yaml:2:1: YAML cannot be indented with tabs; use spaces"),
    ("a:\n  - b\n\t- c", "c.yaml:3:1: YAML cannot be indented with tabs; use spaces"),
    ("a:\n  -\tb: 1", "c.yaml:2:4: there is a tab here"),
    ("a: 1\nb: 2\na: 3", "c.yaml:3:1: a: written twice, first at 1:1; keep one of them"),
    ("d: {r: 1, r: 2}", "c.yaml:1:11: r: written twice, first at 1:5"),
    ("d: {r: 1, 'r': 2}", "c.yaml:1:11: r: written twice"),
    ("a: 1\n2: b", "c.yaml:2:1: the key 2 is not a word; put it in quotes"),
    ("s: {0.5: b}", "c.yaml:1:5: the key 0.5 is not a word"),
    ("true: 1", "c.yaml:1:1: the key true is not a word"),
    ("a: {~: 1}", "c.yaml:1:5: the key null is not a word"),
    ("a: {: 1}", "c.yaml:1:5: a value is missing here"),
    ("? [a]\n: 1", "c.yaml:1:3: [a] cannot be a key"),
    ("a: &x {b: 1}\nc:\n  <<: *x", "c.yaml:3:3: merging with '<<' is not part of YAML 1.2"),
    ("a: !!python/object/apply:os.system [ls]", "c.yaml:1:4: the tag '!!python/object/apply:os.system' is not"),
    ("a: !mine 1", "c.yaml:1:4: the tag '!mine' is not supported"),
    ("a: !!str 1", "c.yaml:1:4: the tag '!!str' is not supported; write the plain value, with quotes if it is a word"),
    ("a: !e!x 1", "c.yaml:1:4: tags (words that begin with '!') are not supported"),
    ("a: *x", "c.yaml:1:4: *x is not defined; write &x before"),
    ("a: &x [*x]", "c.yaml:1:8: *x is inside the value that it names"),
    ("a: &x\n  b: {c: *x}", "c.yaml:2:10: *x is inside the value that it names"),
    ("a: [1, 2\nb: 3", "c.yaml:1:4: this '[' is never closed"),
    ("a: {b: 1", "c.yaml:1:4: this '{' is never closed"),
    ("a: 'x\nb: 1\n", "c.yaml:1:4: this quote is never closed"),
    ("a: b: c", "c.yaml:1:5: no value can follow this ':'"),
    ("a: 1\n  b: 2", "c.yaml:2:4: no value can follow this ':'"),
    ("a:\n  b: 1\n c: 2", "c.yaml:3:2: this is not indented like the lines it belongs to"),
    ("a: [1]]", "c.yaml:1:7: this ']' closes or separates nothing"),
    ("a: - b", "c.yaml:1:4: a list written with '-' must start on its own line"),
    ("a: @b", "c.yaml:1:4: a word cannot begin with '@'; put it in quotes"),
    ("a: 50%\nb: %", "c.yaml:2:4: a word cannot begin with '%'"),
    ('a: "C:\\data"', "c.yaml:1:8: '\\d' is not an escape sequence; put paths in single quotes"),
    ('a: "C:\\users"', "c.yaml:1:9: this escape sequence is incomplete; put paths in single quotes"),
    ("a: *.csv", "c.yaml:1:4: '&', '*' and '!' have a special meaning in YAML"),
    ("a: **", "c.yaml:1:4: '&', '*' and '!' have a special meaning in YAML"),
    ("a: |b", "c.yaml:1:4: after '|' or '>' the text must begin on the next line"),
    ("a: 'x\n---\n", "c.yaml:1:4: this quote is never closed"),
    ('a: "\\UFFFFFFFF"', "c.yaml:1:7: this is neither a character"),
    ('a: "\\ud800"', "c.yaml:1:4: this word contains half of a character"),
    ("a: 1\nb: \x07", "c.yaml:2:4: the character U+0007 is not allowed"),
    ("%YAML 3.0\n---\na: 1", "c.yaml:1:1: this is not a version of YAML 1"),
    ("a: " + "9" * 5000, "c.yaml:1:4: a number of 5000 characters; 300 are allowed"),
    ("a: " + "[" * 30 + "]" * 30, "c.yaml:1:33: this is nested more than 30 levels deep"),
    ("[" * 900_000, "c.yaml:1:31: this is nested more than 30 levels deep"),
    ("? " * 400_000, "c.yaml:1:61: this is nested more than 30 levels deep"),
    ("- " * 400_000, "c.yaml:1:61: this is nested more than 30 levels deep"),
    ("a: {" * 200_000, "c.yaml:1:"),
    ("a: [" + "1, " * 60_000 + "]", "c.yaml:1:150002: more than 50,000 values up to here"),
]


@pytest.mark.parametrize("text, start", REFUSED, ids=[repr(text[:20]) for text, _ in REFUSED])
def test_refusals(text, start):
    messages = refusal(text)
    assert messages[0].startswith(start)
    assert all(message.isprintable() and len(message) < 300 for message in messages)


def test_every_mistake_is_reported_in_the_order_of_the_file():
    messages = refusal("a: 1\na: !x 2\n3: 4\nb: {c: 1, c: 2}\nd: *e\nf: [")
    places = [tuple(map(int, re.findall(r":(\d+):(\d+): ", message)[0])) for message in messages]
    assert places == [(2, 1), (2, 4), (3, 1), (4, 11), (5, 4), (6, 5)]


def test_what_stands_before_a_stumble_is_not_judged():
    assert len(refusal("a\nb: 1")) == 1
    assert len(refusal("&a &b c")) == 1


def bomb(levels, width):
    lines = ["a0: &a0 [" + ", ".join(["lol"] * width) + "]"]
    lines += [f"a{i}: &a{i} [" + ", ".join([f"*a{i - 1}"] * width) + "]" for i in range(1, levels)]
    return "\n".join(lines)


def test_an_alias_bomb_is_refused_without_being_built():
    start = time.perf_counter()
    (message,) = refusal(bomb(25, 10))
    assert "the aliases up to here stand for more than 10,000 values" in message
    assert message.startswith("c.yaml:4:")
    assert time.perf_counter() - start < 1  # built, it would be 10**25 values
    assert read_text(bomb(3, 10), "c.yaml").content["a2"][9][9][9] == "lol"


def test_a_ladder_of_aliases_is_no_way_around_the_depth():
    text = "a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 100))
    (message,) = refusal(text)
    assert message.startswith("c.yaml:30:")
    assert "nested more than 30 levels deep" in message


FILES = [
    (b"rate: \0\x01", "p: a binary file (it contains NUL bytes)"),
    ("a: 1".encode("utf-16"), "p: UTF-16 text; save it as UTF-8"),
    (b"a: 1\nb: caf\xe9\n", "p:2:7: byte 0xe9 is not UTF-8"),
    (b"\xef\xbb\xbfa: \xff", "p:1:4: byte 0xff is not UTF-8"),
    (b"#" * 1_000_001, "p: more than 1,000,000 bytes"),
    (b"\xef\xbb\xbf", "p: contains no settings"),
]


@pytest.mark.parametrize("raw, start", FILES)
def test_files_that_are_no_studies(tmp_path, raw, start):
    path = tmp_path / "c.yaml"
    path.write_bytes(raw)
    with pytest.raises(ConfigError) as caught:
        read(path, "p")
    assert str(caught.value).startswith(start)
    assert "\n" not in str(caught.value)


def test_paths_that_are_no_files(tmp_path):
    (tmp_path / "config.yaml").write_text("{}", encoding="utf-8")
    for name, fragment in [
        ("cofnig.yaml", f"no such file; did you mean {tmp_path / 'config.yaml'}?"),
        ("nothing-like-it", "no such file; check the path"),
        ("no/where.yaml", "no such file; check the path"),
        (".", "a folder, not a file"),
        ("x\0y", "cannot be read"),
        ("x" * 5000, "cannot be read"),
        ("config.yaml/below.yaml", "cannot be read"),
    ]:
        with pytest.raises(ConfigError) as caught:
            read(tmp_path / name)
        (message,) = caught.value.messages
        assert fragment in message
        assert message.isprintable()


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("{}", encoding="utf-8")
    path.chmod(0)
    with pytest.raises(ConfigError, match=r"cannot be read .*check its name and its permissions"):
        read(path)


def test_the_path_is_shown_as_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text("a: 1", encoding="utf-8")
    assert read("./c.yaml").path == "./c.yaml"
    assert read("c.yaml", "mine").mark(("a",)) == "mine:1:4"


def test_mutated_files_are_read_or_refused_and_nothing_else():
    draw = random.Random(0)
    pieces = list("{}[]:,-?&*!|>'\"%@`#~<= \t\n\r\0\x07\x85\ufeff\ud800\u2028\U0001f600\\09aéx") + [
        *("&s ", "*s", "<<: ", "!!int ", "---\n", "...\n", "- ", ": ", "\n  ", "\n\t", '"\\u', '"\\x', "%YAML 1.1\n"),
    ]
    refused, odd = 0, []
    for _ in range(2000):
        text = STUDY
        for _ in range(draw.randint(1, 6)):
            i = draw.randrange(len(text) + 1)
            text = text[:i] + draw.choice(pieces) * draw.choice((1, 1, 1, 3)) + text[i + draw.choice((0, 0, 1, 5)) :]
        try:
            document = read_text(text, "c.yaml")
        except ConfigError as error:
            refused += 1
            odd += [m for m in error.messages or [""] if not (m.startswith("c.yaml:") and m.isprintable())]
        else:
            assert isinstance(document.content, dict)
            assert document.position(("dropout", "rate_at", "input"))[0] >= 1
    assert not odd
    assert 200 < refused < 1900  # else the mutations are too tame or too wild to show anything
