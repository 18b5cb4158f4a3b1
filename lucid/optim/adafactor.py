"""Adafactor: Adam's second moments as the product of a row and a column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from lucid.errors import ArgumentError
from lucid.observed import hyperparameter, setting
from lucid.operations import maximum, minimum, sqrt, zeros, zeros_like
from lucid.operations.arguments import check_number
from lucid.optim.arguments import check_pair, check_range
from lucid.optim.optimizer import Group, Member, Optimizer, decayed_gradient, decayed_parameter, step_counter
from lucid.tensor import Tensor


class Adafactor(Optimizer):
    """Adafactor. For a gradient g of a parameter p in its step t = 1, 2, ..., with rms(x) = sqrt(mean(x * x)) and
    share = t^beta2_decay:

        a <- max(eps[1], rms(p)) * min(lr, 1 / sqrt(t))
        p <- p - lr * weight_decay * p
        r <- r + share * (mean of g * g along rows - r), c <- c + share * (mean of g * g along columns - c)
        v <- r * c / max(mean of r, eps[0])
        u <- g / max(sqrt(v), eps[0])
        p <- p - a * u / max(1, rms(u) / d)

    as in PyTorch; g is negated first with `maximize`. Rows and columns are the last two axes; a parameter with fewer
    has v itself as its state, v + share * (g * g - v). eps[0] is, unless given, the distance from 1 to the next number
    of p's dtype. The factors of t are computed in float64.
    Shazeer and Stern, arXiv:1804.04235, algorithms 4 and 5, with lr in the place of 0.01.
    """

    non_negative = ("lr", "weight_decay")

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        super().check(group)
        if not check_number("Adafactor takes a number as beta2_decay", group["beta2_decay"]) <= 0.0:
            raise ArgumentError(f"Adafactor takes beta2_decay of at most 0, got beta2_decay={group['beta2_decay']!r}.")
        if not check_number("Adafactor takes a number as d", group["d"]) >= 1.0:
            raise ArgumentError(f"Adafactor takes d of at least 1, got d={group['d']!r}.")
        smallest, least = check_pair(self, group, "eps")
        if smallest is not None:
            check_range(self, "eps[0]", smallest)
        check_range(self, "eps[1]", least)

    def initial_state(self, group: Group, parameter: Tensor) -> dict[str, Tensor]:
        if parameter.ndim < 2:
            return {"step": step_counter(), "variance": zeros_like(parameter)}
        *before, rows, columns = parameter.shape
        return {
            "step": step_counter(),
            "row_var": zeros((*before, rows, 1), dtype=parameter.dtype),
            "col_var": zeros((*before, 1, columns), dtype=parameter.dtype),
        }

    def update(self, group: Group, members: Sequence[Member]) -> None:
        lr = hyperparameter(group, "lr")
        decay = hyperparameter(group, "beta2_decay")
        limit = hyperparameter(group, "d")
        weight_decay = hyperparameter(group, "weight_decay")
        given, least = setting(group, "eps")
        for number, parameter, gradient in members:
            step, dtype = self.state_of("step", number), parameter.dtype
            smallest = float(np.finfo(dtype.numpy).eps) if given is None else given
            gradient = decayed_gradient(group, parameter, gradient, 0.0)
            step += 1
            count = step.astype("float64")
            share = (count**decay).astype(dtype)
            rate = maximum(_root_mean_square(parameter), least) * minimum(1.0 / sqrt(count), lr).astype(dtype)
            decayed = decayed_parameter(parameter, lr, weight_decay)
            square = gradient * gradient
            if parameter.ndim < 2:
                variance = self.state_of("variance", number)
                variance.copy_(variance + (square - variance) * share)
            else:
                row, column = self.state_of("row_var", number), self.state_of("col_var", number)
                row.copy_(row + (square.mean(-1, keepdims=True) - row) * share)
                column.copy_(column + (square.mean(-2, keepdims=True) - column) * share)
                variance = row * column / maximum(row.mean(-2, keepdims=True), smallest)
            direction = gradient / maximum(sqrt(variance), smallest)
            too_long = maximum(_root_mean_square(direction) / limit, 1.0)
            parameter.copy_(decayed - direction * (rate / too_long))


def _root_mean_square(x: Tensor) -> Tensor:
    return sqrt((x * x).mean())
