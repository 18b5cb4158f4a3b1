"""Every row of the table beside PyTorch: values, dtypes and first derivatives, eager and compiled."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
from lucid import Tensor
from lucid.errors import DTypeError, LucidError
from tests.parity.compare import assert_close, torch
from tests.table import functions, modules
from tests.table.modules import HOLD_OTHERS, WITHOUT_ROW
from tests.table.row import KINDS, Array, Inputs, Row, cast, leaves

ROWS = modules.ROWS + functions.ROWS


@dataclass(frozen=True)
class Found:
    """What a library gives: results, and gradients of the inputs, None where there is none; or its error."""

    results: list[Any]
    gradients: list[Any]
    error: Exception | None = None


def spread(inputs: Inputs) -> Inputs:
    """Arrays in which the inputs lie with their axes reversed, and every second element of the last one."""
    spread = []
    for x in inputs:
        array = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype) if x.ndim else x
        if x.ndim:
            array[..., ::2] = x
        spread.append(np.ascontiguousarray(array.T))
    return tuple(spread)


def viewed(variation: str, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The inputs as the variation has them: those that are spread are views of what is given."""
    if variation != "strided":
        return inputs
    return tuple(x.permute(tuple(reversed(range(x.ndim))))[..., ::2] if x.ndim else x for x in inputs)


def differentiate(call: Callable[..., Any], sets: Mapping[str, tuple[Any, ...]], own: Callable[..., Any]) -> Any:
    """The results of calls, after a backward through a sum that depends on every element of them in its own way."""
    found = {name: leaves(call(*viewed(name, inputs))) for name, inputs in sets.items()}
    terms = []
    for number, y in (pair for results in found.values() for pair in enumerate(results)):
        if y.requires_grad:
            dtype = str(y.dtype).removeprefix("torch.")
            factors = np.random.default_rng(number).uniform(0.5, 1.5, tuple(y.shape)).astype(dtype)
            terms.append((y * own(factors)).sum())
    if terms:
        sum(terms).backward()
    return found


def ours_of(row: Row, function: Any, name: str, inputs: Inputs) -> Found:
    return all_of(row, function, {name: inputs}, lambda step: step)[name]


def all_of(row: Row, function: Any, sets: Mapping[str, Inputs], wrap: Callable[..., Any]) -> dict[str, Found]:
    """What Lucid gives for several sets of inputs."""
    tensors = {
        name: tuple(Tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs) for name, inputs in sets.items()
    }
    step = wrap(lambda sets: differentiate(lambda *x: row.call(function, *x), sets, lambda array: array))
    results = step(tensors)
    return {name: Found([y.detach() for y in results[name]], [x.grad for x in tensors[name]]) for name in sets}


def theirs_of(row: Row, function: Any, name: str, inputs: Inputs) -> Found:
    tensors = tuple(torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = differentiate(lambda *x: row.call(function, *x), {name: tensors}, torch.from_numpy)
    return Found(results[name], [x.grad for x in tensors])


def tried(call: Callable[..., Found], *arguments: Any) -> Found:
    try:
        return call(*arguments)
    except Exception as error:
        return Found([], [], error)


def assert_same_results(found: Found, expected: Found) -> None:
    """Equal results and gradients."""
    assert found.error is None
    for x, y in zip(found.results + found.gradients, expected.results + expected.gradients, strict=True):
        if y is None or x is None:
            assert all(other is None or not np.any(other.numpy()) for other in (x, y))  # a constant
        else:
            assert_close(x, y, rtol=1e-4, atol=1e-5)


def mixed(inputs: Inputs) -> dict[str, Inputs]:
    """The inputs as float32, but one of them as float64, or as integers."""
    found = {}
    narrow = cast(inputs, "float32")
    for number, x in enumerate(inputs):
        if x.dtype.kind == "f":
            for name, other in (("wide", x), ("integer", x.round().astype("int64"))):
                found[f"{name} {number}"] = (*narrow[:number], other, *narrow[number + 1 :])
    return found


def pair(row: Row) -> tuple[Any, Any]:
    """What the row makes, of both libraries, with the same weights."""
    lucid.seed(0)
    ours, theirs = row.make(lucid), row.make(torch)
    if isinstance(ours, nn.Module):
        theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.state_dict().items()})
    return ours, theirs


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS])
def test_values_and_gradients(row: Row) -> None:
    """Each variation is what PyTorch has, eagerly, and then all of them in one compiled step."""
    ours, theirs = pair(row)
    sets = {name: cast(inputs, "float32") for name, inputs in row.variations().items()}
    sets |= {"strided": spread(sets["plain"]), **mixed(row.inputs)}
    expected: dict[str, Found] = {}
    totals: dict[str, Any] = {}
    for name, inputs in sets.items():
        with restored(ours), restored(theirs):
            found, their = tried(ours_of, row, ours, name, inputs), tried(theirs_of, row, theirs, name, inputs)
            expect_outcome(row, name, found, their)
            wanted = row.outcomes.get(name)
            if wanted == "promoted" or (wanted is None and outcome(found, their) == "ours"):
                expect_promoted(row, theirs, name, inputs, found)
            if not found.error and not their.error:
                expect_same_state(ours, theirs)
            if not found.error:
                expected[name] = found
                for key, gradient in gradients_of(ours).items():
                    totals[key] = totals.get(key, 0.0) + gradient
    compiled = all_of(row, ours, {name: sets[name] for name in expected}, lucid.compile)
    for name, found in expected.items():
        assert_same_results(compiled[name], found)
    for key, gradient in gradients_of(ours).items():
        np.testing.assert_allclose(gradient, totals[key], rtol=1e-3, atol=1e-4, err_msg=key)
    for name in set(sets) - set(expected):
        with pytest.raises(LucidError):
            all_of(row, ours, {name: sets[name]}, lucid.compile)


def outcome(ours: Found, theirs: Found) -> str:
    """Who gives results."""
    if ours.error:
        return "refused" if theirs.error else "theirs"
    return "ours" if theirs.error else "same"


def expect_outcome(row: Row, name: str, ours: Found, theirs: Found) -> None:
    """What the row says of a variation, and where it says nothing, that both libraries give the same.

    Where PyTorch refuses operands of several dtypes, Lucid may promote them.
    """
    is_mixed = name.startswith(("wide", *KINDS))
    wanted = row.outcomes.get(name, "same")
    found = outcome(ours, theirs)
    if wanted in ("same", "promoted") and is_mixed and theirs.error:
        wanted = found
    assert found == ("same" if wanted == "promoted" else wanted), (name, ours.error, theirs.error)
    if wanted == "same":
        assert_same_results(ours, theirs)
    elif ours.error:
        expected = DTypeError if is_mixed and name not in row.outcomes else LucidError
        assert isinstance(ours.error, expected), ours.error


def expect_promoted(row: Row, theirs: Any, name: str, inputs: Inputs, found: Found) -> None:
    """What Lucid gives for operands that it promotes is what PyTorch gives for float64.

    PyTorch takes these with no weights of float32.
    """
    if isinstance(theirs, torch.nn.Module) and [*theirs.parameters()]:
        return
    pairs = zip(inputs, row.inputs, strict=True)
    widest = tuple(x.astype("float64") if like.dtype.kind == "f" else x for x, like in pairs)
    their = theirs_of(row, theirs, name, widest)
    assert row.outcomes.get(name) != "promoted" or all(x.dtype.is_float for x in found.results)
    for x, y in zip(found.results, their.results, strict=True):
        np.testing.assert_allclose(x.numpy(), y.detach().numpy(), rtol=1e-4, atol=1e-5)


@contextmanager
def restored(function: Any) -> Iterator[None]:
    """A context after which a module is as it was, without gradients."""
    if not hasattr(function, "state_dict"):
        yield
        return
    before = copy.deepcopy(function.state_dict())
    yield
    function.load_state_dict(before)
    function.zero_grad()


def gradients_of(function: Any) -> dict[str, Array]:
    named = function.named_parameters() if hasattr(function, "named_parameters") else ()
    return {name: parameter.grad.numpy() for name, parameter in named if parameter.grad is not None}


def expect_same_state(ours: Any, theirs: Any) -> None:
    """Equal gradients of parameters, and equal buffers."""
    expected = gradients_of(theirs)
    for name, gradient in gradients_of(ours).items():
        np.testing.assert_allclose(gradient, expected[name], rtol=1e-4, atol=2e-5, err_msg=name)
    assert expected.keys() == gradients_of(ours).keys()
    if isinstance(ours, nn.Module):
        for name, tensor in theirs.state_dict().items():
            np.testing.assert_allclose(ours.state_dict()[name], tensor.numpy(), rtol=2e-5, atol=2e-6, err_msg=name)


def test_every_module_has_a_row() -> None:
    names = {f"nn.{name}" for name in nn.__all__ if isinstance(getattr(nn, name), type) and name not in HOLD_OTHERS}
    assert names - {row.name for row in ROWS} == {f"nn.{name}" for name in WITHOUT_ROW}
