"""Losses as modules. The functions of the same names in `lucid.nn.functional` say what they compute."""

from __future__ import annotations

from collections.abc import Callable

import lucid.nn.functional as F
from lucid.nn.functional.ctc import Lengths
from lucid.nn.module import Module
from lucid.operations.arguments import as_integer
from lucid.tensor import Array, Tensor


def as_buffer(weight: Tensor | Array | None) -> Tensor | None:
    """Weights of a loss as a tensor that a module can hold, if there are any."""
    return weight if weight is None or isinstance(weight, Tensor) else Tensor(weight)


class MSELoss(Module):
    """The squared difference of prediction and target."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = F.check_reduction(reduction)

    def forward(self, input: Tensor | Array, target: Tensor | Array) -> Tensor:
        return F.mse_loss(input, target, self.reduction)


class L1Loss(Module):
    """The absolute difference of prediction and target."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = F.check_reduction(reduction)

    def forward(self, input: Tensor | Array, target: Tensor | Array) -> Tensor:
        return F.l1_loss(input, target, self.reduction)


class SmoothL1Loss(Module):
    """The squared difference, halved and divided by beta, up to an absolute difference of beta; linear beyond it."""

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__()
        self.reduction = F.check_reduction(reduction)
        self.beta = beta

    def forward(self, input: Tensor | Array, target: Tensor | Array) -> Tensor:
        return F.smooth_l1_loss(input, target, self.reduction, self.beta)


class HuberLoss(Module):
    """The squared difference, halved, up to an absolute difference of delta; linear beyond it."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__()
        self.reduction = F.check_reduction(reduction)
        self.delta = delta

    def forward(self, input: Tensor | Array, target: Tensor | Array) -> Tensor:
        return F.huber_loss(input, target, self.reduction, self.delta)


class BCELoss(Module):
    """The cross-entropy between probabilities of two classes."""

    weight: Tensor | None

    def __init__(self, weight: Tensor | Array | None = None, reduction: str = "mean") -> None:
        super().__init__()
        self.register_buffer("weight", as_buffer(weight))
        self.reduction = F.check_reduction(reduction)

    def forward(self, input: Tensor | Array, target: Tensor | Array) -> Tensor:
        return F.binary_cross_entropy(input, target, self.weight, self.reduction)


class BCEWithLogitsLoss(Module):
    """The cross-entropy between probabilities of two classes and the sigmoid of logits."""

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self, weight: Tensor | Array | None = None, reduction: str = "mean", pos_weight: Tensor | Array | None = None
    ) -> None:
        super().__init__()
        self.register_buffer("weight", as_buffer(weight))
        self.register_buffer("pos_weight", as_buffer(pos_weight))
        self.reduction = F.check_reduction(reduction)

    def forward(self, input: Tensor | Array, target: Tensor | Array) -> Tensor:
        return F.binary_cross_entropy_with_logits(input, target, self.weight, self.reduction, self.pos_weight)


class KLDivLoss(Module):
    """The Kullback-Leibler divergence of log-probabilities from target probabilities."""

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__()
        self.reduction = reduction if reduction == "batchmean" else F.check_reduction(reduction)
        self.log_target = log_target

    def forward(self, input: Tensor | Array, target: Tensor | Array) -> Tensor:
        return F.kl_div(input, target, self.reduction, self.log_target)


class PoissonNLLLoss(Module):
    """The negated log-likelihood of counts under a Poisson distribution."""

    def __init__(self, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean") -> None:
        super().__init__()
        self.log_input = log_input
        self.full = full
        self.eps = eps
        self.reduction = F.check_reduction(reduction)

    def forward(self, log_input: Tensor | Array, target: Tensor | Array) -> Tensor:
        return F.poisson_nll_loss(
            log_input, target, log_input=self.log_input, full=self.full, eps=self.eps, reduction=self.reduction
        )


class GaussianNLLLoss(Module):
    """The negated log-likelihood of targets under a normal distribution with a mean and a variance."""

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__()
        self.full = full
        self.eps = eps
        self.reduction = F.check_reduction(reduction)

    def forward(self, input: Tensor | Array, target: Tensor | Array, var: Tensor | Array) -> Tensor:
        return F.gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)


class CosineEmbeddingLoss(Module):
    """1 - cosine of two vectors where the target is 1, the cosine beyond a margin where it is -1."""

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__()
        self.margin = margin
        self.reduction = F.check_reduction(reduction)

    def forward(self, input1: Tensor | Array, input2: Tensor | Array, target: Tensor | Array) -> Tensor:
        return F.cosine_embedding_loss(input1, input2, target, self.margin, self.reduction)


class MarginRankingLoss(Module):
    """How far x1 falls short of x2 + margin where the target is 1, x2 of x1 + margin where it is -1."""

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__()
        self.margin = margin
        self.reduction = F.check_reduction(reduction)

    def forward(self, input1: Tensor | Array, input2: Tensor | Array, target: Tensor | Array) -> Tensor:
        return F.margin_ranking_loss(input1, input2, target, self.margin, self.reduction)


class TripletMarginLoss(Module):
    """How far a negative falls short of being farther from an anchor than a positive, by a margin."""

    def __init__(
        self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False, reduction: str = "mean"
    ) -> None:
        super().__init__()
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap
        self.reduction = F.check_reduction(reduction)

    def forward(self, anchor: Tensor | Array, positive: Tensor | Array, negative: Tensor | Array) -> Tensor:
        return F.triplet_margin_loss(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


class HingeEmbeddingLoss(Module):
    """A distance where the target is 1, how far it falls short of a margin where it is -1."""

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__()
        self.margin = margin
        self.reduction = F.check_reduction(reduction)

    def forward(self, input: Tensor | Array, target: Tensor | Array) -> Tensor:
        return F.hinge_embedding_loss(input, target, self.margin, self.reduction)


class SoftMarginLoss(Module):
    """log(1 + exp(-y * x)) for targets y of 1 and -1."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = F.check_reduction(reduction)

    def forward(self, input: Tensor | Array, target: Tensor | Array) -> Tensor:
        return F.soft_margin_loss(input, target, self.reduction)


class NLLLoss(Module):
    """The negated log-probability of each target class."""

    weight: Tensor | None

    def __init__(self, weight: Tensor | Array | None = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__()
        self.register_buffer("weight", as_buffer(weight))
        self.ignore_index = ignore_index
        self.reduction = F.check_reduction(reduction)

    def forward(self, input: Tensor | Array, target: Tensor | Array) -> Tensor:
        return F.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)


class CrossEntropyLoss(Module):
    """The cross-entropy between targets and the softmax of logits."""

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | Array | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", as_buffer(weight))
        self.ignore_index = ignore_index
        self.reduction = F.check_reduction(reduction)
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor | Array, target: Tensor | Array) -> Tensor:
        return F.cross_entropy(input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing)


class MultiMarginLoss(Module):
    """A margin between the score of the right class and those of others."""

    weight: Tensor | None

    def __init__(
        self, p: int = 1, margin: float = 1.0, weight: Tensor | Array | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__()
        self.p = p
        self.margin = margin
        self.register_buffer("weight", as_buffer(weight))
        self.reduction = F.check_reduction(reduction)

    def forward(self, input: Tensor | Array, target: Tensor | Array) -> Tensor:
        return F.multi_margin_loss(input, target, self.p, self.margin, self.weight, self.reduction)


class MultiLabelMarginLoss(Module):
    """A margin between the scores of right classes, of which there may be several, and those of others."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = F.check_reduction(reduction)

    def forward(self, input: Tensor | Array, target: Tensor | Array) -> Tensor:
        return F.multilabel_margin_loss(input, target, self.reduction)


class MultiLabelSoftMarginLoss(Module):
    """The cross-entropy of each class by itself, meaned over the classes."""

    weight: Tensor | None

    def __init__(self, weight: Tensor | Array | None = None, reduction: str = "mean") -> None:
        super().__init__()
        self.register_buffer("weight", as_buffer(weight))
        self.reduction = F.check_reduction(reduction)

    def forward(self, input: Tensor | Array, target: Tensor | Array) -> Tensor:
        return F.multilabel_soft_margin_loss(input, target, self.weight, self.reduction)


class TripletMarginWithDistanceLoss(Module):
    """The TripletMarginLoss with a distance of one's own, a function of two tensors."""

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.distance_function = distance_function
        self.margin = margin
        self.swap = swap
        self.reduction = F.check_reduction(reduction)

    def forward(self, anchor: Tensor | Array, positive: Tensor | Array, negative: Tensor | Array) -> Tensor:
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


class CTCLoss(Module):
    """The loss of a sequence of labels whose times are not known: see `lucid.nn.functional.ctc_loss`."""

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__()
        self.blank = as_integer("CTCLoss takes an integer as blank", blank)
        self.reduction = F.check_reduction(reduction)
        self.zero_infinity = zero_infinity

    def forward(
        self, log_probs: Tensor | Array, targets: Tensor | Array, input_lengths: Lengths, target_lengths: Lengths
    ) -> Tensor:
        lengths = input_lengths, target_lengths
        return F.ctc_loss(log_probs, targets, *lengths, self.blank, self.reduction, self.zero_infinity)
