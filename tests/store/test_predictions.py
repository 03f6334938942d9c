"""predictions.bin: what goes in comes out, small, in one order, and no byte of it changes in silence."""

import random

import numpy as np
import pytest

from dropexp.errors import StoreError
from dropexp.records import Answers
from dropexp.store import prediction_records as records
from dropexp.store.new_predictions import Added, differ, richer
from dropexp.store.prediction_order import arranged, rewrite
from dropexp.store.predictions import CHANGED, NAME, Predictions, scan


def answers(run_id="a-s0", count=40, classes=10, seed=0, probabilities=False, official=False, test=0):
    rng, drawn = np.random.default_rng(seed), np.random.default_rng(1000 + test)
    place = np.sort(drawn.permutation(4 * count)[:count]).astype(np.uint32)
    label, predicted = (g.integers(0, classes, count).astype(np.uint16) for g in (drawn, rng))
    shares = rng.dirichlet(np.ones(classes), count).astype(np.float32) if probabilities else None
    return Answers(run_id, official, classes, place, label, predicted, shares)


def written(folder, every):
    """Write answers as a command does that is killed before its end; return digests by run."""
    added = Added(set())
    digests = {a.run_id: added.add(a, None) for a in every}
    (folder / NAME).write_bytes(bytes(added.content))
    return digests


def same(one, other):
    assert (one.run_id, one.official, one.classes) == (other.run_id, other.official, other.classes)
    for name in ("place", "label", "predicted"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert (one.probabilities is None) == (other.probabilities is None)
    assert one.probabilities is None or one.probabilities.tobytes() == other.probabilities.tobytes()


@pytest.mark.parametrize("classes", [1, 2, 3, 4, 5, 10, 100, 256, 257, 1000, 10_000])
@pytest.mark.parametrize("probabilities", [False, True])
def test_what_goes_in_comes_out(classes, probabilities, tmp_path):
    every = [answers(f"a-s{n}", 41, classes, n, probabilities, official=bool(n % 2), test=n % 2) for n in range(4)]
    stored = Predictions(tmp_path, written(tmp_path, every), scan(tmp_path, thorough=False))
    for own in every:
        same(own, stored.get(own.run_id))
    assert stored.get("another") is None


@pytest.mark.parametrize("classes, bits", [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (10, 4), (256, 8), (257, 9)])
def test_a_class_takes_so_many_bits(classes, bits):
    assert records.bits(classes) == bits
    assert len(records.pack(np.zeros(11, int), classes)) == -(-11 * bits // 8)


def test_bits_stand_as_the_format_says():
    assert records.pack(np.array([1, 2, 0, 3]), 4) == bytes([0b01_10_00_11])
    assert records.pack(np.array([9, 1]), 10) == bytes([0b1001_0001])
    record, digest = records.examples_record(
        Answers("r", True, 3, np.array([7, 258]), np.array([2, 1]), np.array([0, 0]))
    )
    assert record[:4] == b"DXP1"
    assert record[4:-16].hex() == "451200000000000000010300000002000000070000000201000090"
    assert record[-16:].hex() == digest


def test_a_thousand_runs_of_ten_thousand_images_take_five_megabytes(tmp_path):
    place, label = np.arange(10_000, dtype=np.uint32), np.arange(10_000) % 10
    rng, added = np.random.default_rng(0), Added(set())
    for seed in range(1000):
        name = f"mnist-mlp-512-bernoulli-0.5-s{seed}-690f72a92a"
        added.add(Answers(name, True, 10, place, label, rng.integers(0, 10, 10_000)), None)
    assert len(added.content) < 5.2e6
    (tmp_path / NAME).write_bytes(bytes(added.content))
    assert len(scan(tmp_path).runs) == 1000


def test_order_depends_on_the_rows_alone_and_what_nobody_names_goes(tmp_path):
    every = [answers(f"a-s{n}", test=n, seed=n) for n in range(9)]
    found = []
    for order in (range(9), [5, 3, 1, 8, 7, 0, 4, 2, 6]):
        digests = written(tmp_path, [every[n] for n in order])
        wanted = {f"a-s{n}": digests[f"a-s{n}"] for n in (4, 1, 3, 8, 7, 2)}
        index = scan(tmp_path)
        kept, lost = arranged(index, wanted)
        assert {gap.why for gap in lost} == {"its run has no row in runs.csv"}
        rewrite(tmp_path, index, kept)
        found.append((tmp_path / NAME).read_bytes())
        again = scan(tmp_path)
        assert [r.head.run_id for r in again.every] == [""] * 6 + ["a-s4", "a-s1", "a-s3", "a-s8", "a-s7", "a-s2"]
        assert [r.digest for r in again.every[:6]] == sorted(again.examples)
    assert found[0] == found[1]


def test_the_richer_answers_stay():
    plain, more = answers(), answers(probabilities=True)
    assert richer(plain, more) is more
    assert richer(more, plain) is more
    assert richer(None, plain) is plain
    assert richer(plain, None) is plain
    assert not differ(plain, None)
    assert differ(plain, answers(seed=1))


def damaged(rng, content):
    """Flip a bit or a byte, cut, repeat or remove bytes."""
    held, at = bytearray(content), rng.randrange(len(content))
    match rng.randrange(5):
        case 0 | 1:
            held[at] ^= 1 << rng.randrange(8)
        case 2:
            del held[at:]
        case 3:
            held[at:at] = held[at : at + rng.choice((1, 30, 500))]
        case 4:
            held[at : at + rng.choice((1, 13, 200))] = b""
    return bytes(held)


def check_damage(seeds, folder):
    every = [answers(f"a-s{n}", 20, 10, n, probabilities=n == 2, test=n % 2) for n in range(4)]
    digests = written(folder, every)
    whole = (folder / NAME).read_bytes()
    for seed in seeds:
        content = damaged(random.Random(seed), whole)
        (folder / NAME).write_bytes(content)
        index = scan(folder)
        faults = {a.run_id for a in every if index.of(a.run_id, digests[a.run_id])[1]}
        assert content == whole or faults or index.gaps or len(index.every) > 6, seed
        quick = Predictions(folder, digests, scan(folder, thorough=False))
        for own in every:
            try:
                found, said = quick.get(own.run_id), None
            except StoreError as error:
                found, said = None, str(error)
            if found is not None:
                same(own, found)  # what is shown is what was stored
            elif said:
                assert str(folder / NAME) in said, seed
                assert own.run_id in faults, seed
            else:
                assert quick.fault(own.run_id), seed
        assert all(gap.end > gap.begin for gap in index.gaps)


def test_no_damage_is_shown(tmp_path):
    check_damage(range(300), tmp_path)


@pytest.mark.slow
def test_no_damage_is_shown_in_many(tmp_path):
    check_damage(range(300, 20_000), tmp_path)


def test_a_damaged_record_costs_no_other(tmp_path):
    every = [answers(f"a-s{n}", seed=n) for n in range(5)]
    digests = written(tmp_path, every)
    content = bytearray((tmp_path / NAME).read_bytes())
    record = scan(tmp_path).runs["a-s2"][0]
    content[record.begin + 5] ^= 0x40  # its length
    (tmp_path / NAME).write_bytes(content)
    index = scan(tmp_path)
    assert [(gap.begin, gap.end, gap.why) for gap in index.gaps] == [(record.begin, record.end, CHANGED)]
    assert {run_id for run_id in digests if index.of(run_id, digests[run_id])[1]} == {"a-s2"}


@pytest.mark.parametrize("content", [b"DXP1" * 20_000, b"DXP1R" + b"\xff" * 8, b"DXP1E" + b"\xff" * 200, bytes(5000)])
def test_what_looks_like_records_is_read_in_bounded_time_and_memory(content, tmp_path):
    (tmp_path / NAME).write_bytes(content)
    index = scan(tmp_path)
    assert not index.every
    assert [(gap.begin, gap.end) for gap in index.gaps] == [(0, len(content))]


def test_a_link_is_not_followed(tmp_path):
    written(tmp_path, [answers()])
    (tmp_path / NAME).rename(tmp_path / "elsewhere")
    (tmp_path / NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="symbolic link"):
        scan(tmp_path)
