"""A run's network without dropexp: a module of stock layers alone, and the Python file that builds the same one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import fx, nn

from dropexp.nn.to_torch import ACTIVATIONS, DROPOUTS, POOLS, TorchNetwork

NAME = "Network"
Module = fx.GraphModule
FREED = re.compile(r";  [\w =]+ = None$", re.MULTILINE)  # by which torch.fx lets go of what is no longer needed

# a stock layer -> the words that make it, of what torch needs to make it anew
Spelt = Callable[[Any], str]
SPELT: dict[Any, Spelt] = {
    nn.Linear: lambda m: f"{m.in_features}, {m.out_features}{_bias(m)}",
    nn.Conv2d: lambda m: f"{m.in_channels}, {m.out_channels}, {m.kernel_size[0]}, padding={m.padding!r}{_bias(m)}",
    nn.BatchNorm1d: lambda m: str(m.num_features),
    nn.BatchNorm2d: lambda m: str(m.num_features),
    nn.LayerNorm: lambda m: str(m.normalized_shape),
    nn.LSTM: lambda m: f"{m.input_size}, {m.hidden_size}, batch_first=True, bidirectional={m.bidirectional}",
    **dict.fromkeys(POOLS.values(), lambda m: str(m.kernel_size)),
    **dict.fromkeys(DROPOUTS.values(), lambda m: repr(m.p)),
    **dict.fromkeys(ACTIVATIONS.values(), lambda m: ""),
}

FILE = '''\
"""A trained network as a PyTorch module of stock layers: {title}, written by dropexp.

This file needs torch, safetensors and the file of the same name that ends in .safetensors.

    network = load()  # in evaluation mode
    network(examples)  # {shape} as they are in the data set -> logits (N, {classes})
    network.train()  # batch norm and dropout as in training
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
{notes}
# How it was trained: the fields of the run's configuration, by their paths.
CONFIGURATION = {configuration}


class {name}(nn.Module):
    def __init__(self):
        super().__init__()
{layers}

{forward}


def load(path=Path(__file__).with_suffix(".safetensors")):
    """Return the network with its weights, in evaluation mode."""
    network = {name}()
    network.load_state_dict(load_file(path))
    return network.eval()
'''


def freed(network: TorchNetwork) -> Module:
    """Return a network as a module of torch's own classes, which needs no dropexp to run, be copied or be unpickled.

    It shares its tensors with `network`, and is in evaluation mode if that is.
    """
    tracer = fx.Tracer()  # torch's own class: a module remembers by which it was traced
    tracer.traced_func_name = "plain"
    graph = tracer.trace(network)
    for node in graph.nodes:
        node.type = None  # an annotation names a type that the text of the module would not know
    return Module(network, graph, NAME)


def source(
    module: Module, title: str, example: tuple[int, ...], classes: int, notes: tuple[str, ...],
    configuration: Mapping[str, str],
) -> str:  # fmt: skip
    """Return the text of a Python file that builds `module` anew and loads its weights from the file beside it.

    `title` says in plain words of which run it is, `notes` are sentences on what differs from the run.
    """
    shape = ", ".join(map(str, ("N", *example)))
    comments = "".join(f"\n# Note: {note}." for note in notes)
    lines = FREED.sub("", module.code).strip().splitlines()
    return FILE.format(
        title=title,
        shape=f"({shape})",
        classes=classes,
        notes=f"{comments}\n" if notes else "",
        configuration="{\n" + "".join(f"    {path!a}: {cell!a},\n" for path, cell in configuration.items()) + "}",
        name=NAME,
        layers="\n".join(f"        {line}" for line in _layers(module)),
        forward="\n".join(f"    {line}".rstrip() for line in lines),
    )


def _layers(module: Module) -> list[str]:
    """Return the lines that make a module's buffers and layers."""
    found = [
        f'self.register_buffer("{name}", torch.empty({tuple(own.shape)}))'
        for name, own in module.named_buffers(recurse=False)
    ]
    for name, group in module.named_children():
        found.append(f"self.{name} = nn.ModuleDict({{")
        found += [f'    "{key}": {_made(own)},' for key, own in group.named_children()]
        found.append("})")
    return found


def _made(layer: nn.Module) -> str:
    """Return the expression that makes a layer, or a dict of layers."""
    kind = type(layer)
    if kind in SPELT:
        return f"nn.{kind.__name__}({SPELT[kind](layer)})"
    inside = ", ".join(f'"{key}": {_made(own)}' for key, own in layer.named_children())
    return f"nn.ModuleDict({{{inside}}})"


def _bias(layer: Any) -> str:
    return "" if layer.bias is not None else ", bias=False"
