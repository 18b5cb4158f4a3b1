"""Muon: momentum made orthogonal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from lucid.errors import ArgumentError, ArgumentTypeError, ShapeError, argument_error
from lucid.observed import hyperparameter, setting
from lucid.operations import maximum, sqrt, zeros_like
from lucid.operations.arguments import as_choice, as_integer, check_number
from lucid.optim.optimizer import Group, Member, Optimizer, decayed_parameter
from lucid.tensor import Tensor

ADJUSTMENTS = ("original", "match_rms_adamw")


class Muon(Optimizer):
    """Muon, for the matrices of hidden layers. For a gradient g of a parameter p of shape (rows, columns):

        m <- momentum * m + (1 - momentum) * g
        n <- momentum * m + (1 - momentum) * g with `nesterov`, else m
        p <- p * (1 - lr * weight_decay) - lr * scale * orthogonal(n)

    as in PyTorch. `orthogonal` goes `ns_steps` times from x = n / max(norm(n), eps) to (a + b y + c y y) x, where
    y = x x^T and a, b and c are `ns_coefficients`: singular values come near 1. It computes in the dtype of p, where
    PyTorch rounds to bfloat16. scale is sqrt(max(1, rows / columns)) with `adjust_lr_fn` None or "original", and
    0.2 * sqrt(max(rows, columns)) with "match_rms_adamw". Vectors, embeddings and the last layer are for AdamW.
    Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024; Liu et al., arXiv:2502.16982,
    equation 4, for "match_rms_adamw".
    """

    non_negative = ("lr", "weight_decay", "momentum", "eps")

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        super().check(group)
        given = group["ns_coefficients"]
        if not isinstance(given, Sequence) or len(given) != 3:
            raise argument_error(given, Sequence, f"Muon takes three ns_coefficients, got ns_coefficients={given!r}.")
        for value in given:
            if not math.isfinite(check_number("Muon takes numbers as ns_coefficients", value)):
                raise ArgumentError(f"Muon takes finite ns_coefficients, got ns_coefficients={given!r}.")
        group["ns_coefficients"] = tuple(given)
        steps = group["ns_steps"]
        if isinstance(steps, bool):
            raise ArgumentTypeError(f"Muon takes an integer as ns_steps, got {steps}.")
        if not 0 <= as_integer("Muon takes an integer as ns_steps", steps) < 100:
            raise ArgumentError(f"Muon takes ns_steps from 0 to 99, got ns_steps={steps!r}.")
        if group["adjust_lr_fn"] is not None:
            as_choice('Muon takes adjust_lr_fn="original" or "match_rms_adamw"', group["adjust_lr_fn"], ADJUSTMENTS)

    def initial_state(self, group: Group, parameter: Tensor) -> dict[str, Tensor]:
        if parameter.ndim != 2:
            raise ShapeError(f"Muon updates matrices, got shape {parameter.shape}.", hint="give the others to AdamW.")
        return {"momentum_buffer": zeros_like(parameter)}

    def update(self, group: Group, members: Sequence[Member]) -> None:
        lr = hyperparameter(group, "lr")
        momentum = hyperparameter(group, "momentum")
        weight_decay = hyperparameter(group, "weight_decay")
        for number, parameter, gradient in members:
            mean = self.state_of("momentum_buffer", number)
            mean.copy_(mean * momentum + gradient * (1.0 - momentum))
            direction = mean * momentum + gradient * (1.0 - momentum) if setting(group, "nesterov") else mean
            rows, columns = parameter.shape
            if setting(group, "adjust_lr_fn") == "match_rms_adamw":
                scale = 0.2 * math.sqrt(max(rows, columns))
            else:
                scale = math.sqrt(max(1.0, rows / max(columns, 1)))
            decayed = decayed_parameter(parameter, lr, weight_decay)
            parameter.copy_(decayed - _orthogonal(direction, group) * (lr * scale))


def _orthogonal(x: Tensor, group: Group) -> Tensor:
    """A matrix whose singular values are those of x brought near 1, by the iteration of Newton and Schulz."""
    a, b, c = hyperparameter(group, "ns_coefficients")
    eps: Any = hyperparameter(group, "eps")
    is_tall = x.shape[0] > x.shape[1]
    x = x.T if is_tall else x  # the products are of the shorter side
    x = x / maximum(sqrt((x * x).sum()), eps)
    for _ in range(setting(group, "ns_steps")):
        y = x @ x.T
        x = x * a + (y * b + (y @ y) * c) @ x
    return x.T if is_tall else x
