"""The folder of a study that names none: one per question, whatever the order of the options."""

import re
import shlex
from pathlib import Path

import pytest

from dropexp.cli.arguments import gather, overrides, split
from dropexp.experiment.leaves import roles
from dropexp.study_files.folder_names import folder_name, folder_word
from dropexp.study_files.parse import parse
from dropexp.study_files.shipped import shipped
from dropexp.study_files.top_level_keys import no_folder
from dropexp.study_files.yaml_reader import read, read_text
from dropexp.workflow.request import AXES, SHORTCUTS, Request

README = (Path(__file__).parent.parent.parent / "README.md").read_text(encoding="utf-8")


def called(command: str, document=None, **more) -> str:
    """Return the name of the study that a command's options ask for."""
    words = gather(shlex.split(command))
    given = {words[i].removeprefix("--"): [words[i + 1]] for i in range(0, len(words), 2)}
    lists = {name: given.get(name) for name in (*AXES, *SHORTCUTS)}
    assert not set(given) - set(lists) - {"set", "seeds", "study"}
    more = {"name": split(given["study"])[0]} if "study" in given else more
    return parse(document or read(shipped()["quickstart"]), overrides(lists, given.get("set")), **more).name


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("", "quickstart"),
        ("--rates 0 0.2 0.5", "quickstart"),
        ("--rates 0.8", "quickstart"),
        ("--rates 0 0.5 --kinds bernoulli vanilla", "quickstart-kinds-rate"),
        ("--kinds vanilla bernoulli gaussian --rates 0", "quickstart-kinds-rate"),
        ("--set training.epochs=60", "quickstart"),  # which is what the file leaves it at
        ("--set training.epochs=5", "quickstart-epochs-5"),
        ("--epochs 5", "quickstart-epochs-5"),
        ("--epochs 5 --lr 0.1", "quickstart-epochs-5-lr-0.1"),
        ("--set lr=0.1 epochs=5", "quickstart-epochs-5-lr-0.1"),
        ("--set dropout.schedule.shape=early dropout.schedule.epochs=5", "quickstart-schedule-early-schedule.epochs-5"),
        ("--set dropout.rate=0.5", "quickstart-rate-0.5"),
        ("--lr 0.01 0.1 --set model.hidden=[64,64]", "quickstart-lr-rate-hidden-64-64"),
        ("--orders NAD DNA --set model.norm=batch --rates 0 0.5", "quickstart-order-rate-norm-batch"),
        ("--patiences none 5", "quickstart-patience-rate"),
        ("--set early_stopping.patience=none", "quickstart"),
        ("--data mnist", "quickstart-data-mnist"),
        ("--data mnist fashion-mnist", "quickstart-data-rate"),
    ],
)  # fmt: skip
def test_a_folder_is_called_by_the_axes_and_settings_that_differ_from_the_files(command, name):
    assert called(command) == name


def test_a_name_that_is_given_stays():
    named = read_text("study: mine\nsweep: {dropout.rate: [0, 0.5]}", "c.yaml")
    assert called("--kinds bernoulli vanilla", named) == "mine"
    assert called("--kinds bernoulli vanilla", name="given") == "given"


def test_a_dict_without_a_name_is_unnamed():
    assert Request({"sweep": {"dropout.rate": [0, 0.5]}}).study().name == "unnamed"


def test_every_question_of_the_readme_has_a_folder_of_its_own():
    commands = re.findall(r"\| `dropexp sweep ([^`]+)`", README)
    names = [called(command) for command in commands]
    assert len(names) > 10
    assert len(set(names)) == len(names), names


def test_no_two_fields_share_a_word_and_every_name_is_a_folders():
    words = [folder_word(path) for path in roles()]
    assert len(set(words)) == len(words)
    assert not any(no_folder(folder_name("x", (), [path], {})) for path in roles())


@pytest.mark.parametrize("stem", ["c", "a" * 90, "ä" * 49])
def test_a_long_name_is_cut_and_stays_its_own(stem):
    many = list(roles())[:20]
    one, other = (folder_name(stem, (), [*many, last], {}) for last in ("training.lr", "training.l1"))
    assert one != other
    for name in (one, other):
        assert no_folder(name) is None
        assert name.startswith(stem[:20])


def test_a_file_of_the_users_is_called_by_its_name():
    assert folder_name("c", (), (), {"data.source": "/home/me/My Data (2).csv"}) == "c-data-My-Data--2"
