"""Keyed streams: one name one stream, no two names alike, uniform, and the same bytes for ever."""

import hashlib
import itertools

import numpy as np
import pytest
from scipy import stats

from dropexp.streams import PURPOSES, generator, integers16

PINNED = {
    (0, "mask", "hidden.1", 1): "d5602e87e2cacc11",
    (0, "init", "conv.2", 0): "35e3b50d9d1ebce0",
    (7, "order", "", 3): "21bdd95e30ad7f02",
    (12345678901234567890, "split", "test", 0): "57506dadad07d595",
}


def words(*names, count=8):
    return generator(*names).bit_generator.random_raw(count)


@pytest.mark.parametrize("names", PINNED, ids=lambda names: "-".join(map(str, names)))
def test_bytes_are_those_of_every_release(names):
    assert hashlib.sha256(words(*names, count=1000).astype("<u8").tobytes()).hexdigest()[:16] == PINNED[names]


def test_integers_are_the_quarters_of_the_words():
    little = words(3, "mask", "input", 2, count=3).astype("<u8").tobytes()
    expected = np.frombuffer(little, "<i2")
    assert np.array_equal(integers16(generator(3, "mask", "input", 2), 12), expected)
    assert np.array_equal(integers16(generator(3, "mask", "input", 2), 9), expected[:9])


def test_initial_weights_draw_the_same_normals_in_every_release():
    drawn = generator(0, "init", "hidden.1").standard_normal(3)
    assert drawn.tolist() == [-0.44813166111871244, 1.0652470801189853, -1.335492561108926]


def test_the_same_names_give_the_same_bytes_however_often():
    first = words(3, "mask", "hidden.1", 5)
    words(4, "mask", "hidden.1", 5, count=100)
    assert np.array_equal(first, words(3, "mask", "hidden.1", 5))


def test_any_name_that_differs_gives_another_stream():
    names = itertools.product(
        (0, 1, 11, 2**63), PURPOSES, ("", "1", "hidden.1", "hidden.11", "conv.1"), (0, 1, 11, 111)
    )
    firsts = [tuple(words(*name, count=2).tolist()) for name in names]
    assert len(set(firsts)) == len(firsts) == 4 * 5 * 5 * 4


def test_a_purpose_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"unknown stream 'masks'; the streams are init, order, mask, split, labels"):
        generator(0, "masks")


def test_all_integers_of_16_bits_are_equally_likely():
    per_value = 64
    drawn = integers16(generator(0, "mask", "hidden.1", 1), per_value * 65536)
    assert drawn.dtype == np.int16
    counts = np.bincount(drawn.astype(np.int64) + 32768, minlength=65536)
    assert counts.min() > 0
    assert 0.001 < stats.chisquare(counts).pvalue < 0.999
    for places in (drawn[0::4], drawn[1::4], drawn[2::4], drawn[3::4]):  # the quarters of a word alike
        high = np.bincount((places.astype(np.int64) + 32768) >> 8, minlength=256)
        assert 0.001 < stats.chisquare(high).pvalue < 0.999


def test_a_stream_goes_on_where_the_last_draw_ended():
    whole = integers16(generator(5, "mask", "input", 1), 40)
    rng = generator(5, "mask", "input", 1)
    assert np.array_equal(np.concatenate([integers16(rng, 16), integers16(rng, 24)]), whole)
    rng = generator(5, "mask", "input", 1)
    integers16(rng, 13)  # takes four words whole
    assert np.array_equal(integers16(rng, 24), whole[16:])
