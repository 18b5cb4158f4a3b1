"""Losses as modules. The functions of the same names in `lucid.nn.functional` say what they compute."""

from __future__ import annotations

import lucid.nn.functional as F
from lucid.nn.module import Module
from lucid.tensor import Array, Tensor


class MSELoss(Module):
    """The squared difference of prediction and target."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = F.check_reduction(reduction)

    def forward(self, prediction: Tensor | Array, target: Tensor | Array) -> Tensor:
        return F.mse_loss(prediction, target, self.reduction)


class NLLLoss(Module):
    """The negated log-probability of each target class."""

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction = F.check_reduction(reduction)

    def forward(self, log_probabilities: Tensor | Array, targets: Tensor | Array) -> Tensor:
        return F.nll_loss(log_probabilities, targets, self.weight, self.ignore_index, self.reduction)


class CrossEntropyLoss(Module):
    """The cross-entropy between targets and the softmax of logits."""

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction = F.check_reduction(reduction)
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor | Array, targets: Tensor | Array) -> Tensor:
        return F.cross_entropy(logits, targets, self.weight, self.ignore_index, self.reduction, self.label_smoothing)
