"""PROBES: each diagnostic that a study may ask for, as a row of data; train/probes.py holds how each is measured."""

from __future__ import annotations

from dataclasses import dataclass

from dropexp.experiment.config import Config
from dropexp.experiment.leaves import leaf


@dataclass(frozen=True)
class Probe:
    """One row of the table of probes, each measured after every epoch on the weights that the epoch ended with.

    `means` is one line for `check` and the README, `layers` what stands in the column `layer` of probes.csv, `at` what stands
    in the column `at` ('' where there is one number per layer), `source` the paper. `needs` is the value that a field must
    have, as (YAML path, value), for there to be anything to measure.
    """

    means: str
    layers: str
    source: str
    at: str = ""
    needs: tuple[str, str] | None = None

    def measures(self, config: Config) -> bool:
        """Return whether a network of this configuration has what the probe looks at."""
        return self.needs is None or leaf(config, self.needs[0]) == self.needs[1]


PROBES: dict[str, Probe] = {
    "gradient_norms": Probe(
        "the L2 norm of each weight's gradient, over the epoch's first batch",
        "each layer",
        "Glorot & Bengio 2010, fig. 7",
    ),
    "variance_shift": Probe(
        "the variance at each batch norm without dropout, over the running one that was taken with it",
        "each layer with batch norm",
        "Li et al. 2019, section 3",
        at="'' for the ratio of the sums over channels, 'median' for the median of the channels' ratios",
        needs=("model.norm", "batch"),
    ),
    "gap_parts": Probe(
        "training accuracies in several ways, which take apart the gap that a training log shows",
        "noise_batch, batch, running: with masks and batch statistics, without masks, with running statistics besides",
        "",
    ),
}
