"""Probes in a study file: names, settings, `all`, what is refused, and the way back to YAML and out of its JSON schema."""

import json
from pathlib import Path

import pytest
from pydantic import Field

from dropexp.errors import ConfigError
from dropexp.experiment import probes
from dropexp.experiment.probe_settings import EveryEpoch, added, earlier
from dropexp.experiment.probes import PROBES, Probe, again, asked, complete, due, epochs_of, newest, settings_of
from dropexp.study_files.parse import parse
from dropexp.study_files.schema import schema
from dropexp.study_files.writing import to_yaml
from dropexp.study_files.yaml_reader import read_text


class Passes(EveryEpoch):
    passes: int = Field(100, ge=1, le=1000, description="forward passes")
    least: float = added(1e-20, "the least", before=0.5, gt=0)
    paired: bool = added(True, "whether in pairs", before=False)


@pytest.fixture(autouse=True)
def passing(monkeypatch):
    row = Probe("passes", "each layer", "", moments=("start", "epoch", "selected"), settings=Passes)
    monkeypatch.setitem(PROBES, "passing", row)
    settings_of.cache_clear()
    yield
    settings_of.cache_clear()


def read(text):
    return parse(read_text(text, "s.yaml"), name="s")


def refused(text):
    with pytest.raises(ConfigError) as error:
        read(text)
    return list(error.value.messages)


DEFAULT = "passing passes=100 least=1e-20 paired=true"


@pytest.mark.parametrize(
    ("written", "words", "back"),
    [
        ("[gap_parts]", ("gap_parts",), "[gap_parts]"),
        ("gap_parts", ("gap_parts",), "[gap_parts]"),
        ("[passing, gap_parts]", ("gap_parts", DEFAULT), "[gap_parts, passing]"),
        ("{passing: , gap_parts: {}}", ("gap_parts", DEFAULT), "[gap_parts, passing]"),
        ("{passing: {passes: 100, every: 1}}", (DEFAULT,), "[passing]"),
        (
            "{passing: {passes: 7, every: 3}}",
            ("passing every=3 passes=7 least=1e-20 paired=true",),
            "{passing: {every: 3, passes: 7, least: 1.0e-20, paired: true}}",
        ),
        ("{gap_parts: {every: 5}}", ("gap_parts every=5",), "{gap_parts: {every: 5}}"),
        ("[]", (), None),
    ],
)
def test_what_is_written_becomes_words_in_the_order_of_the_table_and_goes_back(written, words, back):
    made = read(f"probes: {written}\n")
    assert made.probes == words
    again_read = read(to_yaml(made))
    assert again_read.probes == words
    assert to_yaml(again_read) == to_yaml(made)
    expected = read_text(f"probes: {back}" if back else "{}", "x").content.get("probes")
    assert read_text(to_yaml(made), "x").content.get("probes") == expected


def test_all_means_every_row_with_its_defaults():
    assert read("probes: all").probes == tuple(map(asked, PROBES))
    assert DEFAULT in read("probes: all").probes


@pytest.mark.parametrize(
    ("written", "sentences"),
    [
        ("[gap_prts]", ["s.yaml:1:10: probes: 'gap_prts' is not one of {}, or all; did you mean 'gap_parts'?"]),
        ("{gap_prts: {}}", ["s.yaml:1:10: probes.gap_prts: unknown key; did you mean 'gap_parts'?"]),
        ("{passing: {pases: 3}}", ["s.yaml:1:20: probes.passing.pases: unknown key; did you mean 'passes'?"]),
        ("{passing: {passes: 0}}", ["s.yaml:1:28: probes.passing.passes: 0 is below 1 (forward passes)"]),
        ("{passing: {passes: 2000}}", ["s.yaml:1:28: probes.passing.passes: 2000 is above 1,000 (forward passes)"]),
        ("{passing: {passes: many}}", ["s.yaml:1:28: probes.passing.passes: 'many' is not a whole number (forward passes)"]),
        ("{passing: {paired: 1}}", ["s.yaml:1:28: probes.passing.paired: 1 is not true or false (whether in pairs); "
          "did you mean true?"]),
        (
            "{passing: 100}",
            ["s.yaml:1:19: probes.passing: 100 is not a mapping of settings; write 'passing: {{}}' for its defaults"],
        ),
        (
            "[{gap_parts: {every: 2}}]",
            [
                "s.yaml:1:10: probes: {{gap_parts: {{every: 2}}}} is not a name; settings belong in a mapping, as in "
                "'probes: {{gradient_norms: {{every: 5}}}}'"
            ],
        ),
        (
            "{gap_parts: {every: 1.5}, x: {}}",
            [
                "s.yaml:1:29: probes.gap_parts.every: 1.5 is not a whole number (how many epochs lie between two measurements)",
                "s.yaml:1:35: probes.x: unknown key; known here: {}",
            ],
        ),
        ("7", ["s.yaml:1:9: probes: 7 is not one of {}, or all"]),
    ],
)  # fmt: skip
def test_what_is_no_probe_or_no_setting_is_told_with_its_place(written, sentences):
    known = ", ".join(PROBES)
    assert refused(f"probes: {written}") == [s.format(known) for s in sentences]


def test_two_settings_of_one_study_are_one_run():
    one, other = read("probes: {gap_parts: {every: 5}}"), read("probes: []")
    assert [run.run_id for run in one.runs()] == [run.run_id for run in other.runs()]


def test_words_read_back_as_the_settings_that_they_were_made_of():
    chosen = Passes(every=4, passes=3, least=1e25, paired=False)
    word = asked("passing", chosen)
    assert "+" not in word
    assert settings_of(word) == chosen
    assert settings_of("passing passes=3") == Passes(passes=3)
    assert complete("passing") == DEFAULT
    assert complete("of another version x=1") == "of another version x=1"
    with pytest.raises(ValueError, match="passes"):
        settings_of("passing passes=0")


def test_a_word_of_a_version_without_a_setting_is_measured_again_as_that_version_did():
    assert earlier(Passes) == {"least": 0.5, "paired": False}
    assert again("passing passes=9") == "passing passes=9 least=0.5 paired=false"
    assert again("gap_parts") == "gap_parts"
    assert again("passing passes=none") is None
    assert again("nothing of ours") is None


def test_the_last_word_of_a_probe_counts_in_the_order_of_the_table():
    assert newest(["passing", "zebra", "gap_parts", "ape", "passing every=2"]) == [
        "gap_parts", "passing every=2", "ape", "zebra",
    ]  # fmt: skip


def test_when_a_probe_is_due_and_which_epochs_have_rows():
    words = ("gap_parts every=2", asked("passing", Passes(every=3)))
    assert [due(words, "epoch", n) for n in (1, 2, 3, 6)] == [[], [words[0]], [words[1]], [*words]]
    assert due(words, "start") == due(words, "selected") == [words[1]]
    assert due(words, "last") == []
    assert epochs_of(words[0], 5, 4, False) == {2, 4}
    assert epochs_of(words[1], 7, 4, False) == {0, 3, 4, 6}
    assert epochs_of(words[1], 1, None, True) == {0}
    assert epochs_of("passing every=3", 7, 4, False) == {3, 6}  # an earlier version looked after epochs alone


def test_every_row_says_what_it_is():
    for name, row in PROBES.items():
        assert row.means, name
        assert row.layers, name
        assert set(row.moments) <= set(probes.MOMENTS), name
        looks_at_each = row.remembers  # one that remembers may leave out no epoch
        assert ("epoch" in row.moments) == (issubclass(row.settings, EveryEpoch) or looks_at_each), name
        if name != "passing":
            assert row.formula, name
            assert row.cost, name
            assert all(field.description for field in row.settings.model_fields.values()), name


def test_the_readme_names_every_probe():
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    for name, row in PROBES.items():
        assert name == "passing" or f"| `{name}` | {row.means} | {row.source} |" in text


def test_several_values_of_a_setting_go_there_and_back():
    made = read("probes: {gradient_noise: {sizes: [1, 8], batches: 4}}")
    assert made.probes == ("gradient_noise sizes=1/8 batches=4 masks=5",)
    assert read(to_yaml(made)).probes == made.probes
    assert settings_of("gradient_noise sizes=9").sizes == (9,)
    assert refused("probes: {gradient_noise: {sizes: [0]}}") == [
        "s.yaml:1:35: probes.gradient_noise.sizes[0]: 0 is below 1 (examples per mini-batch, one size or several)"
    ]


def test_the_schema_for_editors_knows_names_settings_and_limits():
    found = schema()["properties"]["probes"]["anyOf"]
    assert found[0] == {"const": "all"}
    assert found[1]["items"]["enum"] == list(PROBES)
    passes = found[2]["properties"]["passing"]["anyOf"][1]["properties"]["passes"]
    assert (passes["default"], passes["minimum"], passes["maximum"]) == (100, 1, 1000)
    json.dumps(found)


def test_probes_of_joined_studies_are_those_of_the_first_where_settings_differ():
    from dropexp.study_files.union import union

    one, other = (parse(read_text(f"probes: {text}", "s.yaml"), name="s", folder=Path(folder)) for text, folder in (
        ("{gap_parts: {every: 2}}", "a"), ("{gap_parts: {every: 3}, passing: {}}", "b")))  # fmt: skip
    made, notes = union({Path("a"): one, Path("b"): other}, "c")
    assert made.probes == ("gap_parts every=2", DEFAULT)
    assert "probes: settings of a are kept; they differ from those of b" in notes
