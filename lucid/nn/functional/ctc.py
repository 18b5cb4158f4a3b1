"""Connectionist temporal classification: the loss of a sequence whose labels have no times."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

import lucid.operations as ops
from lucid.errors import ArgumentError, DTypeError, ShapeError
from lucid.loops import scan
from lucid.nn.functional.loss import check_reduction
from lucid.operations.arguments import as_flag, as_integer, as_integers
from lucid.operations.bounds import check_holds
from lucid.operations.gathering import elements
from lucid.tensor import Array, Tensor

Input = Tensor | Array
Lengths = Input | Sequence[int] | int


def ctc_loss(
    log_probs: Input,
    targets: Input,
    input_lengths: Lengths,
    target_lengths: Lengths,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """The negated log-probability that a sequence of labels is what a sequence of predictions says.

    log_probs: (T, N, C), or (T, C) without a batch, logarithms of the probabilities of C classes at T times; targets:
    integers (N, S), or, one after the other, (sum of target_lengths,), none of them `blank`; input_lengths and
    target_lengths: (N,), or () without a batch, how many of the T times and of the S labels each has. A prediction says
    the labels that are left when repeated classes are joined and blanks dropped; the loss sums over all of them that
    say the target. It is infinite, or with `zero_infinity` 0, with a gradient of 0, where there is none, as where the
    target is too long. The mean is over losses divided by the lengths of their targets. Where targets are one after the
    other, give their lengths as Python's integers if you can: otherwise room for all labels is made for each of them.
    Raises CheckError for a length or a label out of range, before anything is written, and ShapeError, DTypeError and
    ArgumentError. Graves et al., "Connectionist temporal classification", ICML 2006, equations 6 and 8, in logarithms.
    """
    x, labels = ops.as_tensor(log_probs), ops.as_tensor(targets)
    check_reduction(reduction)
    if x.ndim not in (2, 3) or 0 in x.shape[:-1]:
        raise ShapeError(f"ctc_loss takes log_probs (T, N, C), or (T, C) without a batch, got {x.shape}.")
    batched = x.ndim == 3
    x = x if batched else x.unsqueeze(1)
    times, samples, classes = x.shape
    blank = as_integer("ctc_loss takes an integer as blank", blank)
    if not 0 <= blank < classes:
        raise ArgumentError(f"ctc_loss takes a blank from 0 to {classes - 1}, got {blank!r}.")
    if not labels.dtype.is_integer:
        raise DTypeError(f"ctc_loss takes targets that are integers, got {labels.dtype}.")
    steps, counts = _lengths("input", input_lengths, samples), _lengths("target", target_lengths, samples)
    if batched and labels.ndim == 1:
        labels = _apart(labels, counts, target_lengths)
    labels = labels if batched else labels.unsqueeze(0)
    if labels.ndim != 2 or labels.shape[0] != samples:
        raise ShapeError(f"ctc_loss of {samples} samples takes targets ({samples}, S), got {labels.shape}.")
    _check_lengths("input", steps, times)
    _check_lengths("target", counts, labels.shape[1])
    losses = _losses(x, labels, steps, counts, blank)
    if as_flag("zero_infinity", zero_infinity):
        losses = ops.where(losses == math.inf, 0.0, losses)
    if reduction == "mean":
        return (losses / ops.maximum(counts, 1)).mean()
    return losses.sum() if reduction == "sum" else losses if batched else losses.squeeze(0)


def _lengths(name: str, given: Lengths, samples: int) -> Tensor:
    if not isinstance(given, Tensor | np.ndarray):
        given = Tensor(list(as_integers(f"ctc_loss takes integers as {name}_lengths", given)))
    lengths = ops.as_tensor(given)
    if lengths.ndim > 1 or lengths.size != samples:
        raise ShapeError(f"ctc_loss takes {samples} {name}_lengths, got shape {lengths.shape}.")
    if not lengths.dtype.is_integer:
        raise DTypeError(f"ctc_loss takes {name}_lengths that are integers, got {lengths.dtype}.")
    return lengths.astype("int64").reshape(samples)


def _check_lengths(name: str, lengths: Tensor, most: int) -> None:
    holds = ops.logical_and(lengths >= 0, lengths <= most)
    check_holds(holds, f"ctc_loss takes {name}_lengths from 0 to {most}")


def _apart(labels: Tensor, counts: Tensor, given: Lengths) -> Tensor:
    """Labels that stand one after the other, as a row for each sample."""
    most = labels.shape[0]
    width = min(int(np.max(given)), most) if not isinstance(given, Tensor) and np.size(given) else most
    ends = counts.cumsum(0)
    check_holds(ends[-1] == most, f"ctc_loss of {most} targets one after the other takes target_lengths of that sum")
    places = (ends - counts).unsqueeze(1) + ops.arange(max(width, 0))
    within = ops.logical_and(places >= 0, places < most)
    return ops.take(labels, ops.where(within, places, 0)) if most else ops.zeros(places.shape, dtype="int64")


def _losses(x: Tensor, labels: Tensor, steps: Tensor, counts: Tensor, blank: int) -> Tensor:
    """The loss of each sample. The states of a sample are a blank before each of its labels, and one behind them."""
    times, samples, classes = x.shape
    width = labels.shape[1]
    labels = labels.astype("int64")
    there = ops.arange(width) < counts.unsqueeze(1)
    ops.check_index(labels, classes, "target", there)
    labels = ops.where(there, labels, blank)
    blanks = ops.full((samples, width), blank, "int64")
    pairs = ops.stack([blanks, labels], 2).reshape(samples, 2 * width)
    states = ops.concatenate([pairs, ops.full((samples, 1), blank, "int64")], 1)
    scores = elements(x, states.unsqueeze(0), 2)  # (times, samples, states)
    skips = ops.logical_and(states != blank, states != _moved(states, 2, blank))
    nothing = -math.inf

    def advance(alpha: Tensor, now: tuple[Tensor, Tensor]) -> tuple[Tensor, None]:
        score, time = now
        ways = alpha, _moved(alpha, 1, nothing), ops.where(skips, _moved(alpha, 2, nothing), nothing)
        return ops.where((time < steps).unsqueeze(1), _log_of_sum(*ways) + score, alpha), None

    first = ops.where(ops.arange(2 * width + 1) < 2, scores[0], nothing)
    alpha, _ = scan(advance, first, (scores[1:], ops.arange(1, times)))
    last = elements(alpha, (2 * counts).unsqueeze(1), 1).squeeze(1)
    label = elements(alpha, ops.maximum(2 * counts - 1, 0).unsqueeze(1), 1).squeeze(1)
    total = _log_of_sum(last, ops.where(counts > 0, label, nothing))
    return ops.where(steps > 0, -total, ops.where(counts > 0, math.inf, 0.0))


def _moved(x: Tensor, by: int, fill: float) -> Tensor:
    """x (N, states), moved to later states."""
    return ops.concatenate([ops.full((x.shape[0], by), fill, x.dtype), x], 1)[:, : x.shape[1]]


def _log_of_sum(*terms: Tensor) -> Tensor:
    """The logarithm of the sum of exp(term), minus infinity, with a gradient of 0, where all terms are."""
    largest = terms[0].detach()
    for term in terms[1:]:
        largest = ops.maximum(largest, term.detach())
    none = largest == -math.inf
    shift = ops.where(none, 0.0, largest)
    total = sum(ops.exp(term - shift) for term in terms)
    return ops.where(none, -math.inf, ops.log(ops.where(none, 1.0, total)) + shift)
