"""State dicts, checked against what they are loaded into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lucid.errors import StateDictError
from lucid.tensor import Array, Tensor

MOST_NAMES = 10  # of each kind that an error lists


class StateDictDifference(NamedTuple):
    """The keys in which a state_dict and a module differ."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def check_state(
    owner: str, own: Mapping[str, Tensor], arrays: Mapping[str, Array], missing: list[str], unexpected: list[str]
) -> None:
    """Raise StateDictError if keys are missing or unexpected, or if an array differs in shape from its tensor."""
    problems = []
    if missing:
        problems.append(f"missing: {_listed(missing)}")
    if unexpected:
        problems.append(f"unexpected: {_listed(unexpected)}")
    wrong = [
        f"{name} {array.shape} for {own[name].shape}"
        for name, array in arrays.items()
        if array.shape != own[name].shape
    ]
    if wrong:
        problems.append(f"of another shape: {_listed(wrong)}")
    if problems:
        raise StateDictError(f"the state_dict does not fit {owner}: {'; '.join(problems)}.")


def _listed(names: Sequence[object]) -> str:
    """The first names, and how many there are beside them."""
    more = [f"and {len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else []
    return ", ".join([*map(str, names[:MOST_NAMES]), *more])
