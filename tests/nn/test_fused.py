"""Blocks in one pass give the bits of their separate steps, forward and backward."""

import pytest
import torch
import torch.nn.functional as F

from dropexp.nn.fused import ConvolutionMaxRelu, CrossEntropy, DenseRelu
from dropexp.nn.layers import Affine, Convolution, product


def leaves(*shapes, dtype=torch.float32):
    generator = torch.Generator().manual_seed(5)
    return [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]


def gradients(out, tensors):
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(6), dtype=out.dtype)
    return torch.autograd.grad((out * weights).sum(), tensors)


@pytest.mark.parametrize("survivor", [None, 1.0, 2.0, 10 / 3])
def test_a_dense_block_has_the_bits_of_affine_relu_and_mask(survivor):
    own = leaves((3, 19, 21), (3, 21, 23), (3, 23))
    factor = scale = None
    if survivor is not None:
        scale = torch.tensor([1.0, survivor, survivor]).view(3, 1, 1)
        factor = (torch.rand(3, 19, 23, generator=torch.Generator().manual_seed(7)) < 0.6) * scale
    apart = torch.relu(Affine.apply(*own)) * (1.0 if factor is None else factor)
    joined = DenseRelu.apply(*own, factor, scale)
    assert torch.equal(joined, apart)
    for ours, theirs in zip(gradients(joined, own), gradients(apart, own), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("channels", [1, 3])
def test_pooling_before_relu_has_the_bits_of_relu_before_pooling(channels, size):
    own = leaves((2, 5, channels, size, size), (2, 7, channels, 3, 3), (2, 7))
    maps = torch.relu(Convolution.apply(*own))
    apart = F.max_pool2d(maps.flatten(0, 1), 2).unflatten(0, (2, 5))
    joined = ConvolutionMaxRelu.apply(*own)
    assert torch.equal(joined, apart)
    for ours, theirs in zip(gradients(joined, own), gradients(apart, own), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_cross_entropy_is_torchs():
    logits, labels = leaves((2, 5, 4), dtype=torch.float64)[0], torch.tensor([[0, 3, 1, 1, 2], [2, 2, 0, 1, 3]])
    expected = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(2, 5)
    torch.testing.assert_close(CrossEntropy.apply(logits, labels), expected)
    assert torch.autograd.gradcheck(CrossEntropy.apply, (logits, labels))


@pytest.mark.parametrize("columns", [2, 10, 15, 16, 40])
def test_a_narrow_product_is_the_product(columns):
    a, b = leaves((3, 33, 21), (3, 21, columns), dtype=torch.float64)
    torch.testing.assert_close(product(a, b), torch.einsum("rbi,rio->rbo", a, b))


def test_low_precision_rounds_what_is_multiplied_and_nothing_else():
    a, b = torch.tensor([[[1.0 + 2**-9, 3.0]] * 2]), torch.tensor([[[1.0, 2.0], [2**-12, 1.0]]])
    exact = torch.tensor([[[1.0 + 3 * 2**-12, 5.0]] * 2])  # 1 + 2^-9 is 1 in bfloat16; the sum keeps what 8 bits cannot
    found = product(a, b, low=True)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, exact, rtol=2**-8, atol=0)
    assert torch.equal(product(a, b), a @ b)
