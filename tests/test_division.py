"""Floor division and remainders against NumPy, to the bit, where quotients are huge and operands hostile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import lucid
from lucid import Tensor
from tests.oracle import bits

Array = npt.NDArray[Any]
NAMES = ("floor_divide", "remainder", "fmod")
TARGETS = ("eager", "cpu", "cuda-sim")


def hostile(dtype: type[np.floating[Any]]) -> Array:
    """The ends of a dtype, the neighbours of 1, quotients that round up to integers, and numbers of all exponents."""
    info = np.finfo(dtype)
    least, most = float(info.smallest_subnormal), float(info.max)
    sizes = [
        0.0,
        least,
        3 * least,
        float(info.tiny),
        most,
        np.inf,
        np.nan,
        1.0,
        1 - float(info.epsneg),
        1 / 3,
        0.1,
        2.5,
    ]
    sizes += [3.0, 7.0, 1e30, 2.0**22, 2.0**23 + 1, 2.0**24, 2.0**44, 2.0**51, 2.0**52 + 1, 2.0**53, 2.0**103]
    generator = np.random.default_rng(0)
    sizes += (generator.uniform(1, 2, 60) * 2.0 ** generator.uniform(np.log2(least), np.log2(most) - 1, 60)).tolist()
    return np.array([*sizes, *(-size for size in sizes)], dtype)


def divisions(target: str) -> Callable[..., tuple[Tensor, ...]]:
    def every(x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        return tuple(getattr(lucid, name)(x, y) for name in NAMES)

    return every if target == "eager" else lucid.compile(every, target=target)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("target", TARGETS)
def test_floats_are_divided_as_numpy_does(target: str, dtype: type[np.floating[Any]]) -> None:
    grid = hostile(dtype)
    x, y = (z.reshape(-1) for z in np.meshgrid(grid, grid))
    for name, found in zip(NAMES, divisions(target)(Tensor(x), Tensor(y)), strict=True):
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(bits(found.numpy()), bits(getattr(np, name)(x, y)), name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_remainders_are_those_of_python(dtype: type[np.floating[Any]]) -> None:
    grid = hostile(dtype)
    x, y = (z.reshape(-1) for z in np.meshgrid(grid[np.isfinite(grid)], grid[grid != 0]))
    expected = np.array([a % b for a, b in zip(x.tolist(), y.tolist(), strict=True)], dtype)
    np.testing.assert_array_equal(divisions("cpu")(Tensor(x), Tensor(y))[1].numpy(), expected)


def test_signs_of_zeros() -> None:
    x, y = np.array([-0.0, 0.0, -6.0, 6.0]), np.array([3.0, -3.0, 3.0, -3.0])
    for target in TARGETS:
        down, rest, of_c = divisions(target)(Tensor(x), Tensor(y))
        assert np.signbit(down.numpy()).tolist() == [True, True, True, True]
        assert np.signbit(rest.numpy()).tolist() == [False, True, False, True]
        assert np.signbit(of_c.numpy()).tolist() == [True, False, True, False]


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8])
def test_integers(dtype: type[np.integer[Any]]) -> None:
    info = np.iinfo(dtype)
    values = np.array([info.min, info.min + 1, 0, 1, 2, 3, 7, info.max - 1, info.max], dtype)
    values = np.concatenate([values, -values]) if info.min else values
    x, y = (z.reshape(-1) for z in np.meshgrid(values, values))
    with np.errstate(all="ignore"):
        expected = [getattr(np, name)(x, y) for name in NAMES]
    for target in TARGETS:
        for found, wanted in zip(divisions(target)(Tensor(x), Tensor(y)), expected, strict=True):
            np.testing.assert_array_equal(found.numpy(), wanted, strict=True)


def test_derivatives_of_a_remainder() -> None:
    x, y = Tensor([7.5, -7.5, 1e9], requires_grad=True), Tensor([2.0, 2.0, 3.0], requires_grad=True)
    for function, quotients in ((lucid.remainder, [3.0, -4.0, 1e9 // 3]), (lucid.fmod, [3.0, -3.0, 1e9 // 3])):
        for call in (function, lucid.compile(function)):
            to_x, to_y = lucid.grad(call(x, y), [x, y])
            assert to_x.tolist() == [1.0, 1.0, 1.0]
            np.testing.assert_allclose(to_y.numpy(), -np.array(quotients), rtol=1e-7)
