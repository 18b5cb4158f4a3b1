"""Costs are counted from the meaning of an op."""

from __future__ import annotations

import pytest

from lucid.ir.ops import REGISTRY, elementwise as ew
from lucid.ir.ops.base import Elementwise
from lucid.ir.passes.cost import SLOW, operations
from lucid.ir.types import bool_, float32, float64, int32


def test_simple_ops() -> None:
    assert operations(ew.Add(), (float32, float32)) == 1
    assert operations(ew.Div(), (float32, float32)) == SLOW
    assert operations(ew.Where(), (bool_, float32, float32)) == 1
    assert operations(ew.Detach(), (float32,)) == 0
    assert operations(ew.Neg(), (int32,)) == 1


@pytest.mark.parametrize("op", [ew.Exp(), ew.Log(), ew.Tanh(), ew.Erf(), ew.Sin()])
def test_transcendental_ops_cost_tens_of_operations(op: Elementwise) -> None:
    assert 10 < operations(op, (float32,)) <= operations(op, (float64,)) < 200


def test_every_elementwise_op_can_be_counted() -> None:
    for op_class in REGISTRY.values():
        if issubclass(op_class, Elementwise) and op_class not in (ew.Cast, ew.Where):
            dtype = bool_ if op_class in (ew.And, ew.Or, ew.Xor, ew.Not) else float32
            assert operations(op_class(), (dtype,) * op_class.arity) >= 0
