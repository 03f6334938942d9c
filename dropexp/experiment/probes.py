"""PROBES: each diagnostic that a study may ask for, as a row of data; train/probes.py holds how each is measured."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from dropexp.experiment.config import Config
from dropexp.experiment.fields import Condition
from dropexp.experiment.kinds import kinds_with
from dropexp.experiment.leaves import leaf, spell
from dropexp.experiment.probe_settings import (
    Bins,
    EveryEpoch,
    Examples,
    Masks,
    Noise,
    Parts,
    Passes,
    Repair,
    Settings,
    Smoothness,
    Units,
    earlier,
)

AUDIT = "audit_"  # what begins the names of probes that nobody asks for, which speak where something is wrong

# When a probe is measured. Its rows carry the epoch whose weights they were measured on.
MOMENTS = {
    "start": "before training, on the initial weights (epoch 0)",
    "epoch": "after an epoch, on its final weights",
    "selected": "when training has ended, on the weights of the selected epoch",
    "last": "when training has ended, on the weights of the last epoch",
}
AT_THE_END = ("selected", "last")


@dataclass(frozen=True)
class Probe:
    """One row of the table of probes.

    `means` is one line for `check` and the README, `layers` what stands in the column `layer` of probes.csv, `at` what stands
    in the column `at` ('' where there is one number per layer), `source` the paper. `moments` are keys of MOMENTS: one that
    is measured after epochs has settings with `every`. `formula` is what is computed, `cost` what it adds to training.
    `needs` are the conditions under which there is anything to measure. One that `remembers` keeps a number per training
    example from epoch to epoch.
    """

    means: str
    layers: str
    source: str
    at: str = ""
    needs: tuple[Condition, ...] = ()
    moments: tuple[str, ...] = ("epoch",)
    settings: type[Settings] = EveryEpoch
    formula: str = ""
    cost: str = ""
    remembers: bool = False

    def measures(self, config: Config) -> bool:
        """Return whether a network of this configuration has what the probe looks at."""
        return all(condition.holds(leaf(config, condition.path)) for condition in self.needs)

    def due(self, moment: str, settings: Settings, epoch: int) -> bool:
        """Return whether the probe is measured at a moment; `epoch` counts from 1 and matters after an epoch alone."""
        return moment in self.moments and (moment != "epoch" or epoch % getattr(settings, "every", 1) == 0)


BATCH_NORM = (Condition("model.norm", "is", ("batch",)),)
PROBES: dict[str, Probe] = {
    "gradient_norms": Probe(
        "the L2 norm of the loss's gradient in each layer, of weights and pre-activations, over the epoch's first batch",
        "each layer",
        "Glorot & Bengio 2010, figs. 7 to 9",
        at="'' for the weights, preactivations for what enters the activation (at output the logits), masks and "
        "preactivations_masks for the norms of gradients averaged over masks, saturated for the fraction of flat units",
        moments=("start", "epoch"),
        settings=Masks,
        formula="square root of the sum of squares of the gradient of the batch's mean loss, with training's mask or "
        "averaged over masks before squaring; saturated: slope of the activation below 5% of its largest",
        cost="one step of training per measured epoch; as many as masks at the start and every masks_every epochs: with "
        "defaults 60% of the time that digits take to train",
    ),
    "variance_shift": Probe(
        "the variance at each batch norm with dropout off, divided by the running variance learned with dropout on; and its repair",
        "each layer with batch norm; test_accuracy for repair",
        "Li et al. 2019, sections 3 and 5.2",
        at="'' for the ratio of the sums over channels, median of the channels' ratios; live and predicted for the ratio "
        "over channels with a running variance of 1e-4 or more and for its closed form, left_out for the number of others; "
        "of test_accuracy: running, batch, repaired, repaired_dropout_on for the statistics that it was measured with",
        needs=BATCH_NORM,
        moments=("epoch", "selected"),
        settings=Repair,
        formula="variance over the training examples with dropout off, divided by the running variance; predicted: "
        "v / (v + s (c^2 + v)), s = rate/keep, or v / (v + s sum w^2 E[x^2]) behind an affine map",
        cost="one evaluation of the training examples per measured epoch, with repair two per batch norm more at the end: "
        "with defaults 30% of the time that digits take to train",
    ),
    "gap_parts": Probe(
        "training accuracy measured in several ways, which splits the gap in a training log into its parts",
        "noise_batch, batch, running: with masks and batch statistics, without masks, with running statistics besides",
        "",
        formula="correct guesses divided by examples, over the epoch's own batches",
        cost="two or three evaluations of the training examples per measured epoch: 50 to 70% of the time that digits take",
    ),
    "gradient_noise": Probe(
        "how mini-batch gradients scatter at fixed weights, due to examples and due to masks, and where they point",
        "none, sample, batch: without masks, one per example, one per mini-batch; followed by the batch size: sample.64",
        "Liu et al. 2023, section 3",
        at="data, masks, total: traces of covariances over the squared norm of the mean gradient, which is mean_norm; "
        "error_free, error_mean: (1 - cos) / 2 to the gradient without masks, and averaged over them",
        needs=(Condition("dropout.kind", "is", kinds_with(lambda k: k.acts_on == "unit")),),
        moments=("start", "selected"),
        settings=Noise,
        formula="masks: mean over mini-batches of the variance over masks; data: variance over mini-batches of the mean over "
        "masks, less masks / (number of masks)",
        cost="(2 masks + 1) batches steps of training per size and masks + 1 epochs, at the start and at the end: with "
        "defaults 40% of the time that digits take to train",
    ),
    "activations": Probe(
        "the outputs of units with dropout off: means, zeros, constant units, histograms, and how many directions a layer uses",
        "each hidden layer",
        "Srivastava et al. 2014, section 7.2; participation ratio: Gao et al. 2017",
        at="mean, zeros and dead (fractions), participation; bin.X and means.X: fractions of outputs and of units' means in "
        "the bin whose edge away from 0 is X, such as bin.0.02 for 0.01 to 0.02",
        moments=("start", "epoch", "selected"),
        settings=Units,
        formula="over the first test examples; dead: units that give one number everywhere; participation: "
        "tr(C)^2 / tr(C^2) of the covariance C between units",
        cost="one evaluation of those examples per measured epoch, and a product of their outputs with themselves: with "
        "defaults 10% of the time that digits take to train",
    ),
    "weights": Probe(
        "the norm of each layer's weights and their distance from the initial ones; how smooth the loss is in inputs and weights",
        "each layer with weights; input and loss for smoothness",
        "Srivastava et al. 2014, fig. 7; Li et al. 2018; Foret et al. 2021",
        at="'' for the norm, from_start for the distance; of input: gradient; of loss: gradient and random, the rise along "
        "the gradient and on average over random directions; U.C.H.W: a weight of unit U at a channel, row and column",
        moments=("start", "epoch", "selected"),
        settings=Smoothness,
        formula="input: mean over test examples of the L2 norm of d loss / d inputs; loss: mean training loss after a step "
        "of radius |w| minus that before; random: mean of steps there and back, each tensor by radius times its own norm",
        cost="the initial weights drawn again per measured epoch; at the end 2 directions + 3 evaluations of the examples: "
        "with defaults 5% of the time that digits take to train; images: a row per weight",
    ),
    "co_adaptation": Probe(
        "how hidden units correlate within classes, and accuracy after removing units or weights or adding noise to inputs",
        "each hidden layer; units, weights and inputs for what is removed or made noisy, whole for the network as it is",
        "Srivastava et al. 2014, section 7.1; Cogswell et al. 2016",
        at="of a hidden layer: correlation; of whole: ''; else SHARE.plain and SHARE.rescaled, such as 0.5.plain",
        moments=("selected",),
        settings=Parts,
        formula="correlation: mean |r| over pairs of units, each less its class's mean; else accuracy on the first test "
        "examples, averaged over draws; rescaled: what is left divided by the share left, inputs by sqrt(1 + s^2)",
        cost="6 shares draws + 2 evaluations of those examples at the end: with defaults 92, which take 6% of the time that "
        "digits take to train",
    ),
    "memorisation": Probe(
        "the epoch from which each training example stays learned, separately for right and wrong labels",
        "right and wrong, for examples whose label was left alone or made wrong",
        "Arpit et al. 2017; Toneva et al. 2019, section 3",
        at="forgotten after each epoch; at the last from.E, the fraction that stays learned from epoch E on, never, that which "
        "is not learned then, and example.N, the epoch for the example in row N of the data set",
        moments=("epoch", "last"),
        settings=Examples,
        formula="learned: guessed as labelled in training, dropout off; stays learned from the epoch after the last one at "
        "which it was not; forgotten: fraction learned after the epoch before and not after this one",
        cost="less than 1% of the time that digits take to train, as the guesses are those of the evaluation after each epoch; "
        "a row per example and per epoch",
        remembers=True,
    ),
    "mc_dropout": Probe(
        "the mean of many passes with dropout on, compared with one with dropout off, and its uncertainty about "
        "right and wrong answers",
        "accuracy, loss, ece, entropy, mutual_information, over the test examples",
        "Srivastava et al. 2014, fig. 11; Gal & Ghahramani 2016",
        at="weight_scaling (dropout off), k for the mean of the first k passes, exact for the mean over all masks of a small "
        "network; right and wrong by the answer of the mean of all passes; rotated.D for images turned by D degrees",
        moments=("selected",),
        settings=Passes,
        formula="entropy of the mean of the passes' probabilities; mutual information: that minus the mean of the entropies",
        cost="as many evaluations of the test examples as passes, and of the rotated ones per rotation: with defaults 60% "
        "of the time that digits take to train, without rotations 30%",
    ),
    "calibration": Probe(
        "whether answers to test examples are right as often as their probabilities say, with dropout off",
        "score, and the reliability diagram: examples, confidence and accuracy of each bin",
        "Brier 1950; Guo et al. 2017; perfect calibration: Vaicenavicius et al. 2019, section 4",
        at="of score: brier (0 to 2), ece, ece_perfect and ece_perfect_high (mean and 95th percentile of ece where every "
        "answer is right with its own probability), overconfidence (mean confidence minus accuracy); else the bin, from 1",
        moments=("selected", "last"),
        settings=Bins,
        formula="ece: mean over bins of equal mass, ties together, of |accuracy - confidence|, weighted by examples",
        cost="two evaluations of the test examples, and draws random numbers per test example: with defaults below 1% of the "
        "time that digits take to train",
    ),
}


# A probe with its settings is one word, such as `gradient_norms every=5`: what a study asks for, what a checkpoint must agree
# with and what a row of runs.csv says was taken. All settings are written out but `every=1`. A word that leaves out another
# is of a version that had no such setting; it counts as the same probe with that setting's default.


def asked(name: str, settings: Settings | None = None) -> str:
    """Return the word for a probe with settings, by default its own."""
    given = PROBES[name].settings() if settings is None else settings
    values = {key: getattr(given, key) for key in type(given).model_fields}
    return " ".join([name, *(f"{key}={_spelt(v)}" for key, v in values.items() if (key, v) != ("every", 1))])


def _spelt(value: object) -> str:
    if isinstance(value, tuple):
        return "/".join(map(_spelt, value))
    return spell(value).replace("+", "")  # which joins words; 1e+20 is 1e20


def _value(text: str) -> object:
    """Return the value that is spelt so: numbers, true and false as JSON has them, several between slashes, else a word."""
    if "/" in text:
        return [_value(part) for part in text.split("/")]
    try:
        return json.loads(text)
    except ValueError:
        return text


def name_of(word: str) -> str:
    """Return the name of the probe that a word asks for."""
    return word.partition(" ")[0]


@lru_cache(maxsize=1024)
def settings_of(word: str) -> Settings:
    """Return the settings in a word; what it leaves out has its default.

    Raises KeyError for an unknown probe and ValueError for settings that it has not.
    """
    return _read(word, {})


def _read(word: str, otherwise: Mapping[str, object]) -> Settings:
    name, *pairs = word.split(" ")
    given = {key: _value(text) for key, text in (pair.split("=", 1) for pair in pairs)}
    return PROBES[name].settings.model_validate({**otherwise, **given})


def complete(word: str) -> str:
    """Return a word with all its settings, by which two are compared; one of an unknown probe or setting as it is."""
    try:
        return asked(name_of(word), settings_of(word))
    except (KeyError, ValueError):
        return word


def again(word: str) -> str | None:
    """Return what measures again what a stored word says was taken, None where this version cannot.

    What an earlier version measured without settings that came later, those measure with the values they have for that.
    """
    try:
        return asked(name_of(word), _read(word, earlier(PROBES[name_of(word)].settings)))
    except (KeyError, ValueError):
        return None


def due(words: Iterable[str], moment: str, epoch: int = 0) -> list[str]:
    """Return the words whose probes are measured at a moment, in the order of PROBES."""
    return [word for word in newest(words) if PROBES[name_of(word)].due(moment, settings_of(word), epoch)]


def place_of(name: str) -> int:
    """Return where a probe's rows stand among those of one epoch: in the order of PROBES, then all others."""
    return next((i for i, known in enumerate(PROBES) if known == name), len(PROBES))


def newest(words: Iterable[str]) -> list[str]:
    """Return one word per probe, the last of each, in the order of PROBES and then of names."""
    last = {name_of(word): word for word in words}
    return [last[name] for name in sorted(last, key=lambda name: (place_of(name), name))]


def epochs_of(word: str, epochs_run: int, selected: int | None, diverged: bool) -> set[int]:
    """Return the epochs that a run has rows of where its network has what the probe looks at; a stored word's probe is known.

    An earlier version measured after epochs alone.
    """
    probe, settings = PROBES[name_of(word)], settings_of(word)
    ends = {"start": 0, "selected": selected, "last": (epochs_run - diverged) or None}
    moments = probe.moments if complete(word) == word else ("epoch",)
    return {epoch for moment in moments if (epoch := ends.get(moment)) is not None} | {
        epoch for epoch in range(1, epochs_run + 1) if probe.due("epoch", settings, epoch)
    }
