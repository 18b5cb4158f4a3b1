"""Running CUDA C on the host: the text of a kernel, compiled as C++ against `cuda_host.h`."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from lucid.codegen.cuda.module import kernel_of
from lucid.codegen.cuda.nest import print_kernel
from lucid.codegen.cuda.scalars import C_TYPES
from lucid.codegen.kernel import Kernel
from lucid.codegen.memory import arena_size, home, plan
from lucid.ir.graph import Graph, Value
from lucid.ir.interpret import Outcome
from tests.guarded import guarded

Array = npt.NDArray[Any]
HEADER = Path(__file__).with_name("cuda_host.h")


def compile_on_host(text: str, folder: Path) -> ctypes.CDLL:
    """The library of CUDA C without its launches; the test is skipped where there is no C++ compiler."""
    compiler = shutil.which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler on this machine")
    (folder / "kernels.cpp").write_text(f'#include "{HEADER}"\n{text}')
    # As NVRTC_OPTIONS: no contraction. Storage is shared between values of different types.
    options = ["-std=c++17", "-O1", "-ffp-contract=off", "-fno-strict-aliasing", "-pthread", "-shared", "-fPIC"]
    subprocess.run([compiler, *options, "-o", "kernels.so", "kernels.cpp"], cwd=folder, check=True)
    return ctypes.CDLL(str(folder / "kernels.so"))


class HostKernels:
    """The kernels of some graphs, printed and compiled in one go."""

    def __init__(self, graphs: Iterable[Graph], folder: Path) -> None:
        found = (kernel_of(graph, node) for graph in map(plan, graphs) for node in graph.nodes)
        self.names = {kernel: f"kernel_{n}" for n, kernel in enumerate(dict.fromkeys(filter(None, found)))}
        texts = (print_kernel(kernel, name) + _launcher(kernel, name) for kernel, name in self.names.items())
        self.library = compile_on_host("".join(texts), folder)

    def run(self, graph: Graph, arrays: Sequence[Array], blocks: int, threads: int) -> Outcome:
        """What a graph computes for arrays in the order of `graph.inputs`, in the places that the memory plan chose."""
        updates = graph.updates  # a plan leaves out those that change nothing
        graph = plan(graph)
        arena = guarded((arena_size(graph),), np.dtype(np.uint8), fill=1)
        # Nothing is computed from these bytes, which also lie before each array: as floats they are not 0.
        held: dict[Value, Array] = {
            value: guarded(value.type.shape, value.type.dtype.numpy, fill=1)
            for value in (*graph.inputs, *graph.outputs)
        }
        for value, array in zip(graph.inputs, arrays, strict=True):
            held[value][...] = array

        def address(value: Value) -> int:
            owner = home(graph, value)
            if owner in held:
                return held[owner].ctypes.data
            offset = graph.places[owner].offset
            assert offset is not None
            return arena.ctypes.data + offset

        for node in graph.nodes:
            kernel = kernel_of(graph, node)
            if kernel is not None:
                pointers = [address(value) for value in (*node.inputs, *node.outputs)]
                buffers = (ctypes.c_void_p * len(pointers))(*pointers)
                launch = self.library[f"launch_{self.names[kernel]}"]
                launch.restype = ctypes.c_bool
                assert launch(blocks, threads, buffers), f"misused a CUDA function:\n{kernel}"
        for state, new in graph.updates:
            ctypes.memmove(address(state), address(new), state.type.nbytes)
        outputs = tuple(held[value] for value in graph.outputs)
        return Outcome(outputs, tuple(held[state] for state, _ in updates))


def _launcher(kernel: Kernel, name: str) -> str:
    """A C function that launches a kernel on a grid of blocks of threads."""
    pointers = ", ".join(f"({C_TYPES[buffer.dtype]}*)b[{n}]" for n, buffer in enumerate(kernel.buffers))
    head = f'extern "C" bool launch_{name}(unsigned int blocks, unsigned int threads, void** b)'
    return f"{head} {{\n    return launch(blocks, threads, [=] {{ {name}({pointers}); }});\n}}\n"
