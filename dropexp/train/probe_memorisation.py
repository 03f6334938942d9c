"""The probe memorisation: from which epoch on each training example stays learned, right and wrong labels apart."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dropexp.train.evaluate import mean
from dropexp.train.looking import Look, Measured


def memorisation(look: Look) -> Measured:
    """Return after an epoch what fraction of examples was forgotten in it, and at the last since when each is learned.

    An example is learned where it is guessed as labelled in training, dropout off. The layer is `right` for examples whose
    label was left alone and `wrong` for those whose label was made wrong. At `forgotten` stands the fraction of them that
    was learned after the epoch before and is not after this one (Toneva et al. 2019). At the last epoch, `from.E` is the
    fraction that is learned after epoch E and every later one and not after the epoch before E, `never` that which is not
    learned at the last; epochs at which none begins have no row. `example.N` is E itself for each of the first `examples`
    training examples, by their rows in the data set, 0 where it is not learned at the last.
    """
    assert look.remembered is not None
    since_RN, wrong_RN = look.remembered, look.feed.wrong_RN.numpy()
    if look.moment == "epoch":
        assert look.guess_RN is not None
        learned_RN = look.guess_RN == look.feed.labels_RN[:, : since_RN.shape[1]].cpu().numpy()
        lost_RN = (since_RN > 0) & ~learned_RN
        since_RN[:] = np.where(learned_RN, np.where(since_RN > 0, since_RN, look.epoch), 0)
        return [(name, "forgotten", [mean(lost[of]) for lost, of in _runs(lost_RN, wrong_RN, name)]) for name in GROUPS]
    found: Measured = []
    for name in GROUPS:
        shares = [_shares(own[of]) for own, of in _runs(since_RN, wrong_RN, name)]
        for epoch in sorted({epoch for own in shares for epoch in own}):
            found.append((name, f"from.{epoch}" if epoch else "never", [own.get(epoch) for own in shares]))
    return found + _examples(look, since_RN, wrong_RN)


GROUPS = {"right": False, "wrong": True}


def _runs(of_RN: np.ndarray, wrong_RN: np.ndarray, name: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield each run's numbers, and which of its examples are of a group."""
    yield from zip(of_RN, wrong_RN == GROUPS[name], strict=True)


def _shares(since_N: np.ndarray) -> dict[int, float]:
    epochs, counts = np.unique(since_N, return_counts=True)
    return {int(epoch): int(count) / len(since_N) for epoch, count in zip(epochs, counts, strict=True)}


def _examples(look: Look, since_RN: np.ndarray, wrong_RN: np.ndarray) -> Measured:
    """Return the epoch of each example by its row; runs of other splits have other rows, and so None."""
    count = min(look.settings.examples, since_RN.shape[1])
    rows_RN = look.feed.rows_SN[look.feed.stream_of_R, :count].cpu().numpy()
    found: dict[tuple[bool, int], list[float | None]] = {}
    for r, rows_N in enumerate(rows_RN):
        for n, row in enumerate(rows_N):
            place = bool(wrong_RN[r, n]), int(row)
            found.setdefault(place, [None] * len(rows_RN))[r] = float(since_RN[r, n])
    names = {wrong: name for name, wrong in GROUPS.items()}
    return [(names[wrong], f"example.{row}", found[wrong, row]) for wrong, row in sorted(found)]
