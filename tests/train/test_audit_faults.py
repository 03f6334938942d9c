"""Faults that a network with dropout can have, injected one by one: the audit finds each, whatever else looks right."""

from dataclasses import replace
from functools import partial

import pytest
import torch

import dropexp.nn.connect as connect
import dropexp.nn.dropout as dropout
import dropexp.nn.fused as fused
import dropexp.nn.network as network
import dropexp.nn.recurrent as recurrent
import dropexp.streams as streams
from dropexp.nn.dropout import Noise, Site
from dropexp.nn.fused import DenseRelu
from dropexp.nn.network import Network
from dropexp.train import loop, pack
from dropexp.train.alarms import sentences
from dropexp.train.batches import Feed
from dropexp.train.evaluate import evaluate
from dropexp.train.optim import Optimiser
from dropexp.train.pack import Work, train_pack

SIZES, TRAINING = {"test_size": 15, "val_size": 5}, {"epochs": 4, "batch_size": 16}
RELU, TANH = {"hidden": [40, 30]}, {"hidden": [40, 40], "activation": "tanh"}
CNN, LSTM = {"kind": "cnn", "channels": [6], "hidden": [20]}, {"kind": "lstm", "units": 12, "layers": 2}
CASES = {
    "fused": (RELU, {}, "vectors"),
    "unfused": (TANH, {}, "vectors"),
    "adam": (RELU, {}, "vectors", {"optimizer": "adam"}),
    "vanilla": (RELU, {"kind": "vanilla"}, "vectors"),
    "gaussian": (RELU, {"kind": "gaussian"}, "vectors"),
    "uniform": (RELU, {"kind": "uniform"}, "vectors"),
    "fixed_count": (RELU, {"kind": "fixed_count"}, "vectors"),
    "groups": (RELU, {"group_size": 5}, "vectors"),
    "batch_shared": (RELU, {"kind": "batch_shared"}, "vectors"),
    "alpha": ({"hidden": [40, 30], "activation": "selu"}, {"kind": "alpha"}, "vectors"),
    "dropconnect": (RELU, {"kind": "dropconnect"}, "vectors"),
    "late": (RELU, {"schedule": {"shape": "late", "epochs": 2}}, "vectors"),
    "conv": ({**CNN, "activation": "tanh"}, {"placement": ["conv"]}, "images"),
    "spatial": (CNN, {"kind": "spatial", "placement": ["conv"]}, "images"),
    "dropblock": (CNN, {"kind": "dropblock", "placement": ["conv"]}, "images"),
    "recurrent": (LSTM, {"placement": ["recurrent"]}, "images"),
    "candidate": (LSTM, {"placement": ["recurrent"], "recurrent": "candidate"}, "images"),
    "variational": (LSTM, {"kind": "variational", "placement": ["all"]}, "images"),
}


# --- the draw ---


def rate_ignored(patch):
    patch.setattr(dropout, "threshold", lambda rate: 32768 * (rate > 0))


def keep_for_rate(patch):
    threshold = dropout.threshold
    patch.setattr(dropout, "threshold", lambda rate: threshold(1 - rate) if rate else 0)


def another_strength(patch):
    patch.setattr(dropout, "keep_probability", lambda rate: 0.3)


def nothing_dropped(patch):
    mask = Site.mask
    patch.setattr(Site, "mask", lambda self, *given: (torch.ones_like(mask(self, *given)[0]), None))


def schedule_ignored(patch):
    rates = network.site_rates_in_force
    patch.setattr(network, "site_rates_in_force", lambda dropout, model, epoch: rates(dropout, model, 4))


def changed_integers(change):
    """Return a fault that changes the integers (S, N) of every draw."""

    def inject(patch):
        draw = dropout.integers_here

        def integers(*given):
            drawn = draw(*given)
            return lambda count: change(drawn(count))

        patch.setattr(dropout, "integers_here", integers)

    return inject


def _every_fourth_negative(u_SN):
    """What a 64-bit draw without its top bit leaves, read as integers of 16 bits, has the other way round."""
    u_SN[:, 3::4] |= -32768
    return u_SN


every_fourth_unit_killed = changed_integers(_every_fourth_negative)
units_sorted = changed_integers(lambda u_SN: u_SN.sort(1).values)
equal_neighbours = changed_integers(lambda u_SN: u_SN[:, torch.arange(u_SN.shape[1]) // 2 * 2])


def changed_masks(change):
    """Return a fault that changes the integers (S, B, ...) from which each site makes its mask."""

    def inject(patch):
        mask = Site.mask
        patch.setattr(Site, "mask", lambda self, u, seed_of_R: mask(self, change(u), seed_of_R))

    return inject


equal_examples = changed_masks(lambda u: u[:, torch.arange(u.shape[1]) // 2 * 2])
one_mask_per_batch = changed_masks(lambda u: u[:, :1].expand_as(u).contiguous())


# --- one mask in several places ---


def first_mask_reused(patch):
    kept, mask = {}, Noise.mask
    patch.setattr(Noise, "mask", lambda self, *given: kept.setdefault((self.epoch, *given), mask(self, *given)))


def stream_without(**fixed):
    """Return a fault by which all streams are drawn as if one of their names were always the same."""

    def inject(patch):
        generator = dropout.generator

        def forgetful(seed, purpose, place, index):
            return generator(**{"seed": seed, "purpose": purpose, "place": place, "index": index, **fixed})

        patch.setattr(dropout, "generator", forgetful)

    return inject


epoch_forgotten, seed_forgotten, site_forgotten = (
    stream_without(index=1),
    stream_without(seed=0),
    stream_without(place="hidden.1"),
)
mask_of_another_purpose = stream_without(purpose="order")


def key_without(position):
    """Return a fault of the streams themselves: one of the four names of a stream does not count."""

    def inject(patch):
        key = streams.key

        def forgetful(*names):
            kept = (*names[:position], type(names[position])(), *names[position + 1 :])
            return key(*kept) if names[1] == "mask" else key(*names)

        patch.setattr(streams, "key", forgetful)

    return inject


keys_without_seed, keys_without_place, keys_without_epoch = key_without(0), key_without(2), key_without(3)


def masks_drawn_twice(patch):
    call = Network.__call__

    def twice(self, x, *, noise, norm):
        if noise is not None:
            noise.mask("hidden.1", x.shape[1])
        return call(self, x, noise=noise, norm=norm)

    patch.setattr(Network, "__call__", twice)


# --- the product ---


def never_drawn(patch):
    joined = Network._joined
    patch.setattr(Network, "_mask", lambda self, x, name, noise: x)
    patch.setattr(Network, "_joined", lambda self, x, block, noise: joined(self, x, block, None))


def drawn_and_not_applied(patch):
    mask = Network._mask

    def forgetful(self, x, name, noise):
        if noise is None or name not in self.sites:
            return mask(self, x, name, noise)
        noise.mask(name, x.shape[1])
        return x

    patch.setattr(Network, "_mask", forgetful)


def changed_block(forward=None, backward=None):
    """Return a fault of the block that takes affine map, relu and mask at once."""

    def inject(patch):
        one, other = DenseRelu.forward, DenseRelu.backward

        class Faulty(DenseRelu):
            @staticmethod
            def forward(ctx, x, w, b, factor, survivor, low=False):
                changed = (factor, survivor) if forward is None or factor is None else forward(factor, survivor)
                return one(ctx, x, w, b, *changed, low)

            @staticmethod
            def backward(ctx, g):
                if backward is not None:
                    backward(ctx)
                return other(ctx, g)

        for module in (fused, network):
            patch.setattr(module, "DenseRelu", Faulty)

    return inject


fused_not_applied = changed_block(lambda factor, survivor: (None, None))
fused_shifted = changed_block(lambda factor, survivor: (factor.roll(1, 1), survivor))
fused_twice = changed_block(lambda factor, survivor: (factor * factor, survivor * survivor))
fused_backward_unscaled = changed_block(backward=lambda ctx: setattr(ctx, "survivor_R", None))


def survivors_unscaled(patch):
    init = Site.__init__

    def unscaled(self, *given, **named):
        init(self, *given, **named)
        self.strength.survivor_R.fill_(1.0)

    patch.setattr(Site, "__init__", unscaled)


def gradient_unmasked(patch):
    """Forward as it should be, while the gradient comes back as if nothing had been masked."""
    mask = Network._mask

    def straight_through(self, x, name, noise):
        y = mask(self, x, name, noise)
        return y if noise is None else x + (y - x).detach()

    patch.setattr(Network, "_mask", straight_through)


def offset_left_out(patch):
    mask = Noise.mask
    patch.setattr(Noise, "mask", lambda self, *given: (mask(self, *given)[0], None))


def bias_not_masked(patch):
    affine = connect.masked_affine

    def partly(x, w, b, factor, *rest):
        factor = factor.clone()
        factor[:, :, -1] = 1.0
        return affine(x, w, b, factor, *rest)

    patch.setattr(network, "masked_affine", partly)


def weights_not_masked(patch):
    affine = connect.masked_affine
    patch.setattr(network, "masked_affine", lambda x, w, b, factor, *r: affine(x, w, b, torch.ones_like(factor), *r))


def only_first_state_masked(patch):
    at = recurrent.RecurrentMask.at
    patch.setattr(recurrent.RecurrentMask, "at", lambda self, step: at(self, 0))


def state_not_masked(patch):
    patch.setattr(network, "lstm", lambda x, a, b, c, mask, *rest: recurrent.lstm(x, a, b, c, None, *rest))


def first_example_left_out(patch):
    apply = Noise.apply

    def partly(self, name, x, *given, **named):
        return torch.cat([x[:, :1], apply(self, name, x, *given, **named)[:, 1:]], 1)

    patch.setattr(Noise, "apply", partly)


# --- steps, epochs, evaluation ---


def update_left_out(patch):
    """An optimiser that counts its steps and takes none."""

    def rest(self, parameters):
        self.step_count += 1
        for tensor in parameters.values():
            tensor.grad = None

    patch.setattr(Optimiser, "step", rest)


def half_of_the_steps(patch):
    batches = Feed.batches
    patch.setattr(Feed, "batches", lambda self, epoch: iter(list(batches(self, epoch))[::2]))


def every_second_epoch(patch):
    epoch = loop.one_epoch

    def skipping(network, optimiser, feed, noise, number):
        if number % 2:
            return epoch(network, optimiser, feed, noise, number)
        return (0.0,) * network.runs, (0.0,) * network.runs

    patch.setattr(loop, "one_epoch", skipping)


def every_second_update(patch):
    step, taken = Optimiser.step, []

    def skipping(self, parameters):
        taken.append(1)
        if len(taken) % 2:
            step(self, parameters)
        else:
            for tensor in parameters.values():
                tensor.grad = None

    patch.setattr(Optimiser, "step", skipping)


def biases_not_updated(patch):
    step = Optimiser.step

    def partly(self, parameters):
        step(self, {name: tensor for name, tensor in parameters.items() if not name.endswith(".bias")})
        for tensor in parameters.values():
            tensor.grad = None

    patch.setattr(Optimiser, "step", partly)


def first_state_only(patch):
    multiply = network._multiply_state

    def partly(noise, name, units, direction, state, factor, step):
        return multiply(noise, name, units, direction, state, factor, step) if step == 0 else state

    patch.setattr(network, "_multiply_state", partly)


def resumed_one_epoch_late(patch):
    resume = pack.resume

    def late(*given):
        found = resume(*given)
        state = found.state
        return found if state is None else replace(found, state=replace(state, epoch=state.epoch + 1))

    patch.setattr(pack, "resume", late)


def noisy_evaluation(patch):
    """Evaluation that goes through the network with noise, as a forgotten .eval() does."""
    call = Network.__call__

    def noisy(network, feed, logits):
        noise = Noise(network.sites, [0], torch.zeros(network.runs, dtype=torch.int64), 99)
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(Network, "__call__", lambda self, x, *, norm, **_: call(self, x, noise=noise, norm=norm))
            return evaluate(network, feed, logits)

    patch.setattr(loop, "evaluate", noisy)


def evaluation_by_chance(patch):
    """Noise that no switch knows of."""
    call, rng = Network.__call__, torch.Generator().manual_seed(0)

    def noisy(self, x, *, noise, norm):
        logits = call(self, x, noise=noise, norm=norm)
        return logits if noise is not None else logits + torch.randn(logits.shape, generator=rng)

    patch.setattr(Network, "__call__", noisy)


FAULTS = {
    "every rate is 1/2": (rate_ignored, "fused conv recurrent dropconnect batch_shared", "audit_rate"),
    "keep taken for rate": (keep_for_rate, "fused spatial", "audit_rate"),
    "strength of another rate": (another_strength, "gaussian uniform dropblock", "audit_rate"),
    "nothing is dropped": (nothing_dropped, "fused gaussian fixed_count variational", "audit_rate"),
    "the schedule is ignored": (schedule_ignored, "late", "audit_rate"),
    "every fourth unit is always dropped": (every_fourth_unit_killed, "fused", "audit_stream"),
    "units are dropped in order": (units_sorted, "fused unfused", "audit_stream"),
    "neighbouring units share a draw": (
        equal_neighbours,
        "fused unfused gaussian dropconnect conv",
        "audit_neighbours",
    ),
    "neighbouring examples share a mask": (equal_examples, "fused unfused fixed_count conv", "audit_stream"),
    "one mask for a batch": (one_mask_per_batch, "fused unfused spatial", "audit_stream"),
    "one mask for all steps": (first_mask_reused, "fused gaussian dropblock", "audit_repeat"),
    "one mask for all epochs": (epoch_forgotten, "fused variational", "audit_repeat"),
    "one mask for all seeds": (seed_forgotten, "fused unfused batch_shared dropconnect", "audit_stream"),
    "one mask for all sites": (site_forgotten, "fused unfused recurrent", "audit_stream"),
    "streams do not depend on the seed": (keys_without_seed, "fused gaussian", "audit_stream"),
    "streams do not depend on the place": (keys_without_place, "fused gaussian", "audit_stream"),
    "streams do not depend on the epoch": (keys_without_epoch, "fused gaussian", "audit_stream"),
    "masks are drawn twice": (masks_drawn_twice, "fused gaussian", "audit_steps"),
    "only the first state is masked": (first_state_only, "recurrent candidate variational", "audit_product"),
    "no mask is drawn": (never_drawn, "fused unfused", "audit_unused"),
    "a mask is drawn and not applied": (drawn_and_not_applied, "unfused gaussian spatial", "audit_product"),
    "the fused block does not apply its mask": (fused_not_applied, "fused vanilla", "audit_product"),
    "the fused block applies the mask of its neighbour": (fused_shifted, "fused vanilla", "audit_product"),
    "the fused block applies its mask twice": (fused_twice, "fused", "audit_product"),
    "survivors are not scaled": (survivors_unscaled, "fused unfused fixed_count spatial", "audit_scale"),
    "the fused block's gradient is not scaled": (fused_backward_unscaled, "fused", "audit_gradient"),
    "the gradient is not masked": (gradient_unmasked, "unfused gaussian conv", "audit_gradient"),
    "alpha's offset is left out": (offset_left_out, "alpha", "audit_product"),
    "the bias is not masked": (bias_not_masked, "dropconnect", "audit_product"),
    "the weights are not masked": (weights_not_masked, "dropconnect", "audit_product"),
    "one mask for all time steps": (only_first_state_masked, "recurrent candidate", "audit_product"),
    "the state is not masked": (state_not_masked, "recurrent candidate variational", "audit_product"),
    "an example is not masked": (first_example_left_out, "gaussian conv", "audit_product"),
    "another stream is read": (mask_of_another_purpose, "fused groups", "audit_stream"),
    "the update is left out": (update_left_out, "fused", "audit_update"),
    "half of the steps are skipped": (half_of_the_steps, "fused", "audit_steps"),
    "every second epoch is skipped": (every_second_epoch, "fused", "audit_steps"),
    "every second update is skipped": (every_second_update, "fused", "audit_update"),
    "biases are not updated": (biases_not_updated, "fused adam", "audit_update"),
    "an epoch is skipped on going on": (resumed_one_epoch_late, "fused", "audit_epochs"),
    "evaluation with noise": (noisy_evaluation, "fused fixed_count", "audit_evaluation"),
    "evaluation by chance": (evaluation_by_chance, "fused", "audit_evaluation"),
}


def findings(make_run, request, case, folder, rates=(0.5, 0.2)):
    """Return the findings in a pack of two seeds at two rates, interrupted after its second epoch."""
    model, drop, data, *more = CASES[case]
    dataset, sections = request.getfixturevalue(data), {"data": SIZES, "training": dict(TRAINING, **dict(*more))}
    runs = [make_run(s, **sections, model=model, dropout={**drop, "rate": r}) for s in (3, 8) for r in rates]
    work = partial(Work, tuple(runs), dataset.source, checkpoints=folder)
    assert train_pack(work(), dataset, lambda epoch, *_: epoch == 2).paused
    again = train_pack(work(), dataset)
    if again.error is not None:  # a fault may leave a checkpoint that is refused: the command tries anew, too
        again = train_pack(work(), dataset)
    return again.probes


@pytest.mark.parametrize("case", CASES)
def test_a_healthy_network_is_not_accused(case, make_run, request, tmp_path):
    assert findings(make_run, request, case, tmp_path) == ()


@pytest.mark.slow
def test_a_network_whose_gradients_are_next_to_nothing_is_not_accused(make_run, request, tmp_path, monkeypatch):
    """Two hidden units that have learnt what they can: their updates round to nothing, which is no fault."""
    model, training = {"hidden": [2]}, {"epochs": 90, "batch_size": 4, "lr": 3.0, "momentum": 0.0}
    monkeypatch.setitem(CASES, "settled", (model, {}, "vectors", training))
    assert findings(make_run, request, "settled", tmp_path, rates=(0.5, 0.001)) == ()


@pytest.mark.parametrize(
    ("fault", "case"),
    [
        pytest.param(fault, case, marks=[pytest.mark.slow] * bool(others))
        for fault, (_, cases, _) in FAULTS.items()
        for others, case in enumerate(cases.split())
    ],
)
def test_every_fault_is_found(fault, case, make_run, request, monkeypatch, tmp_path):
    inject, _, probe = FAULTS[fault]
    inject(monkeypatch)
    rows = findings(make_run, request, case, tmp_path)
    assert probe in {row.probe for row in rows}
    for line in sentences(rows):
        assert line.startswith("dropout audit: ")
        assert not set(line) & set("{}")
