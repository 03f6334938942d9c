"""Layers and activations over a run axis against torch.nn.functional and numerical derivatives."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dropexp.nn import layers
from dropexp.nn.fused import ConvolutionMaxRelu
from dropexp.nn.layers import (
    ACTIVATIONS,
    POOLS,
    Affine,
    BatchNorm,
    Convolution,
    LayerNorm,
    convolve_grouped,
    product,
    running_norm,
)
from dropexp.nn.reduce import sum_columns, sum_rows

STOCK = {
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "selu": F.selu,
    "gelu": F.gelu,
    "linear": lambda x: x,
}


def times(sizes):
    return "x".join(map(str, sizes))


def drawn(*shape, seed=0, grad=True):
    x = torch.from_numpy(np.random.default_rng([seed, *shape]).standard_normal(shape))
    return x.requires_grad_(grad)


def test_every_activation_is_held_against_torch():
    assert set(STOCK) == set(ACTIVATIONS)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype, bound", [(torch.float64, 1e-14), (torch.float32, 1e-6)])
def test_activations_and_their_slopes_are_those_of_torch(name, dtype, bound):
    ours = torch.linspace(-12, 12, 4001, dtype=dtype).requires_grad_(True)
    stock = ours.detach().clone().requires_grad_(True)
    a, b = ACTIVATIONS[name](ours), STOCK[name](stock)
    torch.testing.assert_close(a, b, rtol=bound, atol=bound)
    torch.testing.assert_close(
        *torch.autograd.grad(a.sum(), ours), *torch.autograd.grad(b.sum(), stock), rtol=bound, atol=bound
    )


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_finite_far_out(name):
    x = torch.tensor([-1e4, -200.0, 0.0, 200.0, 1e4], requires_grad=True)
    y = ACTIVATIONS[name](x)
    y.sum().backward()
    assert torch.isfinite(y).all()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_rounds_a_number_alike_wherever_it_stands(name):
    """Stock sigmoid and selu do not: the end of a tensor takes another way than its body."""
    x, activation = 4 * drawn(1003, grad=False).float(), ACTIVATIONS[name]
    assert all(torch.equal(activation(x)[k:], activation(x[k:].clone())) for k in range(1, 40))


def test_a_processor_without_products_of_bfloat16_multiplies_rounded_numbers(monkeypatch):
    monkeypatch.setattr(layers, "multiplies_bfloat16", lambda: False)
    a, b = drawn(2, 5, 30, grad=False).float(), drawn(2, 30, 4, grad=False).float()
    expected = (a.bfloat16().double() @ b.bfloat16().double()).float()
    torch.testing.assert_close(product(a, b, low=True), expected, rtol=1e-5, atol=1e-5)
    assert (product(a, b) - expected).abs().max() > 1e-3


@pytest.mark.parametrize("sizes", list(itertools.product((1, 3), (1, 4), (1, 5), (1, 2))), ids=times)
def test_affine_of_every_size(sizes):
    runs, batch, inputs, outputs = sizes
    x, w, b = drawn(runs, batch, inputs), drawn(runs, inputs, outputs), drawn(runs, outputs)
    expected = torch.stack([F.linear(x[r], w[r].T, b[r]) for r in range(runs)])
    torch.testing.assert_close(Affine.apply(x, w, b), expected, rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradcheck(Affine.apply, (x, w, b))


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_convolution_and_its_gradient(kernel):
    x, w, b = drawn(2, 3, 2, 5, 4), drawn(2, 3, 2, kernel, kernel), drawn(2, 3)
    expected = torch.stack([F.conv2d(x[r], w[r], b[r], padding="same") for r in range(2)])
    torch.testing.assert_close(Convolution.apply(x, w, b), expected, rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradcheck(Convolution.apply, (x, w, b))


@pytest.mark.parametrize("shape", [(2, 6, 3, 1), (3, 2, 4, 5), (1, 7, 1, 1), (2, 3, 1, 4)], ids=times)
def test_batch_norm_and_its_gradient(shape):
    runs, _, channels, _ = shape
    x, scale, shift = drawn(*shape), drawn(runs, channels), drawn(runs, channels, seed=1)
    out, mean, variance = BatchNorm.apply(x, scale, shift)
    for r in range(runs):
        expected = F.batch_norm(x[r], None, None, scale[r], shift[r], training=True)
        torch.testing.assert_close(out[r], expected, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(mean[r], x[r].mean((0, 2)), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(variance[r], x[r].var((0, 2), correction=0), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(
            running_norm(x, scale, shift, mean, variance + 0.5)[r],
            F.batch_norm(x[r], mean[r], variance[r] + 0.5, scale[r], shift[r]),
            rtol=1e-12,
            atol=1e-12,
        )
    assert torch.autograd.gradcheck(lambda *inputs: BatchNorm.apply(*inputs)[0], (x, scale, shift))


@pytest.mark.parametrize("shape", [(2, 3, 6), (1, 1, 4), (3, 2, 1)], ids=times)
def test_layer_norm_and_its_gradient(shape):
    runs, _, features = shape
    x, scale, shift = drawn(*shape), drawn(runs, features), drawn(runs, features, seed=1)
    expected = torch.stack([F.layer_norm(x[r], (features,), scale[r], shift[r]) for r in range(runs)])
    torch.testing.assert_close(LayerNorm.apply(x, scale, shift), expected, rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradcheck(LayerNorm.apply, (x, scale, shift))


@pytest.mark.parametrize("name", POOLS)
def test_pooling_is_that_of_each_run(name):
    stock = {"max": F.max_pool2d, "avg": F.avg_pool2d, "none": lambda x, _: x}[name]
    x = drawn(3, 2, 4, 7, 6, grad=False)
    assert torch.equal(POOLS[name](x), torch.stack([stock(part, 2) for part in x]))


@pytest.mark.parametrize("shape", list(itertools.product((1, 3), (1, 4), (1, 5))), ids=times)
def test_sums_by_products(shape):
    x = drawn(*shape, grad=False)
    torch.testing.assert_close(sum_rows(x), x.sum(1), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(sum_columns(x), x.sum(2), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "convolve",
    [Convolution.apply, convolve_grouped, ConvolutionMaxRelu.apply],
    ids=["run by run", "grouped", "with pooling"],
)
def test_with_low_precision_a_bias_and_its_gradient_are_not_rounded(convolve):
    """Each gradient that enters is 1 + 2^-9, which is 1 in bfloat16; a sum of n of them keeps what 8 bits cannot."""
    runs, batch, channels, size = 2, 5, 3, 4
    x = torch.zeros(runs, batch, 2, size, size)
    w = torch.zeros(runs, channels, 2, 3, 3, requires_grad=True)
    b = torch.full((runs, channels), 1 + 2**-9, requires_grad=True)
    out = convolve(x, w, b, True)
    assert torch.equal(out, torch.full_like(out, 1 + 2**-9))
    out.backward(torch.full_like(out, 1 + 2**-9))
    n = out[0, :, 0].numel()
    torch.testing.assert_close(b.grad, torch.full_like(b, n * (1 + 2**-9)), rtol=1e-6, atol=0)
