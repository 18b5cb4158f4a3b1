"""Checks of the states that schedulers and data loaders take over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from lucid.errors import StateDictError


def check_names(owner: str, own: Iterable[str], state_dict: object) -> None:
    """Raise StateDictError unless a state is a dict with the names that its owner gives."""
    names = list(own)
    if not isinstance(state_dict, Mapping):
        got, hint = type(state_dict).__name__, f"load what the state_dict() of {owner} returned."
        raise StateDictError(f"the state_dict of {owner} has {', '.join(names)}, got {got}.", hint=hint)
    if state_dict.keys() != set(names):
        found = [str(name) for name in state_dict]
        raise StateDictError(f"the state_dict of {owner} has {', '.join(names)}, got {', '.join(found) or 'none'}.")


def check_counter(owner: str, name: str, value: object) -> int:
    """The value of a state, if it is an integer from 0 on; else StateDictError."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 0:
        raise StateDictError(
            f"the state_dict of {owner} has {name} as an integer from 0 on, got {value!r}.",
            hint=f"load what the state_dict() of {owner} returned.",
        )
    return int(value)
