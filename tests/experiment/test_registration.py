"""design.csv as text: rows that read back, hashes that see every change, and what is no such file."""

from dataclasses import replace

import pytest

from dropexp.experiment.registration import (
    DESIGN,
    LOOK,
    canonical_json,
    declared,
    faults,
    following,
    key,
    recorded,
    written,
)
from dropexp.study_files.parse import parse
from dropexp.study_files.writing import to_yaml
from dropexp.study_files.yaml_reader import read_text

GAP = "{metric: gap, compare: {dropout.rate: 0.5}, against: {dropout.rate: 0}}"
TEST = "{compare: {dropout.rate: 0.5}, against: {dropout.rate: 0}, metric: test_accuracy, expect: higher, margin: 0.01}"
GRID = "sweep: {dropout.rate: [0, 0.5], model.hidden: [[8], [16]]}\n"


def study(text):
    return parse(read_text(text, "s.yaml"))


def chain(*said, kind=DESIGN):
    found = []
    for i, content in enumerate(said):
        found.append(following(found, f"2030-01-01T00:00:0{i}+00:00", kind, i, ["b", "a"][:i], content))
    return found


DESIGNS = [declared(study(f"{GRID}seeds: {n}\nclaims: [{GAP}]")) for n in (3, 4, 5)]


def test_rows_read_back_and_are_sound():
    made = [*chain(*DESIGNS)]
    made.append(following(made, "2030-01-01T00:00:09+00:00", LOOK, 9, (), {"arms": {"a": 3}, "seeds": [0, 1, 2]}))
    assert recorded(written(made)) == made
    assert list(faults(made)) == []
    assert [entry.entry for entry in made] == ["1", "2", "3", "4"]
    assert made[2].stored == {"a", "b"}
    assert recorded("") == []


@pytest.mark.parametrize(
    ("change", "column", "line"),
    [
        (lambda rows: [rows[0], replace(rows[1], runs_stored="0"), rows[2]], "sha256", 3),
        (lambda rows: [rows[0], replace(rows[1], arms_stored="a"), rows[2]], "sha256", 3),
        (lambda rows: [rows[0], replace(rows[1], content=rows[0].content), rows[2]], "sha256", 3),
        (lambda rows: [rows[1], rows[2]], "entry", 2),
        (lambda rows: [rows[0], following(rows[:1], rows[1].time, DESIGN, 1, "a", DESIGNS[2]), rows[2]], "sha256", 4),
        (lambda rows: [rows[0], rows[2]], "entry", 3),
        (lambda rows: [rows[0], following(rows[:1], rows[0].time, DESIGN, 0, (), DESIGNS[2]), *rows[1:]], "entry", 4),
    ],
)
def test_a_row_that_was_changed_taken_out_or_put_in_is_seen(change, column, line):
    made = chain(*DESIGNS)
    first = next(faults(change(made)))
    assert (first.column, first.line) == (column, line)


def test_a_row_put_in_with_all_later_ones_counted_anew_breaks_the_chain():
    made = chain(*DESIGNS)
    late = following(made[:1], made[0].time, DESIGN, 0, (), DESIGNS[2])
    moved = [replace(entry, entry=str(int(entry.entry) + 1)) for entry in made[1:]]
    assert [(fault.line, fault.column) for fault in faults([made[0], late, *moved])] == [(4, "sha256"), (5, "sha256")]


def test_times_do_not_run_backwards():
    first = following([], "2030-01-02T00:00:00+00:00", DESIGN, 0, (), DESIGNS[0])
    second = following([first], "2030-01-01T00:00:00+00:00", DESIGN, 0, (), DESIGNS[1])
    assert [(fault.line, fault.column) for fault in faults([first, second])] == [(3, "time")]


GOOD = written(chain(DESIGNS[0]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "its columns are not those of design.csv"),
        (GOOD + "2,then\n", "entry 2 has 2 cells, but the header has 7"),
        (GOOD.replace("2030-01-01T00:00:00+00:00", "yesterday"), "its time or its content cannot be read"),
        (GOOD.replace("+00:00", ""), "not a design, a look or a removal"),
        (GOOD.replace(",design,", ",plan,"), "not a design, a look or a removal"),
        (GOOD.replace(",design,0,", ",design,-1,"), "not a design, a look or a removal"),
        (GOOD.replace('""arms"":[', '""arms"":[1.5,'), "not a design, a look or a removal"),
        (GOOD.replace('""parts"":[', '""bits"":['), "not a design, a look or a removal"),
        (GOOD.replace('"{', '"' + '[' * 9000 + '{'), "its content cannot be read"),
        (GOOD + '"', "unexpected end of data"),
    ],
)  # fmt: skip
def test_what_is_no_row_is_a_sentence(text, words):
    with pytest.raises(ValueError, match=words):
        recorded(text)


def test_a_design_is_the_same_once_it_is_written_and_read_back():
    text = f"{GRID}seeds: {{grow_to: 9}}\nmargins: {{gap: 0.02}}\nclaims: [{GAP}, {{says: both, all: [{GAP}, {TEST}]}}]"
    made = study(text)
    again = study(to_yaml(made))
    assert canonical_json(declared(made)) == canonical_json(declared(again))
    said = declared(made)
    assert said["seeds"] == {"start": 5, "step": 5, "grow_to": 9}
    assert said["margins"] == {"test_accuracy": 0.005, "gap": 0.02}
    assert [len(claim["parts"]) for claim in said["claims"]] == [1, 2]
    assert declared(study("seeds: [7, 8]"))["seeds"] == [7, 8]
    assert len(said["arms"]) == 4


def test_a_claim_is_what_it_says_whatever_its_words_and_their_order():
    def of(claim):
        return key(study(f"{GRID}claims: [{claim}]").claims[0])

    assert of(GAP) == of("{says: x, " + GAP[1:]) == of(f"{{all: [{GAP}]}}")
    assert of(f"{{all: [{GAP}, {TEST}]}}") == of(f"{{all: [{TEST}, {GAP}]}}")
    assert len({of(GAP), of(TEST), of(TEST.replace("0.01", "0.010001")), of(f"{{all: [{GAP}, {TEST}]}}")}) == 4
