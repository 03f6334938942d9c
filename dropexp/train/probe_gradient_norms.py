"""The probe gradient_norms: how large the gradients are, layer by layer."""

from __future__ import annotations

from dropexp.train.evaluate import losses
from dropexp.train.looking import Look, Measured


def gradient_norms(look: Look) -> Measured:
    """Return the L2 norm of each weight's gradient of the mean loss, over the epoch's first training batch.

    Dropout on, batch statistics: the gradient that training follows (Glorot & Bengio 2010, figures 7 to 9).
    """
    network = look.network
    x_RB, labels_RB = next(iter(look.feed.batches(look.batches)))
    logits = network(x_RB, noise=look.training_masks(), norm="batch")
    (losses(logits, labels_RB) / labels_RB.shape[1]).sum().backward()
    found: Measured = []
    for name, tensor in network.parameters.items():
        if network.roles[name] == "weight" and tensor.grad is not None:
            norms = [float(g.double().square().sum().sqrt()) for g in tensor.grad]
            found.append((name.removesuffix(".weight"), "", norms))
    return found
