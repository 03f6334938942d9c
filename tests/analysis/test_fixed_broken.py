"""Fixed and broken test examples, counted by hand: by seed, by class and by example."""

import json
import shutil

import numpy as np
import pytest

from dropexp.analysis.compare import Side, compare
from dropexp.analysis.fixed_broken import Count, Example, each_arm, fixed_broken
from dropexp.analysis.outcomes import Outcome
from dropexp.tables.examples import examples


def outcome(place, label, predicted):
    return Outcome(*map(np.array, (place, label, predicted)))


BASE = {
    0: outcome([0, 1, 2, 5], [0, 0, 1, 1], [0, 1, 1, 0]),  # right, wrong, right, wrong
    1: outcome([1, 2, 5, 9], [0, 1, 1, 2], [1, 0, 0, 2]),  # wrong, wrong, wrong, right
    7: outcome([0], [0], [0]),
}
OWN = {
    0: outcome([0, 1, 2, 5], [0, 0, 1, 1], [0, 0, 0, 1]),  # same, fixed, broken, fixed
    1: outcome([0, 1, 5, 9], [0, 0, 1, 2], [0, 0, 0, 1]),  # not shared, fixed, wrong in both, broken
    8: outcome([0], [0], [1]),
}


def test_counts_by_hand():
    found = fixed_broken(OWN, BASE)
    assert found.seeds == (0, 1)
    assert found.all == Count(7, 3, 2)
    assert found.all.net == 1
    assert found.classes == {0: Count(3, 2, 0), 1: Count(3, 1, 1), 2: Count(1, 0, 1)}
    assert found.place.tolist() == [0, 1, 2, 5, 9]
    assert found.most("fixed", 5) == [Example(1, 0, 2, 2, 0), Example(5, 1, 2, 1, 0)]
    assert found.most("broken", 1) == [Example(2, 1, 1, 0, 1)]
    other = fixed_broken(BASE, OWN)
    assert (other.all.fixed, other.all.broken) == (2, 3)


@pytest.mark.parametrize("own", [{}, {5: BASE[0]}, {0: outcome([3], [0], [0])}, {0: outcome([0], [1], [0])}])
def test_nothing_shared_is_none(own):
    assert fixed_broken(own, BASE) is None


@pytest.mark.parametrize("name", ["answered", "answered-many"])
def test_net_is_the_difference_of_test_accuracies(cases, name):
    shown = cases[name]()
    found = each_arm(shown)
    bases = dict(zip((a.arm_id for a in shown.arms), shown.baselines, strict=True))
    assert [arm.arm_id for arm, _ in found] == list(dict.fromkeys(name for name, base in bases.items() if base))
    for arm, made in found:
        own, base = (shown.outcomes_of(a) for a in (arm, bases[arm.arm_id]))
        difference = sum(int(own[s].right.sum()) - int(base[s].right.sum()) for s in own)
        assert made.all.net == difference
        assert sum(c.net for c in made.classes.values()) == made.all.net


def test_a_study_without_outcomes_has_none(cases):
    assert each_arm(cases["rates"]()) == []


def test_the_table_and_its_words(cases):
    shown = cases["answered"]()
    text = examples(compare([Side(shown, shown.arms[2])], [Side(shown, shown.arms[0])], ()))
    made = {arm.arm_id: found for arm, found in each_arm(shown)}[shown.arms[2].arm_id]
    row = next(line for line in text.splitlines() if line.startswith(" all"))
    assert row.split()[1:4] == [f"{made.all.shared:,}", f"{made.all.fixed:,}", f"{made.all.broken:,}"]
    assert "n = 5 seeds, 500 different examples" in text
    assert "most often fixed: " in text
    assert max(map(len, text.splitlines())) <= 100
    plain = cases["rates"]()
    text = examples(compare([Side(plain, plain.arms[2])], [Side(plain, plain.arms[0])], ()))
    assert "no outcomes of the same examples on both sides" in text


def test_compare_and_the_notebook_show_them(tmp_path, monkeypatch, capsys):
    import dropexp
    from dropexp.cli import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.yaml").write_text(
        "data: {train_size: 60, val_size: 20, test_size: 40}\nmodel: {hidden: [6]}\ntraining: {epochs: 1}\nseeds: 2\n"
        "sweep: {dropout.rate: [0, 0.5]}\n"
    )
    assert main(["run", "s.yaml", "--no-plot"]) == 0
    capsys.readouterr()
    argv = ["compare", "results/s", "--arm", "rate=0.5", "--arm", "rate=0", "--examples"]
    assert main(argv) == 0
    assert "most often broken:" in capsys.readouterr().out
    assert main([*argv, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)["pairs"][0]["examples"]
    assert facts["all"]["shared"] == 80
    frame = dropexp.read("results/s").examples("rate=0.5")
    assert (frame["fixed"].sum(), frame["broken"].sum()) == (facts["all"]["fixed"], facts["all"]["broken"])
    with pytest.raises(dropexp.DropexpError, match="name one arm that has a baseline"):
        dropexp.read("results/s").examples("rate=0")
    shutil.copytree("results/s", "results/t")
    (tmp_path / "results/t/predictions.bin").unlink()
    assert main(["compare", "results/s", "results/t", "--arm", "rate=0.5", "--examples"]) == 0
    told = capsys.readouterr()
    assert "no outcomes of the same examples on both sides" in told.out
    assert "predictions.bin: is missing" in told.err
    assert main(["compare", "results/s", "--together", "--out", "results/u", "--examples"]) == 2
