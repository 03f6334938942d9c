"""summary.csv and overfit.csv follow from the rows alone, in whatever order runs have ended."""

from dropexp.store.writer import Writer
from dropexp.workflow.running import summarise

STUDY = "study: s\nseeds: 7\nsweep:\n  dropout.rate: [0, 0.2, 0.5]\n"


def summed(folder):
    with Writer(folder) as writer:
        summarise(writer)
        return {name: (folder / name).read_bytes() for name in ("summary.csv", "overfit.csv")}


def test_a_command_that_trains_nothing_leaves_the_sums_byte_for_byte(tmp_path, store_study):
    store_study(tmp_path, STUDY)
    with Writer(tmp_path) as writer:
        for name in ("runs.csv", "epochs.csv"):  # as runs that end the other way round are appended
            header, *lines = (tmp_path / name).read_text().splitlines(keepends=True)
            (tmp_path / name).write_text("".join([header, *reversed(lines)]))
        summarise(writer)
        first = {name: (tmp_path / name).read_bytes() for name in ("summary.csv", "overfit.csv")}
    assert summed(tmp_path) == first
