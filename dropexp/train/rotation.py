"""Images turned about their middle, for probes that move inputs away from what a network was trained on."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

GRID = 1e-9  # pixels: a corner that a cosine's last bits move off the image is still on it


def rotated(x: Tensor, degrees: float) -> Tensor:
    """Return images (..., H, W) turned anticlockwise, values between pixels interpolated (bilinear) and outside 0."""
    height, width = x.shape[-2:]
    flat, made = x.flatten(-2), torch.zeros_like(x.flatten(-2))
    for at, weight in _sources(height, width, degrees):
        made += flat.index_select(-1, torch.from_numpy(at).to(x.device)) * torch.from_numpy(weight).to(x)
    return made.view(x.shape)


def _sources(height: int, width: int, degrees: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return, for each of four neighbours, where every pixel's value comes from and with which weight, (H W,) each."""
    angle = np.deg2rad(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    y, x = (axis.ravel() for axis in np.mgrid[:height, :width].astype(np.float64))
    y, x = y - middle_y, x - middle_x
    # rows grow downwards: a pixel of the turned image shows what stood clockwise of it
    from_x = np.round((cos * x - sin * y + middle_x) / GRID) * GRID
    from_y = np.round((sin * x + cos * y + middle_y) / GRID) * GRID
    low_y, low_x = np.floor(from_y), np.floor(from_x)
    found = []
    for dy in (0, 1):
        for dx in (0, 1):
            at_y, at_x = low_y + dy, low_x + dx
            weight = (1 - abs(from_y - at_y)) * (1 - abs(from_x - at_x))
            inside = (at_y >= 0) & (at_y < height) & (at_x >= 0) & (at_x < width)
            place = np.where(inside, at_y * width + at_x, 0).astype(np.int64)
            found.append((place, np.where(inside, weight, 0.0)))
    return found
