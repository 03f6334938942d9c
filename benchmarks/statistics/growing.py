"""Studies that grow, simulated: how often a word is wrong at any look, how many seeds they take, and which boundary is best."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from functools import cache

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from dropexp.analysis.family import family
from dropexp.analysis.stats import paired
from dropexp.experiment.levels import ALPHA

START, MOST = 5, 30
LOOKS = np.arange(START, MOST + 1)
STEPS = {1: LOOKS, 5: np.arange(START, MOST + 1, 5)}
FAMILIES = (1, 4, 8)
PILOTS = 8  # studies whose first five seeds give the level, which `family` would find anew at each look
DRAWS = 40_000
MARGIN = 1.0  # a difference that does not matter is smaller, in sds of a paired difference
LAWS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.standard_normal(shape) / np.sqrt(2),
    "t3": lambda rng, shape: rng.standard_t(3, shape) / np.sqrt(6),
    "tied": lambda rng, shape: np.round(rng.standard_normal(shape) / np.sqrt(2)),
}


def differences(law: str, studies: int, size: int, seed: int = 0) -> np.ndarray:
    """Return (studies, seeds, comparisons) of arms to one baseline, each of sd 1 or so and correlated by a half."""
    arms = LAWS[law](np.random.default_rng([seed, size, len(law)]), (studies, MOST, size + 1))
    return arms[..., 1:] - arms[..., :1]


def moments(x: np.ndarray, looks: np.ndarray = LOOKS) -> tuple[np.ndarray, np.ndarray]:
    """Return means and standard errors, (studies, looks, comparisons), over the first n seeds of each look."""
    n = looks[:, None]
    sums, squares = (np.cumsum(part, axis=1)[:, looks - 1] for part in (x, x**2))
    error = np.sqrt(np.maximum(squares - sums**2 / n, 0) / (n - 1) / n)
    return sums / n, np.where(error > 1e-9, error, np.inf)  # without variance there is no interval


@cache
def constant(size: int, looks: tuple[int, ...]) -> np.ndarray:
    """Return the level at each look as `family` gives it, a mean over pilots judged at their first five seeds."""
    pilots = differences("normal", PILOTS, size, seed=1)[:, :START]
    found = []
    for x in pilots:
        d = [paired(pd.Series(x[:, i]), pd.Series(np.zeros(START))) for i in range(size)]
        found.append(family(d, looks=looks).level)
    return np.full(len(LOOKS), np.mean(found))


@cache
def _null(size: int) -> np.ndarray:
    """Return the largest |t| at each look under the null, correlated as `family` believes it to be at five seeds."""
    believed = 0.5 * (START - 1) / (START + 4)
    rng = np.random.default_rng(2)
    shared = rng.standard_normal((DRAWS, MOST, 1)) * np.sqrt(believed)
    mean, error = moments(shared + rng.standard_normal((DRAWS, MOST, size)) * np.sqrt(1 - believed))
    return np.abs(mean / error).max(axis=2)


@cache
def weighted(size: int, power: float, looks: tuple[int, ...]) -> np.ndarray:
    """Return levels proportional to (n / 30) ** power, of which the smallest ratio over all looks is kept 95% of the time."""
    weight, at = (LOOKS / MOST) ** power, np.isin(LOOKS, looks)
    p = 2 * stdtr(LOOKS - 1, -_null(size))
    return weight * np.quantile((p / weight)[:, at].min(axis=1), ALPHA)


def evidence(t: np.ndarray, n: np.ndarray, spread: float) -> np.ndarray:
    """Return the logarithm of the Bayes factor of effects drawn from a normal law, a martingale under the null (Lai 1976)."""
    ratio = (1 + t**2 / (n - 1)) / (1 + t**2 / ((n - 1) * (1 + n * spread)))
    return -0.5 * np.log1p(n * spread) + n / 2 * np.log(ratio)


def _level_of(bound: float, spread: float) -> np.ndarray:
    """Return the levels of the t at which evidence reaches a bound; 0 where it never does."""
    low, high = np.zeros(len(LOOKS)), np.full(len(LOOKS), 1e6)
    for _ in range(80):
        middle = (low + high) / 2
        short = evidence(middle, LOOKS, spread) < bound
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return np.where(high > 9e5, 0.0, 2 * stdtr(LOOKS - 1, -high))


def mixture(size: int, looks: tuple[int, ...], spread: float = 1.0) -> np.ndarray:
    """Return the levels of a confidence sequence that holds for ever, by Bonferroni over comparisons."""
    return _level_of(np.log(size / ALPHA), spread)


@cache
def fitted(size: int, looks: tuple[int, ...], spread: float = 1.0) -> np.ndarray:
    """Return levels of the mixture's shape, with the bound that these looks and this family need."""
    most = evidence(_null(size), LOOKS, spread)[:, np.isin(LOOKS, looks)].max(axis=1)
    return _level_of(float(np.quantile(most, 1 - ALPHA)), spread)


EVERY, ROUNDS = (tuple(int(n) for n in STEPS[step]) for step in (1, 5))
ALLOWED = (
    ("step 1", 1, EVERY),
    ("step 5, every n allowed for", 5, EVERY),
    ("step 5, its rounds allowed for", 5, ROUNDS),
)
BOUNDARIES: dict[str, Callable[[int, tuple[int, ...]], np.ndarray]] = {
    "constant": constant,
    "n^1": lambda size, looks: weighted(size, 1, looks),
    "n^2": lambda size, looks: weighted(size, 2, looks),
    "n^3": lambda size, looks: weighted(size, 3, looks),
    "mixture": mixture,
    "mixture, fitted": fitted,
}


def widths(levels: np.ndarray) -> np.ndarray:
    """Return half widths in sds: the t of each level over the root of n."""
    with np.errstate(divide="ignore"):
        return stdtrit(LOOKS - 1, 1 - levels / 2) / np.sqrt(LOOKS)


def judged(law: str, studies: int, size: int, shift: float, levels: np.ndarray, step: int) -> dict[str, float]:
    """Return how often any word was wrong at any look, seeds until all is decided, and how often all had the right word.

    A comparison is decided once its interval leaves 0 out, or lies within ± MARGIN; a study stops when all are.
    """
    rounds = np.flatnonzero(np.isin(LOOKS, STEPS[step]))
    mean, error = (part[:, rounds] for part in moments(differences(law, studies, size) + shift))
    half = widths(levels)[rounds, None] * np.sqrt(LOOKS[rounds])[:, None] * error
    above, below, small = mean > half, mean < -half, np.abs(mean) + half < MARGIN
    wrong = (above | below) if shift == 0 else below
    stop = (above | below | small).all(axis=2)
    last = np.where(stop.any(axis=1), stop.argmax(axis=1), len(rounds) - 1)
    there = above[np.arange(studies), last]
    return {
        "any wrong": float(wrong.any(axis=(1, 2)).mean()),
        "seeds": float(LOOKS[rounds][last].mean()),
        "power": float(there.mean()),
    }


def fixed(law: str, studies: int, size: int, shift: float, seeds: int) -> float:
    """Return the power of a study of a fixed number of seeds, by comparison."""
    pilots = differences("normal", PILOTS, size, seed=1)[:, :seeds]
    level = np.mean(
        [family([paired(pd.Series(x[:, i]), pd.Series(np.zeros(seeds))) for i in range(size)]).level for x in pilots]
    )
    mean, error = moments(differences(law, studies, size) + shift, np.array([seeds]))
    return float((mean / error > stdtrit(seeds - 1, 1 - level / 2)).mean())


def found_anew(law: str, studies: int, size: int, looks: tuple[int, ...], draws: int = 2_000) -> float:
    """Return how often any word is wrong where `family` finds the level anew at each round, from fewer draws of its own."""
    x, wrong = differences(law, studies, size, seed=3), 0
    for study in x:
        for n in ROUNDS:
            d = [paired(pd.Series(study[:n, i]), pd.Series(np.zeros(n))) for i in range(size)]
            if min(each.p for each in d) < family(d, looks=looks, draws=draws).level:
                wrong += 1
                break
    return wrong / studies


def tables(studies: int, laws: Iterable[str]) -> None:
    """Print levels and widths, the error rates, and seeds and power, by boundary and by the looks that it allows for."""
    print("level, and half width in sds, at 5, 10, 30 seeds")
    for size in FAMILIES:
        for which, looks in (("every n", EVERY), ("rounds", ROUNDS)):
            for name, levels in BOUNDARIES.items():
                found = levels(size, looks)
                shown = " ".join(f"{found[n - START]:8.5f}" for n in (5, 10, 30))
                halves = " ".join(f"{widths(found)[n - START]:6.2f}" for n in (5, 10, 30))
                print(f"  {size}  {which:<8} {name:<16} {shown}   {halves}")
    print("any wrong word at any look, no difference")
    for law in laws:
        for size in FAMILIES:
            for what, step, looks in ALLOWED:
                found = {name: levels(size, looks) for name, levels in BOUNDARIES.items()}
                cells = [f"{n} {judged(law, studies, size, 0.0, x, step)['any wrong']:.3f}" for n, x in found.items()]
                print(f"  {law:<7} {size} {what}: {'; '.join(cells)}")
    print("seeds until all is decided, and power by comparison, normal data")
    for size in FAMILIES:
        for shift in (0.0, 0.5, 1.0, 1.5):
            for what, step, looks in ALLOWED:
                cells = []
                for name, levels in BOUNDARIES.items():
                    found = judged("normal", studies, size, shift, levels(size, looks), step)
                    cells.append(f"{name} {found['seeds']:.1f} {found['power']:.2f}")
                print(f"  {size} shift {shift} {what}: {'; '.join(cells)}")
            ends = [f"n = {n}: {fixed('normal', studies, size, shift, n):.2f}" for n in (10, 30)]
            print(f"  {size} shift {shift} fixed: {', '.join(ends)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--laws", nargs="*", default=list(LAWS), choices=list(LAWS))
    parser.add_argument("--anew", action="store_true", help="only what finding the level anew at each round does")
    given = parser.parse_args()
    if given.anew:
        for law in given.laws:
            for size in FAMILIES[1:]:
                found = found_anew(law, given.studies, size, ROUNDS)
                print(f"  {law:<7} {size} step 5, its rounds allowed for, levels found anew: {found:.3f}", flush=True)
    else:
        tables(given.studies, given.laws)
