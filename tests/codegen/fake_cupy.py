"""As much of CuPy as Lucid uses, without a GPU: memory of its own, kernels on the simulator, and streams that do at
once what they are given, but insist that they were told to wait for what other streams have been given before.

It shows that the launcher does what it should with CuPy's interface, whose parameters it has (`test_cupy.py` compares
them with the installed release). It shows nothing of what CuPy, or a GPU, does.
"""

from __future__ import annotations

import ctypes
import itertools
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from unittest import mock
from weakref import WeakValueDictionary

from lucid.codegen.cuda import device as devices
from lucid.codegen.cuda.module import Module
from lucid.codegen.cuda.plan import Launch
from lucid.codegen.cuda.simulator import library
from lucid.codegen.cuda.simulator.library import Library, build
from lucid.codegen.cuda.target import CUDATarget
from tests.codegen.fake_arrays import FakeArray, OutOfMemoryError, asarray, copyto, empty, from_dlpack, zeros
from tests.codegen.fake_devices import Device, alloc_pinned_memory, malloc_managed, runtime, using_allocator
from tests.codegen.fake_streams import Calls, Event, Graph, Stream, get_current_stream, get_elapsed_time


class RawModule:
    """A module whose machine code is a library of the simulator."""

    def __init__(
        self,
        code: None = None,
        *,
        path: str | None = None,
        options: tuple[str, ...] = (),
        backend: str = "nvrtc",
        translate_cucomplex: bool = False,
        enable_cooperative_groups: bool = False,
        name_expressions: None = None,
        jitify: None = None,
    ) -> None:
        assert code is None
        assert path is not None
        parameters, image = Path(path).read_bytes().split(b"\n", 1)
        self.parameters, self.library = json.loads(parameters), Library(image)

    def get_function(self, name: str) -> RawKernel:
        return RawKernel(self, name)


class RawKernel:
    """A function of such a module, on whichever GPU is current."""

    def __init__(self, module: RawModule, name: str) -> None:
        self.kernel = Function(module, name)


class Function:
    """A function of such a module, on one GPU."""

    loaded: ClassVar[WeakValueDictionary[int, Function]] = WeakValueDictionary()  # by what CUDA calls their pointers
    handles = itertools.count(1)

    def __init__(self, module: RawModule, name: str) -> None:
        self.library, self.name = module.library, name
        self.pointers, self.scalars = module.parameters[name]
        self.ptr = next(self.handles)
        self.loaded[self.ptr] = self


class driver:  # noqa: N801  # a module of CuPy
    """The functions of CUDA's driver."""

    @staticmethod
    def launchKernel(  # noqa: N802
        f: int,
        grid_dim_x: int,
        grid_dim_y: int,
        grid_dim_z: int,
        block_dim_x: int,
        block_dim_y: int,
        block_dim_z: int,
        shared_mem_bytes: int,
        stream: int,
        kernel_params: int,
        extra: int,
    ) -> None:
        assert runtime.has_context(), "this thread has no context on the GPU that is current"
        assert (grid_dim_z, block_dim_y, block_dim_z, shared_mem_bytes, extra) == (1, 1, 1, 0, 0)
        assert min(grid_dim_x, grid_dim_y, block_dim_x) > 0
        function, on = Function.loaded[f], Stream.all[stream]
        # Parameters are copied at once, whenever the kernel runs.
        given = iter((ctypes.c_void_p * (function.pointers + function.scalars)).from_address(kernel_params))
        pointers = [ctypes.c_uint64.from_address(next(given)).value for _ in range(function.pointers)]
        scalars = tuple(ctypes.c_int32.from_address(next(given)).value for _ in range(function.scalars))
        grid = grid_dim_x, grid_dim_y
        one = Launch(function.name, grid, block_dim_x, tuple(range(len(pointers))), scalars)

        def run() -> None:
            Calls.current.launches.append((function.name, grid, (block_dim_x,)))
            function.library.launch(one, pointers)

        if on.captured is not None:
            on.captured.append(run)
            return
        on.work()
        run()


def is_available() -> bool:
    return True


def make() -> Any:
    """The module `cupy`."""
    return SimpleNamespace(
        ndarray=FakeArray,
        empty=empty,
        zeros=zeros,
        asarray=asarray,
        from_dlpack=from_dlpack,
        is_available=is_available,
        copyto=copyto,
        RawModule=RawModule,
        RawKernel=RawKernel,
        cuda=SimpleNamespace(
            Device=Device,
            Event=Event,
            Function=Function,
            Stream=Stream,
            driver=driver,
            get_current_stream=get_current_stream,
            get_elapsed_time=get_elapsed_time,
            alloc_pinned_memory=alloc_pinned_memory,
            malloc_managed=malloc_managed,
            using_allocator=using_allocator,
            graph=SimpleNamespace(Graph=Graph),
            memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
            runtime=runtime,
        ),
    )


def assemble(module: Module, architecture: str) -> bytes:
    """What stands for machine code: how many parameters each function has, pointers and ints, as machine code says too,
    and the library of the simulator."""
    assert architecture == "sm_80"
    plan = module.plan
    found = {
        launch.function: (len(launch.buffers), len(launch.scalars)) for launch in plan.launches([0] * (plan.status + 1))
    }
    return json.dumps(found).encode() + b"\n" + build(module.text, plan.functions)


def identity(target: CUDATarget) -> str:
    """What such an image depends on."""
    return f"imitation with parameters of {library.identity()}"


@contextmanager
def installed() -> Iterator[Calls]:
    """With this module as CuPy, and an account of what is asked of it; inside of another, with a GPU of its own."""
    outer = Calls.current, Stream.current
    Calls.current, Stream.current = Calls(), Stream()
    device = devices.Device(make())
    with ExitStack() as patches:
        patches.callback(_go_on, *outer)
        patches.enter_context(mock.patch("lucid.codegen.cuda.target.assemble", assemble))
        patches.enter_context(mock.patch("lucid.codegen.cuda.target.CUDATarget.identity", identity))
        patches.enter_context(mock.patch("lucid.codegen.cuda.target.architecture", return_value="sm_80"))
        patches.enter_context(mock.patch("lucid.device_program._randoms", {}))
        patches.enter_context(mock.patch.object(runtime, "pinned", {}))
        for module in USERS:
            patches.enter_context(mock.patch(f"{module}.gpu", return_value=device))
        yield Calls.current


def _go_on(calls: Calls, stream: Stream) -> None:
    Calls.current, Stream.current = calls, stream


USERS = (
    *("lucid.core", "lucid.tensor", "lucid.signature", "lucid.device_program", "lucid.operations.operands"),
    "lucid.codegen.cuda.target",
)
