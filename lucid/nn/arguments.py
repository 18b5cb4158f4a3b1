"""Checks of the arguments that modules are made with."""

from __future__ import annotations

from numbers import Real

from lucid.errors import argument_error


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
