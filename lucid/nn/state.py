"""State dicts, checked against what they are loaded into."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from lucid.errors import StateDictError
from lucid.tensor import Array, Tensor

MOST_NAMES = 10  # of each kind that an error lists


class StateDictDifference(NamedTuple):
    """The keys in which a state_dict and a module differ."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def check_state(
    owner: str,
    own: Mapping[str, Tensor],
    arrays: Mapping[str, Array],
    missing: list[str],
    unexpected: list[str],
    hint: str | None = None,
) -> None:
    """Raise StateDictError, with a hint, if keys are missing or unexpected, or if an array differs in shape from its
    tensor."""
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
        raise StateDictError(f"the state_dict does not fit {owner}: {'; '.join(problems)}.", hint=hint)


# What puts a prefix before all names of the module that it wraps.
WRAPPERS = {"module.": "torch.nn.DataParallel put", "_orig_mod.": "torch.compile put"}


def difference_hint(
    own: Mapping[str, Tensor], state_dict: Mapping[str, object], missing: list[str], unexpected: list[str]
) -> str | None:
    """What is the matter with the names of a state_dict: they are those of a whole or of a part, or one is misspelt."""
    for name in unexpected:
        inner = state_dict[name]
        if isinstance(inner, Mapping) and not own.keys().isdisjoint(inner):
            return f"it is a dict of such: load state_dict[{name!r}]."
    for prefix in _prefixes(unexpected, missing[:1]):
        if all(f"{prefix}{name}" in state_dict for name in missing) and all(
            str(name).startswith(prefix) for name in state_dict
        ):
            put = WRAPPERS.get(prefix, "something has put")
            return (
                f"{put} {prefix!r} before each name: load "
                f"{{name.removeprefix({prefix!r}): value for name, value in state_dict.items()}}."
            )
    for prefix in _prefixes(missing, unexpected[:1]):
        if all(f"{prefix}{name}" in own for name in unexpected):
            return f"these are the names of a part: model.{prefix}load_state_dict(state_dict) takes them."
    for name in unexpected:
        numbered = re.findall(r"\d+", str(name))  # another number is another layer, and no misspelling
        near = get_close_matches(str(name), [other for other in missing if re.findall(r"\d+", other) == numbered], n=1)
        if near:
            return f"did you mean {near[0]!r} for {name!r}?"
    return None


def _prefixes(longer: Sequence[object], names: Sequence[object]) -> Iterator[str]:
    """What stands before one of some dotted names where it is the end of a longer one."""
    for name in names:
        for other in longer:
            if isinstance(other, str) and other.endswith(f".{name}"):
                yield other[: -len(str(name))]


def _listed(names: Sequence[object]) -> str:
    """The first names, and how many there are beside them."""
    more = [f"and {len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else []
    return ", ".join([*map(str, names[:MOST_NAMES]), *more])
