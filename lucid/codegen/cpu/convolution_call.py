"""Calling convolutions: which of the functions that every graph uses, and with what plan."""

from __future__ import annotations

from lucid.codegen.cpu.channels_plan import convolve_channels_plan, is_channeled
from lucid.codegen.cpu.convolution_plan import Plan, convolve_plan, weigh_plan
from lucid.codegen.cpu.grouped_plan import convolve_grouped_plan, is_grouped, weigh_grouped_plan
from lucid.codegen.cpu.library import (
    CONVOLVE,
    CONVOLVE_CHANNELS,
    CONVOLVE_GROUPED,
    CONVOLVE_LINES,
    WEIGH,
    WEIGH_GROUPED,
)
from lucid.codegen.cpu.lines_plan import convolve_lines_plan, is_lined
from lucid.codegen.cpu.machine import Machine
from lucid.codegen.cpu.tiles import Tiles
from lucid.ir.ops.base import Op
from lucid.ir.ops.convolution import Convolution, ConvolutionInput, ConvolutionWeight
from lucid.ir.types import TensorType


def convolution_prefix(op: Op, first: TensorType, second: TensorType, machine: Machine) -> str:
    """The name, without the dtype, of the task of a convolution, or of a gradient of one, of such operands."""
    if isinstance(op, ConvolutionWeight):
        return WEIGH_GROUPED if is_grouped(op, second.shape[1], first.shape[1] // op.groups) else WEIGH
    assert isinstance(op, Convolution | ConvolutionInput)
    tiles = Tiles(first.dtype, machine.vector_bytes)
    if is_grouped(op, *second.shape[:2]):
        return CONVOLVE_LINES if is_lined(op, first, second, tiles.lanes) else CONVOLVE_GROUPED
    channeled = is_channeled(op, first, second, tiles)
    return CONVOLVE_CHANNELS if channeled else CONVOLVE


def convolution_call(op: Op, first: TensorType, second: TensorType, machine: Machine) -> tuple[str, Plan]:
    """The name of the task of a convolution, or of a gradient of one, of operands of these types, and its plan."""
    tiles = Tiles(first.dtype, machine.vector_bytes)
    prefix = convolution_prefix(op, first, second, machine)
    if isinstance(op, ConvolutionWeight):
        if prefix == WEIGH_GROUPED:
            plan = weigh_grouped_plan(op, first, second, tiles.lanes)
        else:
            plan = weigh_plan(op, first, second, tiles)
    else:
        assert isinstance(op, Convolution | ConvolutionInput)
        if prefix == CONVOLVE_GROUPED:
            plan = convolve_grouped_plan(op, first, second, tiles.lanes)
        elif prefix == CONVOLVE_LINES:
            plan = convolve_lines_plan(op, first, second)
        elif prefix == CONVOLVE_CHANNELS:
            plan = convolve_channels_plan(op, first, second, tiles)
        else:
            plan = convolve_plan(op, first, second, tiles)
    return prefix + first.dtype.short, plan
