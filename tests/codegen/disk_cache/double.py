"""A small program for the disk cache."""

from __future__ import annotations

import numpy as np

from lucid.codegen.cpu.target import CPUTarget
from lucid.compilation import compile_graph
from lucid.ir.text import parse

# Keys.

X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
DOUBLE = "graph @double(%x: f32[3, 4]) { %y = add %x, %x; return %y }"


def compile_double() -> None:
    """Compile a graph that shares no code with others, run it and compare."""
    executable = compile_graph(parse(DOUBLE), CPUTarget()).executable
    table, result = executable.new_table(), np.zeros_like(X)
    table[:2] = X.ctypes.data, result.ctypes.data
    executable.run(table.ctypes.data)
    np.testing.assert_array_equal(result, X + X)
