"""What the template of `init` says is so: its values, its defaults and the words that a field may have."""

import itertools
import re
from typing import Literal, get_args, get_origin

import pytest

from dropexp.experiment.claims import Part
from dropexp.experiment.config import Config
from dropexp.experiment.layout import PLACES
from dropexp.experiment.leaves import annotation, leaf, roles
from dropexp.experiment.sources import SOURCES
from dropexp.study_files.parse import parse
from dropexp.study_files.shipped import folder
from dropexp.study_files.writing import plain
from dropexp.study_files.yaml_reader import read_text

TEXT = (folder() / "template.yaml").read_text(encoding="utf-8")
LINES = TEXT.splitlines()
CONTENT = read_text(TEXT, "config.yaml").content
WRITTEN = [
    path
    for path in roles()
    if path.count(".") == 1 and path.partition(".")[2] in (CONTENT.get(path.partition(".")[0]) or {})
]
CHOICES = {"data.source": set(SOURCES), "dropout.placement": {*PLACES, "all"}}
CHOSEN = (
    *CHOICES,
    "model.kind",
    "model.activation",
    "model.norm",
    "dropout.kind",
    "early_stopping.monitor",
    "training.optimizer",
)


def comment_on(path: str) -> str:
    """Return the comment on a key of a section, with the lines on which it goes on; the key may be commented out itself."""
    section, name = path.split(".")
    begin = next(i for i, line in enumerate(LINES) if re.match(rf"(# )?{section}:", line))
    at = next(i for i in range(begin, len(LINES)) if re.match(rf"[#\s-]*{name}: ", LINES[i]))
    more = itertools.takewhile(lambda line: re.match(r"#? {20,}#", line), LINES[at + 1 :])
    return " ".join(line.lstrip("# ").partition("#")[2] or line.lstrip("# ") for line in (LINES[at], *more))


def words_in(comment: str) -> set[str]:
    return set(re.findall(r"[a-z][a-z0-9_-]*", re.sub(r"\([^)]*\)", "", comment)))


@pytest.mark.parametrize("path", WRITTEN)
def test_a_value_is_the_default_or_its_comment_names_that(path):
    section, name = path.split(".")
    default = plain(leaf(Config(), path))
    if CONTENT[section][name] != default:
        assert default is None
        assert "default: null" in comment_on(path)


@pytest.mark.parametrize("path", CHOSEN)
def test_the_words_of_a_field_are_all_there(path):
    words = CHOICES.get(path, set())
    pending = [annotation(path)]
    while pending:
        kind = pending.pop()
        words |= set(get_args(kind)) if get_origin(kind) is Literal else set()
        pending += [k for k in get_args(kind) if get_origin(k)]
    assert words
    assert words <= words_in(comment_on(path))


def test_claims_name_every_expectation():
    assert words_in(comment_on("claims.expect")) == set(get_args(Part.model_fields["expect"].annotation))


def test_what_is_commented_out_is_a_study_too():
    whole = re.sub(
        r"(?m)^( *)# ?(- |  +|)(\w+: |early_stopping:|claims:)", r"\1\2\3", TEXT.replace("study: NAME", "study: x")
    )
    whole = re.sub(r"(?m)^ *(label|ignore|blanks): .*\n", "", whole)  # of a .csv alone
    study = parse(read_text(whole, "config.yaml"))
    assert study.name == "x"
    assert study.base.early_stopping.patience == 10
    assert study.base.dropout.group_size == 8
    assert study.claims


def test_standardisation_and_the_commands_are_named():
    assert "standardised" in TEXT
    assert "'dropexp check FILE'" in TEXT
    assert "'dropexp run FILE'" in TEXT
