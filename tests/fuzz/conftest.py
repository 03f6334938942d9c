"""The harness of the fuzzers: each case has a seed, a limit of time and memory, and may end in a DropexpError only.

`DROPEXP_FUZZ=100000` sets how many cases each slow fuzzer tries, `DROPEXP_FUZZ_SEED=7` where the seeds begin; a failure names
its seed, and that seed with a count of 1 repeats it.
"""

import os
import random
import resource
import signal
import time

import pytest

from dropexp.errors import DropexpError

MEMORY = 500  # MB
NUMBERS = (0, 1, 2, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1)

CELLS = [
    *("", " ", "0", "1", "-1", "1.5", "1e5", "1E400", "nan", "inf", "-inf", "infinity", "abc", "é", "\u2028", "\x85", "\x00", "\r"),
    *("1,5", '"', '""', "'", "a\nb", "a,b", ";", "\t", "true", "None", "0x10", "1_000", "9" * 30, "9" * 5000, "1" * 140_000),
    *("=1+1", "\ufeff", "２", "٣", "0.1 ", "1e", "--1", "2020-01-01", "none", "hidden", "1e-400", "18446744073709551616"),
]  # fmt: skip


class Hang(BaseException):
    """Not an Exception, so that nothing takes it for an error of its own."""


@pytest.fixture
def fuzz():
    """Try `count` cases of a function of a random.Random, each within `seconds` of processor time.

    The function may refuse its case with a DropexpError. Where it does not, `then`, if given, is called with what it returned
    and may refuse nothing: what was accepted once must be accepted again.
    """

    def out_of_time(*_):
        raise Hang

    def run(case, count, seconds=1.0, then=None):
        first = int(os.environ.get("DROPEXP_FUZZ_SEED", "0"))
        begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        refused, slowest, before = 0, (0.0, first), signal.signal(signal.SIGPROF, out_of_time)
        try:
            for seed in range(first, first + count):
                signal.setitimer(signal.ITIMER_PROF, seconds)
                start = time.process_time()
                try:
                    accepted = case(random.Random(seed))
                except DropexpError as error:
                    refused += 1
                    for message in error.messages:
                        assert message.strip(), f"seed {seed}: an empty message"
                        assert "\n" not in message, f"seed {seed}: {message!r}"
                        assert len(message) < 3000, f"seed {seed}: a message of {len(message)} characters"
                except (Hang, Exception) as error:
                    signal.setitimer(signal.ITIMER_PROF, 0)
                    raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
                else:
                    try:
                        if then is not None:
                            then(accepted)
                    except (Hang, Exception) as error:
                        signal.setitimer(signal.ITIMER_PROF, 0)
                        raise AssertionError(f"seed {seed}, once accepted: {type(error).__name__}: {error}") from error
                signal.setitimer(signal.ITIMER_PROF, 0)
                slowest = max(slowest, (time.process_time() - start, seed))
                grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - begin) / 1024
                assert grown < MEMORY, f"seed {seed}: {grown:.0f} MB"
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)
        assert count < 100 or 0 < refused < count, "a fuzzer finds both good and bad cases"
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{count} cases, {refused} refused; slowest {slowest[0]:.2f} s (seed {slowest[1]}); peak {peak:.0f} MB")

    return run


@pytest.fixture
def many():
    """How many cases a slow fuzzer tries."""

    def count(default):
        return int(os.environ.get("DROPEXP_FUZZ", default))

    return count


@pytest.fixture(scope="session")
def mutated():
    """Change some bytes: flipped, inserted, removed, repeated, cut off, or a number of the format replaced."""

    def change(rng: random.Random, content: bytes, most: int = 4) -> bytes:
        held = bytearray(content)
        for _ in range(rng.randint(1, most)):
            at = rng.randrange(len(held) + 1)
            length = rng.choice((1, 1, 2, 4, 8, 30))
            number = rng.choice(NUMBERS).to_bytes(8, rng.choice(("big", "little")))
            match rng.randrange(8):
                case 0 if at < len(held):
                    held[at] ^= 1 << rng.randrange(8)
                case 1:
                    held[at:at] = rng.randbytes(length)
                case 2:
                    del held[at : at + length]
                case 3:
                    held[at:at] = held[at : at + length] * rng.choice((1, 1, 5, 100))
                case 4 if rng.random() < 0.3:
                    del held[at:]
                case 5:
                    width = rng.choice((1, 2, 4, 8))
                    held[at : at + width] = number[-width:] if rng.random() < 0.5 else number[:width]
                case 6 if at < len(held):
                    held[at] = rng.randrange(256)
                case 7:
                    held[at : at + length] = bytes(length)
        return bytes(held)

    return change


@pytest.fixture(scope="session")
def table():
    """Return rows as a CSV file with some of its cells, rows and columns changed."""

    def change(rng: random.Random, rows: list[list[str]]) -> bytes:
        rows = [list(row) for row in rows]
        for _ in range(rng.randint(1, 3)):
            row = rng.choice(rows)
            at, cell = rng.randrange(len(row) + 1), rng.choice(CELLS)
            match rng.randrange(9):
                case 0 | 1 | 2 | 3 if at < len(row):
                    row[at] = cell
                case 4:
                    row.insert(at, cell)
                case 5 if at < len(row) > 1:
                    del row[at]
                case 6:
                    rows.insert(rng.randrange(len(rows)), list(row))
                case 7 if len(rows) > 1:
                    rows.remove(row)
                case 8:
                    at = rng.randrange(len(rows[0]) + 1)
                    rows = [[*r[:at], cell, *r[at:]] if rng.random() < 0.98 else r for r in rows]
        end = rng.choice(("\n", "\n", "\n", "\r\n", "\r", "\n\n"))
        apart = "," if rng.random() < 0.97 else rng.choice(";\t|")
        text = end.join(apart.join(row) for row in rows) + rng.choice((end, ""))
        return rng.choice((b"", b"", b"", b"\xef\xbb\xbf")) + text.encode()

    return change
