"""Studies that grow, from the first round to the end: they stop when all is decided, and go on where they were interrupted."""

import csv
from functools import partial

import pytest

import dropexp
from dropexp.analysis.inference import UNDECIDED
from dropexp.cli import main
from dropexp.experiment.registration import recorded
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text
from dropexp.workflow.checking import facts
from dropexp.workflow.reading import reading
from dropexp.workflow.request import Options
from dropexp.workflow.running import Listener, run
from dropexp.workflow.together import together

SMALL = "training: {epochs: 1}\nmodel: {hidden: [4]}\ndata: {train_size: 60}\nsweep: {dropout.rate: [0, 0.5]}\n"
GROWS = f"study: grows\n{SMALL}seeds: {{start: 3, step: 2, grow_to: 6}}\n"
FILES = ("runs.csv", "epochs.csv", "summary.csv", "study.yaml")


def study(text=GROWS, **options):
    return parse(read_text(text, "s.yaml"), **options)


def seeds_of(folder):
    with (folder / "runs.csv").open() as file:
        return sorted({int(row["seed"]) for row in csv.DictReader(file)})


def rows_of(folder):
    return recorded((folder / "design.csv").read_text())


@pytest.fixture
def inline(tmp_path):
    return Options(results=tmp_path, executor="inline")


@pytest.fixture
def decides(monkeypatch):
    """Say from how many seeds on everything is decided."""

    def decides(seeds):
        monkeypatch.setattr("dropexp.analysis.growing.decided", lambda shown: len(shown.study.seeds) >= seeds)

    return decides


def test_it_stops_when_everything_is_decided(inline, decides):
    decides(5)
    plans = []
    finished = run(study(), inline, Listener(started=plans.append))
    assert (finished.trained, finished.interrupted) == (10, False)
    assert [len(plan.study.seeds) for plan in plans] == [3, 5]
    assert seeds_of(finished.folder) == [0, 1, 2, 3, 4]
    assert reading(finished.folder)[0].study.seeds == (0, 1, 2, 3, 4)
    assert reading(finished.folder)[1] is None
    assert "seeds:\n  start: 3\n  step: 2\n  grow_to: 6\n" in (finished.folder / "study.yaml").read_text()
    kinds = [(entry.kind, entry.runs_stored, entry.said["seeds"]) for entry in rows_of(finished.folder)]
    assert kinds == [
        ("design", "0", {"start": 3, "step": 2, "grow_to": 6}),
        ("look", "6", [0, 1, 2]),
        ("look", "10", [0, 1, 2, 3, 4]),
    ]
    again = run(study(), inline, Listener(started=plans.append))
    assert again.trained == 0
    assert [len(plan.study.seeds) for plan in plans] == [3, 5, 5]  # it goes on from the round that is there
    assert facts(study(), inline, False)["runs"] == 10
    assert len(rows_of(finished.folder)) == 3


def test_it_goes_to_the_end_where_something_stays_undecided(inline):
    claim = "claims: [{metric: test_loss, compare: {dropout.rate: 0.5}, against: {dropout.rate: 0}, margin: 1.0e-9, expect: equal}]"
    finished = run(study(GROWS + claim), inline)
    assert seeds_of(finished.folder) == [0, 1, 2, 3, 4, 5]
    shown, _ = reading(finished.folder)
    assert shown.history.known
    assert shown.history.looks(shown.study.seeds) == 1
    assert "look" not in (finished.folder / "claims.csv").read_text().replace(",look,", "", 1)


def test_a_real_difference_ends_it_early(inline):
    """Rate 0.95 of so small a network is worse beyond doubt in test accuracy; only the test's word is asked for."""
    text = GROWS.replace("0.5", "0.95").replace("grow_to: 6", "grow_to: 16").replace("epochs: 1", "epochs: 20")
    finished = run(study(text.replace("hidden: [4]", "hidden: [32]")), inline)
    shown, _ = reading(finished.folder)
    verdict = dropexp.read(finished.folder).verdicts
    assert len(shown.study.seeds) < 16
    assert UNDECIDED not in set(verdict.loc[verdict.metric != "train", "word"])


def test_fixed_seeds_of_the_command_line_come_before_it(inline):
    finished = run(study(seeds=[4]), inline)
    assert seeds_of(finished.folder) == [0, 1, 2, 3]
    assert reading(finished.folder)[0].study.grow is None


class Stopped(Exception):
    pass


@pytest.mark.parametrize("after", [6, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 7, 9))])
def test_interrupted_it_goes_on_to_the_same_bytes(after, inline, tmp_path, decides):
    decides(6)
    left = [after]

    def stop(pack):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    one = Options(results=tmp_path / "cut", executor="inline", pack=1)
    cut = run(study(), one, Listener(finished=stop))
    assert (cut.interrupted, cut.trained) == (True, after)
    shown, note = reading(cut.folder)
    assert shown.study.seeds == (0, 1, 2)
    more = {7: "1 run of seeds from 3 on not shown", 9: "3 runs of seeds from 3 on not shown"}.get(after)
    assert note == (more and f"{more}, as not all arms have them yet")
    looks = [entry for entry in rows_of(cut.folder) if entry.kind == "look"]
    assert len(looks) == (after > 6)
    assert facts(study(), one, False)["runs"] == 6
    whole = run(study(), Options(results=tmp_path / "whole", executor="inline"))
    rest = run(study(), one)
    assert rest.trained == 12 - after
    assert [(cut.folder / name).read_bytes() for name in FILES] == [
        (whole.folder / name).read_bytes() for name in FILES
    ]
    told = [[(entry.kind, entry.content) for entry in rows_of(one.folder)] for one in (cut, whole)]
    assert told[0] == told[1]


def test_failed_runs_are_mended_before_it_grows(inline, monkeypatch, decides):
    decides(5)
    import dropexp.workflow.running as running

    whole = running.train_work

    def train(work, *more, **named):
        if any(run.seed == 1 for run in work.runs):
            raise ValueError("not today")
        return whole(work, *more, **named)

    monkeypatch.setattr(running, "train_work", train)
    finished = run(study(), inline)
    assert {failure.seed for failure in finished.failures} == {1}
    assert seeds_of(finished.folder) == [0, 2]
    assert [entry.kind for entry in rows_of(finished.folder)] == ["design"]
    monkeypatch.setattr(running, "train_work", whole)
    run(study(), inline)
    assert seeds_of(finished.folder) == [0, 1, 2, 3, 4]


def test_check_counts_the_runs_at_least_and_at_most(tmp_path, capsys):
    (tmp_path / "s.yaml").write_text(GROWS + "margins: {gap: 0.01}\n")
    assert main(["check", str(tmp_path / "s.yaml"), "--results", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert (
        "6 seeds at most: 3 first, then 2 more at a time until every word and claim is decided: "
        "6 runs at least, 12 runs at most"
    ) in said
    assert "differences that count: test_accuracy 0.005, gap 0.01" in said
    found = facts(study(), Options(results=tmp_path), False)
    assert (found["runs"], found["seeds_at_most"]) == (6, 6)


def test_what_joins_folders_that_grow_has_a_fixed_number_of_seeds(tmp_path, decides):
    decides(5)
    one = run(study(), Options(results=tmp_path / "one", executor="inline"))
    two = run(study(seeds=[[9]]), Options(results=tmp_path / "two", executor="inline"))
    together([one.folder, two.folder], tmp_path / "both")
    shown, _ = reading(tmp_path / "both")
    assert (shown.study.grow, shown.study.seeds) == (None, (0, 1, 2, 3, 4, 9))
    assert "seeds: [0, 1, 2, 3, 4, 9]\n" in (tmp_path / "both" / "study.yaml").read_text()
    assert not shown.history.known
    assert rows_of(tmp_path / "both")[0].runs_stored == "12"  # said when its runs were there
    later = partial(parse, read_text((tmp_path / "both" / "study.yaml").read_text(), "s.yaml"))
    run(later(folder=tmp_path / "both"), Options(results=tmp_path, executor="inline"))
    assert not reading(tmp_path / "both")[0].history.known
