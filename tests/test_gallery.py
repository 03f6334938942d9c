"""docs/ is complete and current: every figure has its entry, every command parses, every number is in its table."""

import contextlib
import io
import re
import shlex
from fnmatch import fnmatchcase

import numpy as np
import pytest
import torch
import typer
from PIL import Image

from benchmarks import gallery
from dropexp.cli import main
from dropexp.cli.app import app
from dropexp.cli.arguments import gather
from dropexp.figures.all_figures import FIGURES
from dropexp.wording.glossary import TERMS, meaning

PICTURES = gallery.entries(gallery.GALLERY)
EXAMPLES = gallery.entries(gallery.LECTURE)
COMMANDS = list(dict.fromkeys(command for entry in [*PICTURES, *EXAMPLES] for command in entry.commands))
MOST = 1_500_000  # bytes of all pictures


def test_every_figure_has_its_entry_in_the_gallery():
    told = [entry.heading.strip("`") for entry in PICTURES if entry.heading.startswith("`")]
    missing, superfluous = (
        [name for name in FIGURES if name not in told],
        [name for name in told if name not in FIGURES],
    )
    assert not missing, (
        f"docs/figures.md: write an entry for {', '.join(missing)}, then run python -m benchmarks.gallery"
    )
    assert not superfluous, f"docs/figures.md: there is no figure {', '.join(superfluous)}"
    assert told == list(FIGURES), "in the order of the report"


@pytest.mark.parametrize("entry", PICTURES, ids=lambda e: e.heading)
def test_an_entry_has_its_picture_a_command_and_how_to_read_it(entry):
    name = entry.heading.strip("`")
    if name in FIGURES:
        assert fnmatchcase(entry.picture, name.replace("AXIS", "*") + ".png")
    with Image.open(gallery.DOCS / "figures" / entry.picture) as image:
        assert image.width <= gallery.WIDEST
    prose = re.sub(r"```.*?```|!\[.*?\)", "", entry.text, flags=re.DOTALL).split()
    assert 20 < len(prose) < 90


def test_the_pictures_are_small_and_all_are_shown():
    files = {path.name: path.stat().st_size for path in (gallery.DOCS / "figures").iterdir()}
    assert set(files) == {entry.picture for entry in PICTURES}
    assert sum(files.values()) < MOST


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_documents_is_understood(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program, verb, *words = shlex.split(command)
    assert program == "dropexp"
    if verb in ("run", "sweep"):
        with contextlib.redirect_stdout(io.StringIO()):
            if verb == "run":
                assert main(["init", words[0].removesuffix(".yaml")]) == 0
            assert main([verb, *words, "--dry-run"]) == 0
    else:
        verb, *words = gather([verb, *words])
        typer.main.get_command(app).commands[verb].make_context(verb, words)


@pytest.mark.parametrize("entry", EXAMPLES, ids=lambda e: e.heading.split(".")[0])
def test_what_an_example_says_stands_in_its_table(entry):
    said = re.sub(r"```.*?```", "", entry.text.partition("```text")[2].partition("```")[2], flags=re.DOTALL)
    for number in re.findall(r"\d+\.\d", re.sub(r"`[^`]*`|<!--.*?-->", "", said)):
        assert number in entry.table, f"docs/lecture.md, {entry.heading}: {number} is not in the table"
    assert 20 < len(said.split()) < 90


def test_the_glossary_is_that_of_the_page():
    assert gallery.GLOSSARY.read_text(encoding="utf-8") == gallery.glossary(), (
        "run python -m benchmarks.gallery glossary"
    )
    assert len({term.name for term in TERMS}) == len(TERMS)


@pytest.mark.parametrize(
    "heading, begins",
    [
        ("n", "The number of seeds"),
        ("clean gap", "Training accuracy minus"),
        ("test vs rate 0", "Two arms are compared"),
        ("gap p", "How often chance"),
        ("model.something", ""),
    ],
)
def test_a_heading_has_the_meaning_of_its_term(heading, begins):
    assert meaning(heading).startswith(begins)
    assert bool(meaning(heading)) == bool(begins)


@pytest.mark.parametrize("path", sorted(gallery.DOCS.glob("*.md")), ids=lambda p: p.stem)
def test_links_between_documents_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    for address in re.findall(r"\]\(([^)]+)\)", text):
        name, _, anchor = address.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), address
        if anchor:
            heads = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in heads], (
                address
            )


@pytest.fixture(scope="module")
def made():
    torch.set_num_threads(1)
    for path in (gallery.GALLERY, gallery.LECTURE):
        if gallery.made_with(path) != gallery.here():
            pytest.skip(f"{path.name} was made with {gallery.made_with(path)}; here is {gallery.here()}")
    again = gallery.Made()
    yield again
    again.close()


@pytest.mark.slow
@pytest.mark.parametrize("entry", PICTURES, ids=lambda e: e.heading)
def test_a_picture_is_what_its_command_draws(entry, made):
    with Image.open(gallery.DOCS / "figures" / entry.picture) as image:
        shown = np.asarray(image.convert("RGB"))
    drawn = np.asarray(made.picture(entry).convert("RGB"))
    assert shown.shape == drawn.shape
    assert (shown == drawn).all(), f"{entry.picture} is not current: run python -m benchmarks.gallery"


@pytest.mark.slow
@pytest.mark.parametrize("entry", EXAMPLES, ids=lambda e: e.heading.split(".")[0])
def test_a_table_is_what_its_command_prints(entry, made):
    assert made.table(entry) == entry.table, f"docs/lecture.md, {entry.heading}: run python -m benchmarks.gallery"
