"""Arguments of optimizers: their checks, and what to write for names of other libraries and for typos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

import lucid.nn.arguments
from lucid.errors import ArgumentError, ArgumentTypeError, argument_error
from lucid.tensor import Tensor

if TYPE_CHECKING:
    from lucid.optim.optimizer import Group, Optimizer

# Lucid's names, by the name in PyTorch, Keras or Optax of the same number.
NAMES = {"learning_rate": ("lr",), "rho": ("alpha",), "epsilon": ("eps",), "wd": ("weight_decay",)}

# Those of what another number says, by its name: the first that an optimizer has is the one.
RELATED: dict[str, tuple[str, ...]] = {
    "momentum": ("betas",),
    **dict.fromkeys(("beta1", "beta_1", "b1", "beta2", "beta_2", "b2"), ("betas", "beta2_decay")),
    "l2": ("weight_decay",),
}

# What to know of others.
_CLIP = "clip gradients before the step: nn.utils.clip_grad_norm_(parameters, 1.0)."
_COMPILE = "leave it out: a compiled step updates all parameters in one native call."
EXPLAINED = {
    **dict.fromkeys(("foreach", "fused", "capturable"), _COMPILE),
    "differentiable": "leave it out: nothing is recorded in a step.",
    **dict.fromkeys(("clipnorm", "global_clipnorm"), _CLIP),
    "clipvalue": "clip gradients before the step: nn.utils.clip_grad_value_(parameters, 1.0).",
}


def hint_for(unknown: str, value: object, known: Mapping[str, object]) -> str | None:
    """What to write instead of an argument and its value that an optimizer does not have, by the defaults of those it
    has."""
    for name in RELATED.get(unknown, ()):
        if name in known:
            return f"write `{name}={known[name]!r}`."
    return lucid.nn.arguments.hint_for(unknown, value, known, NAMES, EXPLAINED)


def check_range(optimizer: Optimizer, name: str, value: float, below: float = float("inf")) -> None:
    """Raise ArgumentError unless 0 <= value < below."""
    if not isinstance(value, Real):
        hint = "a float may change from step to step, and compiles nothing: give x.item()."
        raise ArgumentTypeError(
            f"{type(optimizer).__name__} takes a number as {name}, got {name}={value!r}.",
            hint=hint if isinstance(value, Tensor) else None,
        )
    if not 0.0 <= value < below:
        end = f"from 0 to less than {below:g}" if below < float("inf") else "of at least 0"
        raise ArgumentError(f"{type(optimizer).__name__} takes {name} {end}, got {name}={value!r}.")


def check_betas(optimizer: Optimizer, group: Group) -> None:
    """Raise ArgumentError unless there are two betas from 0 to less than 1; make them a tuple."""
    for i, beta in enumerate(check_pair(optimizer, group, "betas")):
        check_range(optimizer, f"betas[{i}]", beta, below=1.0)


def check_pair(optimizer: Optimizer, group: Group, name: str) -> tuple[Any, ...]:
    """The two values of a hyperparameter, which becomes a tuple of them; else ArgumentError."""
    values = group[name]
    if not isinstance(values, Sequence) or len(values) != 2:
        raise argument_error(values, Sequence, f"{type(optimizer).__name__} takes two {name}, got {name}={values!r}.")
    pair = group[name] = tuple(values)
    return pair
