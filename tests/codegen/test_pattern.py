"""Where the lanes of a vector stand: known patterns are right, and what is loaded at once stays inside of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from lucid.codegen.cpu.pattern import lane_pattern
from lucid.ir.build import Builder
from lucid.ir.graph import Graph, Value
from lucid.ir.index import Axis, Index, of
from lucid.ir.ops.movement import Slice
from lucid.ir.text import parse
from lucid.ir.types import TensorType, as_dtype
from tests.oracle import assert_compiled_matches

LANE, OTHER = Axis(0, 1 << 20), Axis(1, 1 << 20)
WIDTH = 8


@st.composite
def indices(draw: Any) -> Index:
    """Sums of quotients and remainders of both axes."""
    total = Index() + draw(st.integers(-5, 5))
    for _ in range(draw(st.integers(1, 3))):
        inner = (
            of(LANE) * draw(st.integers(-3, 3))
            + of(OTHER) * draw(st.integers(0, 8) | st.just(16))
            + draw(st.integers(-9, 9))
        )
        divisor = draw(st.integers(1, 8) | st.sampled_from([16, 24, 32]))
        part = draw(st.sampled_from([inner, inner // divisor, inner % divisor, of(OTHER) % divisor]))
        total = total + part * draw(st.integers(-3, 3))
    return total


@given(indices(), st.integers(0, 50), st.integers(0, 50))
def test_a_pattern_holds_at_every_place(index: Index, vector: int, other: int) -> None:
    pattern = lane_pattern(index, LANE, WIDTH)
    if pattern is not None:
        values = [index.evaluate({LANE: WIDTH * vector + lane, OTHER: other}) for lane in range(WIDTH)]
        assert [value - values[0] for value in values] == list(pattern)


@pytest.mark.parametrize(("divisor", "known"), [(2, True), (8, True), (3, False), (12, False), (16, True)])
def test_patterns_that_are_known(divisor: int, known: bool) -> None:
    assert (lane_pattern(of(LANE) // divisor, LANE, WIDTH) is not None) == known
    assert lane_pattern((of(LANE) + of(OTHER)) % divisor, LANE, WIDTH) is None
    assert lane_pattern((of(LANE) + 4) // 24, LANE, WIDTH) is None  # lanes stand on both sides of a multiple
    assert (lane_pattern((of(LANE) + of(OTHER) * 48) % divisor, LANE, WIDTH) is not None) == known


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.bool_])
def test_strided_loads_stay_inside(dtype: type[np.generic]) -> None:
    """The oracle's arrays have forbidden memory behind them."""
    builder, arguments, outputs, arrays = Builder(), [], [], []
    generator = np.random.default_rng(0)
    for extent in (1, 7, 16, 37):
        for step in (2, 3, 5, -1, -2):
            length = (extent - 1) * abs(step) + 1
            arrays.append(generator.integers(0, 2 if dtype == np.bool_ else 99, (3, length)).astype(dtype))
            arguments.append(Value(TensorType(as_dtype(dtype), (3, length))))
            start = 0 if step > 0 else length - 1
            outputs += builder.add(Slice((0, start), (1, step), (3, extent)), arguments[-1])
    assert_compiled_matches(Graph("slices", tuple(arguments), (), tuple(builder.nodes), tuple(outputs)), arrays)


@pytest.mark.parametrize("taps", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("low", [-1, 0, 1])
def test_windows_there_and_back(taps: int, stride: int, low: int) -> None:
    depth, geometry = -(-taps // stride), f"stride=({stride},), dilation=(1,), low=({low},)"
    for spatial, positions in ((37, 16), (20, 9), (3, 4)):
        graph = parse(
            f"""graph(%x: f32[2, {spatial}, {depth}], %w: f32[2, {positions}, {taps}]) {{
              %a = window %x, kernel=({taps},), positions=({positions},), {geometry}
              %b = unwindow %w, spatial=({spatial},), {geometry}
              %s = sum %b, axes=(2,), lanes=1; return %a, %b, %s }}"""
        )
        generator = np.random.default_rng(0)
        arrays = [generator.standard_normal(value.type.shape).astype(np.float32) for value in graph.arguments]
        assert_compiled_matches(graph, arrays)
