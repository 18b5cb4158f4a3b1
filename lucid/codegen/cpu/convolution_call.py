"""Calling convolutions: which of the functions that every graph uses, and with what plan."""

from __future__ import annotations

from lucid.codegen.cpu.channels_plan import convolve_channels_plan, is_channeled
from lucid.codegen.cpu.convolution_plan import Plan, convolve_plan, weigh_plan
from lucid.codegen.cpu.grouped_plan import convolve_grouped_plan, is_grouped, weigh_grouped_plan
from lucid.codegen.cpu.library import CONVOLVE, CONVOLVE_CHANNELS, CONVOLVE_GROUPED, WEIGH, WEIGH_GROUPED
from lucid.codegen.cpu.machine import Machine
from lucid.codegen.cpu.tiles import Tiles
from lucid.ir.ops.base import Op
from lucid.ir.ops.convolution import Convolution, ConvolutionInput, ConvolutionWeight
from lucid.ir.types import TensorType


def convolution_call(op: Op, first: TensorType, second: TensorType, machine: Machine) -> tuple[str, Plan]:
    """The name of the task of a convolution, or of a gradient of one, of operands of these types, and its plan."""
    tiles = Tiles(first.dtype, machine.vector_bytes)
    if isinstance(op, ConvolutionWeight):
        if is_grouped(op, second.shape[1], first.shape[1] // op.groups):
            name, plan = WEIGH_GROUPED, weigh_grouped_plan(op, first, second, tiles.lanes)
        else:
            name, plan = WEIGH, weigh_plan(op, first, second, tiles.columns)
    else:
        assert isinstance(op, Convolution | ConvolutionInput)
        if is_grouped(op, *second.shape[:2]):
            name, plan = CONVOLVE_GROUPED, convolve_grouped_plan(op, first, second, tiles.lanes)
        elif is_channeled(op, first, second, tiles):
            name, plan = CONVOLVE_CHANNELS, convolve_channels_plan(op, first, second, tiles)
        else:
            name, plan = CONVOLVE, convolve_plan(op, first, second, tiles.columns)
    return name + first.dtype.short, plan
