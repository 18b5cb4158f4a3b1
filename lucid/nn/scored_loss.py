"""Losses of classifiers that hold the layer which gives the scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import lucid.nn.functional as F
import lucid.operations as ops
from lucid.errors import ArgumentError, ShapeError
from lucid.nn.arguments import check_positive_integer
from lucid.nn.container import ModuleList, Sequential
from lucid.nn.functional.classification import along_classes
from lucid.nn.linear import Linear
from lucid.nn.loss import as_buffer
from lucid.nn.module import Module
from lucid.operations.arguments import as_integers, as_number, as_shape
from lucid.savepoints import all_or_nothing
from lucid.tensor import Array, Tensor


class LinearCrossEntropyLoss(Module):
    """The cross-entropy between targets and a linear layer: see `lucid.nn.functional.linear_cross_entropy`.

    `linear` is the layer, of `num_classes` outputs, or with `out_features` as many for each of their positions;
    `weight` (num_classes,) holds a factor for each class.
    """

    weight: Tensor | None

    @all_or_nothing
    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: Sequence[int] = (),
        bias: bool = False,
        device: str | None = None,
        dtype: object = None,
        reduction: str = "mean",
        weight: Tensor | Array | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_classes = check_positive_integer("LinearCrossEntropyLoss", "num_classes", num_classes)
        self.out_features = as_shape(out_features)
        self.register_buffer("weight", as_buffer(weight))
        if self.weight is not None:
            along_classes(self.weight, ops.zeros((1, num_classes)))  # raises where there is not one for each class
        self.reduction = F.check_reduction(reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.linear = Linear(in_features, num_classes * math.prod(self.out_features), bias, device, dtype)

    def forward(self, input: Tensor | Array, target: Tensor | Array) -> Tensor:
        shape = self.num_classes, *self.out_features
        bias = self.linear.bias
        return F.linear_cross_entropy(
            input,
            self.linear.weight.reshape(*shape, self.linear.in_features),
            target,
            linear_bias=None if bias is None else bias.reshape(shape),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
        )

    def extra_repr(self) -> str:
        return f"num_classes={self.num_classes}, out_features={self.out_features}, reduction={self.reduction}"


class AdaptiveOutput(NamedTuple):
    """What `AdaptiveLogSoftmaxWithLoss` gives: the log-probability of each target, and the loss."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """The log-probabilities of many classes, the frequent ones first, with fewer weights for rare ones.

    Classes up to the first of the `cutoffs`, ascending and below `n_classes`, have scores in the `head`, which has one
    more for each cluster of classes up to the next cutoff; the scores of the classes of cluster i are two layers in
    `tail`, through in_features / div_value^(i + 1) features. Called with inputs (N, in_features), or (in_features,),
    and classes (N,), or (), it gives the log-probabilities of these classes and the mean of what they lack to 0.

    What differs from PyTorch is the work: each cluster is computed for all inputs, as how many of them it concerns is
    data. Raises CheckError for a class out of range, before anything is written.
    Grave et al., "Efficient softmax approximation for GPUs", arXiv:1609.04309, section 4.
    """

    @all_or_nothing
    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: str | None = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        self.in_features = check_positive_integer("AdaptiveLogSoftmaxWithLoss", "in_features", in_features)
        self.n_classes = check_positive_integer("AdaptiveLogSoftmaxWithLoss", "n_classes", n_classes)
        ends = [0, *as_integers("AdaptiveLogSoftmaxWithLoss takes integers as cutoffs", cutoffs), n_classes]
        if len(ends) < 3 or any(end <= start for start, end in pairwise(ends)):
            raise ArgumentError(
                f"AdaptiveLogSoftmaxWithLoss takes cutoffs that ascend from 1 to {n_classes - 1}, got {cutoffs!r}."
            )
        self.cutoffs = ends[1:]
        self.div_value = as_number("AdaptiveLogSoftmaxWithLoss takes a number as div_value", div_value)
        if not 0.0 < self.div_value < math.inf:
            raise ArgumentError(
                f"AdaptiveLogSoftmaxWithLoss takes a finite div_value above 0, got {div_value!r}.",
            )
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, device, dtype)
        self.tail = ModuleList()
        for number, (start, end) in enumerate(pairwise(self.cutoffs)):
            width = int(in_features // self.div_value ** (number + 1))
            check_positive_integer("AdaptiveLogSoftmaxWithLoss", f"the width of cluster {number}", width)
            inner = Linear(in_features, width, False, device, dtype)
            self.tail.append(Sequential(inner, Linear(width, end - start, False, device, dtype)))

    def forward(self, input_: Tensor | Array, target_: Tensor | Array) -> AdaptiveOutput:
        x, classes = ops.as_tensor(input_), ops.as_tensor(target_)
        if x.ndim not in (1, 2) or classes.shape != x.shape[:-1]:
            raise ShapeError(
                "AdaptiveLogSoftmaxWithLoss takes inputs (N, in_features) and integers (N,), or (in_features,) and (), "
                f"got shapes {x.shape} and {classes.shape}."
            )
        ops.check_index(classes, self.n_classes, "target")
        classes = classes.astype("int64").unsqueeze(-1)
        head = F.log_softmax(self.head(x), -1)
        output = ops.gather(head, -1, ops.minimum(classes, self.shortlist_size - 1))
        for number, layers in enumerate(self.tail):
            start, end = self.cutoffs[number], self.cutoffs[number + 1]
            inside = ops.logical_and(classes >= start, classes < end)
            within = ops.gather(F.log_softmax(layers(x), -1), -1, ops.where(inside, classes - start, 0))
            place = self.shortlist_size + number
            output = ops.where(inside, head[..., place : place + 1] + within, output)
        output = output.squeeze(-1)
        return AdaptiveOutput(output, -output.mean())

    def log_prob(self, input: Tensor | Array) -> Tensor:
        """The log-probabilities of all classes, for inputs (..., in_features): (..., n_classes)."""
        x = ops.as_tensor(input)
        head = F.log_softmax(self.head(x), -1)
        parts = [head[..., : self.shortlist_size]]
        for number, layers in enumerate(self.tail):
            place = self.shortlist_size + number
            parts.append(head[..., place : place + 1] + F.log_softmax(layers(x), -1))
        return ops.concatenate(parts, -1)

    def predict(self, input: Tensor | Array) -> Tensor:
        """The most likely class of each of the inputs (..., in_features), the first of equally likely ones."""
        return ops.argmax(self.log_prob(input), -1)
