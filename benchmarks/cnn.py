"""The convolutional network of the benchmark, in code that Lucid and PyTorch both run: `model(nn, ...)`."""

from __future__ import annotations

from itertools import pairwise
from typing import Any


def model(nn: Any, channels: tuple[int, ...], features: int, classes: int, p: float) -> Any:
    """Images (N, channels[0], H, W) to logits (N, classes): 3x3 convolutions, each with ReLU and a pool of 2x2, then
    Dropout and a Linear of so many features."""
    layers = []
    for inputs, outputs in pairwise(channels):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    dropout = [nn.Dropout(p)] if p else []
    return nn.Sequential(nn.Sequential(*layers, nn.Flatten()), nn.Sequential(*dropout), nn.Linear(features, classes))
