"""Transposed reads: squares of memory that are turned in registers give what reading element by element gives."""

from __future__ import annotations

import os

import numpy as np
import pytest

import lucid
from lucid import Tensor
from lucid.codegen.cpu.machine import machine

SHAPES = [
    ((33, 50), (1, 0)),
    ((16, 32), (1, 0)),
    ((7, 100), (1, 0)),
    ((100, 9), (1, 0)),
    ((3, 17, 19), (0, 2, 1)),
    ((3, 17, 19), (2, 1, 0)),
    ((2, 5, 3, 20), (0, 2, 3, 1)),
    ((20, 3, 2, 11), (3, 1, 2, 0)),
    ((300, 301), (1, 0)),  # in chunks
]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "bool"])
@pytest.mark.parametrize(("shape", "axes"), SHAPES)
def test_any_order_of_axes_is_read_to_the_last_element(
    shape: tuple[int, ...], axes: tuple[int, ...], dtype: str
) -> None:
    x = (np.random.default_rng(0).standard_normal(shape) * 100).astype(dtype)
    turned = lucid.compile(lambda x: x.permute(*axes))(Tensor(x))
    np.testing.assert_array_equal(turned.numpy(), x.transpose(axes))


def test_what_is_read_in_rows_meets_what_is_read_across() -> None:
    generator = np.random.default_rng(0)
    x, y, z = (generator.standard_normal(shape).astype(np.float32) for shape in ((70, 41), (41, 70), (41, 1)))

    def mixed(x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        return x.T * y + z, y < x.T

    product, less = lucid.compile(mixed)(Tensor(x), Tensor(y), Tensor(z))
    np.testing.assert_allclose(product.numpy(), x.T * y + z, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(less.numpy(), y < x.T)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="reads x86 assembly")
def test_a_transposed_matrix_is_read_by_vectors() -> None:
    program = lucid.compile(lambda x: x.T * 2.0).lower(Tensor(np.ones((64, 96), np.float32)))
    assert "gather" not in program.llvm_ir()
    assert machine().vector_bytes < 32 or "unpck" in program.assembly() or "perm" in program.assembly()
