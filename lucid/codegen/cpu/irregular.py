"""The kernels of ops that are not loop nests: a table of what writes each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lucid.codegen.cpu.scatter import write_scatter_add
from lucid.codegen.cpu.sort import write_argsort
from lucid.codegen.cpu.task import Task
from lucid.ir.ops.base import Irregular
from lucid.ir.ops.indexing import Argsort, ScatterAdd

# Writes the task of an op, and gives the number of its chunks, and the bytes of a worker's memory.
Writer = Callable[[Task, Any], tuple[int, int]]

WRITERS: Mapping[type[Irregular], Writer] = {
    ScatterAdd: write_scatter_add,
    Argsort: write_argsort,
}
