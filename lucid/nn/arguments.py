"""Checks of the arguments that modules are made with."""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Callable, Mapping, Sequence
from numbers import Real

from lucid.errors import ArgumentTypeError, argument_error
from lucid.missing_names import near_name
from lucid.tensor import Tensor

# Names of layers' arguments, by the names that Keras and Flax have for them: the first that a layer has is the one.
NAMES: dict[str, tuple[str, ...]] = {
    "units": ("out_features",),
    "features": ("out_features", "out_channels"),
    "filters": ("out_channels",),
    "strides": ("stride",),
    "pool_size": ("kernel_size",),
    "use_bias": ("bias",),
    "rate": ("p",),
    "epsilon": ("eps",),
}

# What to know of others.
_FILL = "fill the parameter after the layer is made: nn.init.xavier_uniform_(layer.weight)."
_SIZES = "a layer is made with the sizes of its input: nn.Linear(3, 4), nn.Conv2d(3, 4, 3)."
EXPLAINED = {
    "activation": "apply it after the layer: nn.Sequential(layer, nn.ReLU()), or F.relu(layer(x)) in forward.",
    **dict.fromkeys(("kernel_initializer", "bias_initializer", "kernel_init", "bias_init"), _FILL),
    **dict.fromkeys(("input_shape", "input_dim"), _SIZES),
}


def hint_for(
    unknown: str,
    value: object,
    known: Mapping[str, object],
    names: Mapping[str, Sequence[str]] = NAMES,
    explained: Mapping[str, str] = EXPLAINED,
) -> str | None:
    """What to write instead of an argument and its value that a class does not have, by the names of those it has: a
    layer, unless other names are given."""
    for name in names.get(unknown, ()):
        if name in known:
            return f"write `{name}={reprlib.repr(value)}`."
    return explained.get(unknown) or near_name(unknown, known)


def expect_known(
    kind: type,
    given: Mapping[str, object],
    hint_for: Callable[[str, object, Mapping[str, object]], str | None] = hint_for,
) -> None:
    """Raise ArgumentTypeError for the first of some arguments, by name, that a class has no argument of."""
    parameters = inspect.signature(kind).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    known = {name: parameter.default for name, parameter in parameters.items()}
    for name, value in given.items():
        if name not in known:
            raise ArgumentTypeError(f"{kind.__name__} takes no {name!r}.", hint=hint_for(name, value, known))


def expect_settings(kind: type, given: Sequence[object]) -> None:
    """Raise ArgumentTypeError where a layer is made of the tensors that it is to be called with: of one with axes where
    the signature has no Tensor."""
    parameters = [*inspect.signature(kind).parameters.values()]
    for number, value in enumerate(given):
        if not isinstance(value, Tensor) or not value.ndim:
            continue
        parameter = parameters[min(number, len(parameters) - 1)] if parameters else None
        if parameter is None or not (parameter.kind is parameter.VAR_POSITIONAL or "Tensor" in parameter.annotation):
            name = "" if parameter is None else f" as {parameter.name}"
            settings = "..." if any(each.default is each.empty for each in parameters) else ""
            tensors = ", ".join("xyz"[: sum(isinstance(each, Tensor) for each in given)])
            raise ArgumentTypeError(
                f"{kind.__name__} takes no tensor{name} when it is made, got {reprlib.repr(value)}.",
                hint=f"make it first, then call it: nn.{kind.__name__}({settings})({tensors}).",
            )


def check_positive_integer(owner: str, name: str, value: object) -> int:
    """The argument, if it is an integer of at least 1; else ArgumentError."""
    return _integer_from(1, f"{owner} takes a positive integer as {name}", value)


def check_size(owner: str, name: str, value: object) -> int:
    """The argument, if it is an integer of at least 0; else ArgumentError."""
    return _integer_from(0, f"{owner} takes an integer of at least 0 as {name}", value)


def _integer_from(least: int, what: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise argument_error(value, int, f"{what}, got {value!r}.")
    return value


def check_eps(owner: str, eps: float) -> float:
    """The argument, if it is a number of at least 0; else ArgumentError."""
    if not isinstance(eps, Real) or not eps >= 0.0:
        raise argument_error(eps, Real, f"{owner} takes eps of at least 0, got {eps!r}.")
    return eps
