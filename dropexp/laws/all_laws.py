"""LAWS_TABLE: every law with its sentence, its source, its experiment and what is drawn on the board."""

from __future__ import annotations

from functools import partial

import torch

from dropexp.errors import UsageError
from dropexp.experiment.vocabulary import meant
from dropexp.laws import gradients, masks, norm, pooling, scaling, stopping, theory
from dropexp.laws.law import Law, Result
from dropexp.quoting import spelt


def chosen(name: str | None) -> list[Law]:
    """Return the law of this name, or all; raises UsageError where none is called so."""
    if name is not None and name not in LAWS_TABLE:
        hint = meant(name, LAWS_TABLE, f"they are {', '.join(LAWS_TABLE)}")
        raise UsageError(f"laws: no law is called {spelt(name)}{hint}")
    return list(LAWS_TABLE.values()) if name is None else [LAWS_TABLE[name]]


def examine(law: Law) -> Result:
    """Make one law's experiment, on one thread as all training is."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return law.run()
    finally:
        torch.set_num_threads(before)


_ROWS = (
    Law("mask-rate", "at rate 0.4 a layer of 1000 units loses about 400",
        "Srivastava 2014 §4", masks.mask_rate),
    Law("exact-half", '"half of the units" taken literally drops exactly round(rate n) of them (kind fixed_count)',
        "textbooks, literally", masks.exact_half),
    Law("inverted-scale", "survivors are multiplied by 1/(1 - rate), so that the expected activation in "
        "training equals the one at test time",
        "Srivastava 2014 §10", scaling.inverted_scale),
    Law("vanilla-scale", "without that scaling, activations (or weights) are multiplied by the keep probability at test time",
        "Srivastava 2014 §4", scaling.vanilla_scale),
    Law("times-p", "multiplying by p, the rate of dropping, at test time is right only at p = 0.5",
        "some tutorials", scaling.times_p, scaling.times_p_board),
    Law("scale-equivalence", "vanilla and inverted dropout are the same network if the weights fed by a dropped layer start at "
        "1/keep times and take keep^-2 times the learning rate (sgd, momentum allowed, no decay)",
        "Srivastava 2014 §10", scaling.scale_equivalence),
    Law("mask-formula", "m = 0 where r < rate, else 1/(1 - rate), r uniform",
        "definition", masks.mask_formula),
    Law("backward", "the gradient to the input is the gradient to the output times the mask, so it is not the "
        "gradient without dropout",
        "chain rule", gradients.backward, gradients.backward_board),
    Law("survivors-learn", "only the units that are kept are updated (plain sgd, no momentum, no decay, no "
        "norm, dropout last in its block): for one sample, or for a mini-batch with one mask; with one mask per "
        "sample, only units dropped for all B samples stay unchanged",
        "Srivastava 2014 §5.1", gradients.survivors_learn, gradients.survivors_board),
    Law("weighted-update", "a unit kept in k of the batch's B samples gets k terms over B·keep",
        "Srivastava 2014 §5.1", gradients.weighted_update),
    Law("subnetwork-expectation", "the expected loss and gradient are the probability-weighted means over all 2^n thinned networks",
        "Srivastava 2014 §1", theory.subnetwork_expectation),
    Law("io-untouched", "hidden dropout leaves input and output units alone",
        "definition", masks.io_untouched),
    Law("per-sample", "each sample of a mini-batch gets its own mask",
        "Srivastava 2014 §5.1", masks.per_sample, partial(masks.matrices, "bernoulli")),
    Law("batch-shared", "applying dropout to a (1, units) tensor of ones and multiplying gives one mask for the whole batch",
        "Graham 2015", masks.batch_shared, partial(masks.matrices, "batch_shared")),
    Law("batch-of-one", "with one sample per batch, one mask per sample and one mask per batch are the same (norm none or layer)",
        "definition", masks.batch_of_one),
    Law("shared-same-mean", "without batch norm, one mask per sample and one for the batch have the same expected gradient",
        "linearity of the mean", gradients.shared_same_mean, gradients.shared_same_mean_board),
    Law("eval-identity", "in evaluation mode dropout does nothing",
        "Srivastava 2014 §10", scaling.eval_identity),
    Law("rate-range", "a rate outside [0, 1) is refused with a message that names it",
        "definition", scaling.rate_range, scaling.rate_range_board),
    Law("keep-or-drop", "some libraries take the probability of keeping a unit, others that of dropping it",
        "manuals and papers", scaling.keep_or_drop, scaling.keep_or_drop_board),
    Law("relu-commutes", "relu and a mask commute, so two pairs of block orders are the same function",
        "m relu(x) = relu(m x)", gradients.relu_commutes),
    Law("bn-train-test", "batch norm uses batch statistics in training and moving averages at test time, with learned scale "
        "and shift",
        "Ioffe & Szegedy 2015 §3", norm.bn_train_test),
    Law("bn-backward", "the gradient of batch norm is the one that the paper gives",
        "Ioffe & Szegedy 2015 §3", norm.bn_backward),
    Law("max-pool-backward", "the gradient goes to the element that was the maximum, the others get 0",
        "chain rule", pooling.max_pool_backward, partial(pooling.routing, "max")),
    Law("mean-pool-backward", "the gradient is shared equally; sums are conserved",
        "chain rule", pooling.mean_pool_backward, partial(pooling.routing, "avg")),
    Law("variance-shift", "dropout before batch norm: test over training variance is v / [(c² + v)/keep - c²], for gaussian and "
        "uniform v / (v + rate/keep (c² + v))",
        "Li 2019 §3", norm.variance_shift, norm.variance_shift_board),
    Law("ridge", "input dropout in linear regression is ridge regression with penalty (1 - keep)/keep diag(X'X)",
        "Srivastava 2014 §9.1", theory.ridge),
    Law("geometric-mean", "weight scaling of a softmax layer is the renormalised geometric mean over all masks",
        "Hinton 2012", theory.geometric_mean),
    Law("early-stop-rule", "training stops after patience epochs without improvement and the best epoch's weights are the result",
        "Keras; Prechelt 1998", stopping.early_stop_rule, stopping.curves_board),
)  # fmt: skip
LAWS_TABLE: dict[str, Law] = {law.id: law for law in _ROWS}
