"""Every law holds, says so in numbers that are the same each time, and reads as one row."""

import json
from functools import cache

import pytest
import torch
from scipy import stats

from dropexp.cli import main
from dropexp.laws import all_laws, intervals, norm
from dropexp.laws.all_laws import LAWS_TABLE, examine
from dropexp.laws.law import Check, Law, Result, exactly

IDS = [
    "mask-rate", "exact-half", "inverted-scale", "vanilla-scale", "times-p", "scale-equivalence", "mask-formula",
    "backward", "survivors-learn", "weighted-update", "subnetwork-expectation", "io-untouched", "per-sample",
    "batch-shared", "batch-of-one", "shared-same-mean", "eval-identity", "rate-range", "keep-or-drop",
    "relu-commutes", "bn-train-test", "bn-backward", "max-pool-backward", "mean-pool-backward", "variance-shift",
    "ridge", "geometric-mean", "early-stop-rule",
]  # fmt: skip


def test_the_laws_have_their_names_for_ever():
    assert list(LAWS_TABLE) == IDS


@pytest.fixture(scope="module")
def results():
    """What each law's experiment found, made once for this file; what it draws is kept for the figure."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(norm, "shift_points", cache(norm.shift_points))
        yield {name: examine(law) for name, law in LAWS_TABLE.items()}


@pytest.fixture
def examined(results, monkeypatch):
    """Let commands show what was found without another experiment."""
    monkeypatch.setattr(all_laws, "examine", lambda law: results[law.id])


@pytest.mark.parametrize("name", IDS)
def test_the_law_holds(results, name):
    assert results[name].holds, results[name].headline
    assert all(check.what for check in results[name].checks)


@pytest.mark.parametrize("name", ["mask-rate", "shared-same-mean", "keep-or-drop"])
def test_an_experiment_gives_the_same_numbers_again(results, name):
    assert examine(LAWS_TABLE[name]) == results[name]


def test_an_experiment_runs_on_one_thread_and_gives_them_back():
    seen = []
    law = Law("x", "", "", lambda: seen.append(torch.get_num_threads()) or Result((exactly("", 0),)))
    torch.set_num_threads(2)
    examine(law)
    assert seen == [1]
    assert torch.get_num_threads() == 2


def test_variance_shift_is_within_a_hundredth_of_the_published_ratios(results):
    checks = results["variance-shift"].checks
    assert len(checks) == 12
    for i, check in enumerate(checks):
        assert check.measured == pytest.approx((0.860, 0.732, 0.614, 0.405)[i % 4], rel=0.01)


def test_a_check_holds_inside_its_interval_alone():
    assert Check("", 1.0, 1.5, 0.5, 1.5).holds
    assert not Check("", 1.0, 1.6, 0.5, 1.5).holds
    assert Check("", 1.0, 1.6, 0.5, None).holds
    assert not Check("", 1.0, 0.4, 0.5, None).holds
    assert not Check("", 1.0, float("nan"), None, None).holds


def test_a_result_shows_the_first_check_that_fails():
    good, bad = Check("good", 0.0, 0.0, 0.0, 0.0), Check("bad", 1.0, 2.0, 1.0, 1.0)
    result = Result((good, bad))
    assert not result.holds
    assert result.numbers() == {"expected": 1.0, "measured": 2.0, "low": 1.0, "high": 1.0}
    assert (result.headline.what, Result((good, good)).headline.what) == ("bad", "good")


@pytest.mark.parametrize("draws", [50, 400, 20_000])
@pytest.mark.parametrize("probability", [0.1, 0.4, 0.5, 0.9])
@pytest.mark.parametrize("tests", [1, 1000])
def test_a_binomial_count_leaves_its_interval_once_in_a_million(draws, probability, tests):
    low, high = intervals.binomial(draws, probability, tests)
    law = stats.binom(draws, probability)
    for tail, inner in (
        (law.cdf(-(-low // 1) - 1), law.cdf(low + 1 + law.std())),
        (law.sf(high // 1), law.sf(high - 1 - law.std())),
    ):
        assert tail * tests <= intervals.DOUBT / 2
        assert inner * tests > intervals.DOUBT / 1000 or min(draws * probability, draws * (1 - probability)) < 10


def test_normal_and_chi_square_intervals_are_those_of_scipy():
    assert intervals.errors() == pytest.approx(stats.norm.isf(5e-7))
    assert intervals.errors(100) == pytest.approx(stats.norm.isf(5e-9))
    low, high = intervals.variance(2.0, 401)
    assert low == pytest.approx(2.0 * stats.chi2(400).ppf(5e-7) / 400, rel=1e-3)
    assert high == pytest.approx(2.0 * stats.chi2(400).isf(5e-7) / 400, rel=1e-3)


def test_the_command_prints_a_table_of_100_columns(examined, capsys):
    assert main(["laws"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["law", "source", "expected", "measured", "interval", "holds"]
    assert [line.split()[0] for line in lines[1 : 1 + len(IDS)]] == IDS
    assert max(map(len, lines)) <= 100
    assert lines[-1] == "28 of 28 laws hold"


def test_the_command_prints_json(capsys):
    assert main(["laws", "backward", "--json"]) == 0
    (fact,) = json.loads(capsys.readouterr().out)
    assert list(fact) == ["id", "source", "expected", "measured", "low", "high", "holds"]
    assert (fact["id"], fact["measured"], fact["holds"]) == ("backward", 0.0, True)


def test_a_law_that_fails_is_named_and_ends_with_1(capsys, monkeypatch):
    for name in IDS[2:]:
        monkeypatch.delitem(LAWS_TABLE, name)
    monkeypatch.setitem(LAWS_TABLE, IDS[1], Law(IDS[1], "it fails", "", lambda: Result((exactly("what", 2.0),))))
    assert main(["laws"]) == 1
    assert "1 of 2 laws hold; not exact-half" in capsys.readouterr().out
    assert main(["laws", IDS[1]]) == 1
    assert "does NOT hold" in capsys.readouterr().out
    assert main(["laws", "--json"]) == 1
    assert [fact["holds"] for fact in json.loads(capsys.readouterr().out)] == [True, False]


@pytest.mark.parametrize(
    "name, drawn",
    [
        ("per-sample", "4 samples x 10 units"),
        ("batch-shared", "4 samples x 10 units"),
        ("backward", "gradient without dropout"),
        ("max-pool-backward", "to the maximum of each square"),
        ("mean-pool-backward", "four equal parts"),
        ("times-p", "test x p"),
        ("keep-or-drop", "keep_prob"),
        ("ridge", "ridge regression with penalty"),
        ("rate-range", "is not below 1"),
        ("survivors-learn", "adam"),
        ("shared-same-mean", "norm of the mean"),
        ("early-stop-rule", "stops after"),
    ],
)
def test_one_law_is_drawn_on_the_board(examined, capsys, name, drawn):
    assert main(["laws", name]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[0] == name
    assert f"source: {LAWS_TABLE[name].source}" in shown
    assert drawn in shown
    assert shown.rstrip().endswith("the law holds")


def test_the_board_shows_one_mask_for_all_samples_or_one_for_each(examined, capsys):
    def patterns(name):
        assert main(["laws", name]) == 0
        after = capsys.readouterr().out.partition("after, ")[2]
        rows = [line.split()[2:] for line in after.splitlines() if line.startswith("  sample")]
        assert [len(row) for row in rows] == [10] * 4
        return {tuple(cell == "." for cell in row) for row in rows}

    assert len(patterns("per-sample")) == 4
    assert len(patterns("batch-shared")) == 1


def test_variance_shift_is_drawn_into_a_file(examined, tmp_path, capsys):
    for name, begins in (("shift.png", b"\x89PNG"), ("shift.svg", b"<?xml")):
        path = tmp_path / name
        assert main(["laws", "variance-shift", "--figure", str(path)]) == 0
        shown = capsys.readouterr().out
        assert "closed form" in shown
        assert str(path) in shown
        assert path.read_bytes().startswith(begins)


@pytest.mark.parametrize(
    "words, said",
    [
        (["persample"], "no law is called 'persample'; did you mean 'per-sample'?"),
        (["zzzz"], "no law is called 'zzzz'; they are mask-rate, "),
        (["--figure", "x.png"], "write dropexp laws variance-shift --figure x.png"),
        (["ridge", "--figure", "x.png"], "write dropexp laws variance-shift --figure x.png"),
        (["variance-shift", "--figure", "x.pdf"], "must end in .png or .svg"),
        (["variance-shift", "--figure", "missing/x.png"], "there is no folder missing"),
    ],
)
def test_what_cannot_be_shown_is_a_usage_error(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["laws", *words]) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert not shown.out
