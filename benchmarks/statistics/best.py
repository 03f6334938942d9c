"""The set of arms not ruled out as the best: how often it holds the best one, and how large it is; prints Markdown.

    python -m benchmarks.statistics.best --studies 2000

All arms are equally good, which is the hardest case for the set, or the first one is better by one sd of a difference.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from benchmarks.statistics.family import ACCURACY, LAWS, SEEDS, noise
from dropexp.analysis import best as sets
from dropexp.analysis import family as families

ARMS = (2, 5, 10)
DRAWS, STREAMS = 1000, 20  # in place of the product's 10,000 of one stream: see family.py


def held(law: str, seeds: int, arms: int, effect: float, studies: int) -> tuple[float, float]:
    """Return the share of sets that hold the first arm, and the mean size of a set."""
    rng, hits, sizes = np.random.default_rng([seeds, arms, len(law), int(10 * effect)]), 0, 0
    values = noise(rng, law, (studies, seeds, arms))
    if not law.endswith("examples"):
        values += rng.standard_normal((studies, seeds, 1))  # what a seed has in common
        values[:, :, 0] += effect
    else:
        values[:, :, 0] += effect * np.sqrt(2 * ACCURACY * (1 - ACCURACY) / int(law.split()[0].replace(",", "")))
    stream = families.STREAM
    for i, table in enumerate(values):
        families.STREAM = stream + i % STREAMS
        kept = sets.best([pd.Series(column) for column in table.T], higher=True, draws=DRAWS)
        hits, sizes = hits + (0 in kept), sizes + len(kept)
    families.STREAM = stream
    return hits / studies, sizes / studies


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000, help="of each kind")
    studies = parser.parse_args().studies
    print(f"The share of {studies:,} sets that hold the best arm, where all arms are equally good.\n")
    print(f"| seeds | arms | {' | '.join(LAWS)} |\n|---|---|{'---|' * len(LAWS)}")
    for seeds in SEEDS:
        for arms in ARMS:
            shares = [held(law, seeds, arms, 0.0, studies)[0] for law in LAWS]
            print(f"| {seeds} | {arms} | " + " | ".join(f"{share:.3f}" for share in shares) + " |", flush=True)
    print(
        "\nWhere the first arm is better by one sd of a paired difference, normal data: its share, and the mean size.\n"
    )
    print("| seeds | arms | holds it | size |\n|---|---|---|---|")
    for seeds in SEEDS:
        for arms in ARMS:
            share, size = held("normal", seeds, arms, 1.0, studies)
            print(f"| {seeds} | {arms} | {share:.3f} | {size:.1f} |", flush=True)


if __name__ == "__main__":
    main()
