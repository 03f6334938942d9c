"""Before or after the fact: what each row of design.csv makes of the claims, arms, margins and looks of a study."""

from pathlib import Path

import pandas as pd

from dropexp.analysis.history import History
from dropexp.analysis.judging import judge
from dropexp.analysis.tidy import tidy
from dropexp.experiment.registration import DESIGN, LOOK, declared, following, written
from dropexp.study_files.parse import parse
from dropexp.study_files.yaml_reader import read_text
from dropexp.workflow.registering import NAME, history

GRID = "sweep: {dropout.rate: [%s]}\n"
CLAIM = "{metric: gap, compare: {dropout.rate: %s}, against: {dropout.rate: 0}, margin: %s}"


def study(rates="0, 0.5", claims=(), more=""):
    said = f"claims: [{', '.join(claims)}]\n" if claims else ""
    return parse(read_text(GRID % rates + said + more, "s.yaml"), large=True)


class Ledger:
    """Rows as commands add them; the seeds of a look are 0, 1, 2 and on."""

    def __init__(self):
        self.entries = []

    def _add(self, kind, runs, arms, says):
        self.entries.append(
            following(self.entries, f"2030-01-01T00:{len(self.entries):02}:00+00:00", kind, runs, arms, says)
        )

    def design(self, made, stored=()):
        self._add(DESIGN, 3 * len(stored), [arm.arm_id for arm in stored], declared(made))
        return self

    def look(self, made, seeds):
        self._add(LOOK, 9, (), {"arms": {arm.arm_id: seeds for arm in made.arms}, "seeds": list(range(seeds))})
        return self

    def seen(self, made, folder: Path) -> History:
        (folder / NAME).write_text(written(self.entries))
        found, doubt = history(folder, made)
        assert doubt is None
        return found


def test_a_folder_without_rows_knows_nothing_and_marks_nothing(tmp_path):
    made = study(claims=[CLAIM % (0.5, 0.01)])
    found, doubt = history(tmp_path, made)
    assert (found.known, doubt) == (False, None)
    assert not found.claim_after(made.claims[0])
    assert not found.arm_after(made.arms[0].arm_id)
    assert not found.margins_after("gap")
    assert found.looks([0, 1, 2]) == 1
    assert History() == History()


def test_what_is_said_first_is_not_after(tmp_path):
    made = study(claims=[CLAIM % (0.5, 0.01)])
    found = Ledger().design(made).seen(made, tmp_path)
    assert found.known
    assert not found.claim_after(made.claims[0])
    assert not any(found.arm_after(arm.arm_id) for arm in made.arms)
    assert not found.margins_after("gap")


def test_what_is_said_with_runs_stored_is_after(tmp_path):
    first = study()
    later = study("0, 0.5, 0.8", [CLAIM % (0.5, 0.01), CLAIM % (0.8, 0.01)], "margins: {gap: 0.01, test_loss: 0.1}\n")
    found = Ledger().design(first).design(later, stored=first.arms).seen(later, tmp_path)
    assert [found.claim_after(claim) for claim in later.claims] == [True, True]  # both look at the stored arm of rate 0
    assert [found.arm_after(arm.arm_id) for arm in later.arms] == [False, False, True]
    assert [found.margins_after(metric) for metric in ("gap", "test_loss", "test_accuracy")] == [True, True, False]


def test_a_claim_about_new_arms_alone_is_none_after_the_fact(tmp_path):
    first = study("0.1, 0.2")
    later = study("0, 0.1, 0.2, 0.5", [CLAIM % (0.5, 0.01)])
    found = Ledger().design(first).design(later, stored=first.arms).seen(later, tmp_path)
    assert not found.claim_after(later.claims[0])
    assert found.arm_after(later.arms[0].arm_id)


def test_another_margin_is_another_claim_and_going_back_to_the_first_is_none(tmp_path):
    first, other = (study(claims=[CLAIM % (0.5, margin)]) for margin in (0.01, 0.010001))
    ledger = Ledger().design(first).design(other, stored=first.arms)
    assert ledger.seen(other, tmp_path).claim_after(other.claims[0])
    assert not ledger.design(first, stored=first.arms).seen(first, tmp_path).claim_after(first.claims[0])


def test_what_was_changed_before_any_run_is_not_after(tmp_path):
    first, other = study(), study("0, 0.8", [CLAIM % (0.8, 0.01)], "margins: {gap: 0.02}\n")
    found = Ledger().design(first).design(other).seen(other, tmp_path)
    assert not found.claim_after(other.claims[0])
    assert not found.margins_after("gap")
    assert not any(found.arm_after(arm.arm_id) for arm in other.arms)


def test_the_first_row_of_a_folder_with_runs_says_neither_and_later_ones_do(tmp_path):
    first, other = study(), study(claims=[CLAIM % (0.5, 0.01)])
    ledger = Ledger().design(first, stored=first.arms)
    found = ledger.seen(first, tmp_path)
    assert not found.known
    assert not found.arm_after(first.arms[0].arm_id)
    assert ledger.design(other, stored=first.arms).seen(other, tmp_path).claim_after(other.claims[0])


def test_what_was_never_declared_in_a_known_folder_is_after(tmp_path):
    first, edited = study(), study("0, 0.9", [CLAIM % (0.9, 0.01)])
    found = Ledger().design(first).seen(edited, tmp_path)
    assert found.claim_after(edited.claims[0])
    assert [found.arm_after(arm.arm_id) for arm in edited.arms] == [False, True]


def test_looks_count_sets_of_seeds_whatever_else_changes(tmp_path):
    made = study()
    other = study(claims=[CLAIM % (0.5, 0.02)])
    ledger = Ledger().design(made).look(made, 5)
    assert ledger.seen(made, tmp_path).looks(range(5)) == 1
    assert ledger.seen(made, tmp_path).looks(range(10)) == 2
    ledger.design(other, stored=made.arms).look(other, 10)
    found = ledger.seen(other, tmp_path)
    assert [found.looks(range(n)) for n in (5, 10, 15)] == [2, 2, 3]
    apart = study("0.7, 0.8")
    assert ledger.seen(apart, tmp_path).looks(range(10)) == 1  # of other arms nothing was looked at


def test_growing_as_declared_is_one_look_and_what_came_before_is_another(tmp_path):
    growing = study(more="seeds: {start: 3, step: 2, grow_to: 9}\n")
    ledger = Ledger().design(growing).look(growing, 3).look(growing, 5)
    found = ledger.seen(growing, tmp_path)
    assert [found.looks(range(n)) for n in (3, 5, 7, 9)] == [1, 1, 1, 1]
    assert found.looks(range(12)) == 2
    fixed = study()
    late = Ledger().design(fixed).look(fixed, 5).design(growing, stored=fixed.arms).look(growing, 7)
    assert late.seen(growing, tmp_path).looks(range(9)) == 2  # five seeds were looked at before growing was said
    further = study(more="seeds: {start: 3, step: 2, grow_to: 20}\n")
    ledger.design(further, stored=growing.arms).look(further, 11)
    assert ledger.seen(further, tmp_path).looks(range(13)) == 2  # more than was said at first


def test_rows_that_were_changed_are_not_believed(tmp_path):
    made = study()
    ledger = Ledger().design(made).look(made, 5)
    (tmp_path / NAME).write_text(written(ledger.entries).replace(",look,9,", ",look,8,"))
    found, doubt = history(tmp_path, made)
    assert not found.known
    assert doubt.startswith(f"{tmp_path / NAME}:3: sha256: the row, or one before it, differs from what was written")


def test_a_claim_is_looked_at_again_whatever_its_margin(tmp_path):
    made = study(claims=[CLAIM % (0.5, 0.010001)], more="seeds: 4\n")
    found = Ledger().design(made).look(made, 3).seen(made, tmp_path)
    runs = pd.DataFrame(
        {
            "run_id": f"{arm.arm_id}-{seed}",
            "arm_id": arm.arm_id,
            "seed": seed,
            "gap": 0.1 * seed,
            "stop_reason": "max_epochs",
        }
        for arm in made.arms
        for seed in range(4)
    )
    (verdict,) = judge(tidy(made, runs, pd.DataFrame(), history=found))
    assert verdict.look == 2
    assert verdict.notes[-1] == "look 2: each further look raises the error rate above 5%"
