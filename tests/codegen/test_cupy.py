"""The parameters of what Lucid calls of CuPy: those that the imitation has are those of the installed release.

No GPU is needed to import CuPy. What its functions do there is for the tests that take the fixture `cupy`, on
a machine that has one.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from tests.codegen.fake_cupy import make

# As CuPy 14.2 documents them. A test compares with what is installed.
SIGNATURES = {
    "empty": "shape, dtype=, order=",
    "zeros": "shape, dtype=, order=",
    "asarray": "a, dtype=, order=, *, copy=, blocking=",
    "from_dlpack": "array, *, device=, copy=",
    "is_available": "",
    "ndarray.get": "self, stream=, order=, out=, blocking=",
    "ndarray.set": "self, arr, stream=",
    "ndarray.copy": "self, order=",
    "ndarray.fill": "self, value",
    "ndarray.__dlpack__": "self, *, stream=, max_version=, dl_device=, copy=",
    "ndarray.__dlpack_device__": "self",
    "RawModule": "code=, *, path=, options=, backend=, translate_cucomplex=, enable_cooperative_groups=, "
    "name_expressions=, jitify=",
    "RawModule.get_function": "self, name",
    "cuda.driver.launchKernel": "f, grid_dim_x, grid_dim_y, grid_dim_z, block_dim_x, block_dim_y, block_dim_z, "
    "shared_mem_bytes, stream, kernel_params, extra",
    "cuda.runtime.memGetInfo": "",
    "cuda.Device": "device=",
    "cuda.Device.use": "self",
    "cuda.runtime.getDevice": "",
    "cuda.runtime.deviceSynchronize": "",
    "cuda.runtime.pointerGetAttributes": "ptr",
    "cuda.alloc_pinned_memory": "size",
    "cuda.malloc_managed": "size",
    "cuda.using_allocator": "allocator=",
    "cuda.Stream": "null=, non_blocking=, ptds=, priority=",
    "cuda.Stream.begin_capture": "self, mode=",
    "cuda.Stream.end_capture": "self",
    "cuda.Stream.record": "self, event=",
    "cuda.Stream.wait_event": "self, event",
    "cuda.get_current_stream": "device_id=",
    "cuda.Event": "block=, disable_timing=, interprocess=",
    "cuda.Event.record": "self, stream=",
    "cuda.Event.synchronize": "self",
    "cuda.get_elapsed_time": "start_event, end_event",
    "cuda.runtime.getDeviceProperties": "device",
    "copyto": "dst, src, casting=, where=",
    "cuda.graph.Graph.launch": "self, stream=",
}


def member(module: Any, name: str) -> Any:
    for part in name.split("."):
        module = getattr(module, part)
    return module


def parameters(function: Any) -> str:
    """The parameters of a Python function as in the table."""
    found: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in found:
            found.append("*")
        star = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
        found.append(star + parameter.name + ("=" if parameter.default is not parameter.empty else ""))
    return ", ".join(found)


def documented(function: Any, is_method: bool) -> str:
    """The parameters of what is compiled, whose first line of documentation has them with their types."""
    line = inspect.getdoc(function).splitlines()[0]  # type: ignore[union-attr]
    inside = line[line.index("(") + 1 : line.rindex(")")]
    # Defaults may hold commas; types stand before a name.
    inside = re.sub(r"\([^()]*\)", "()", inside)
    found = [re.sub(r"^(\w+ )+(?=\w)", "", part.strip()) for part in inside.split(",") if part.strip()]
    names = [re.sub(r"=.*", "=", part) for part in found]
    return ", ".join(["self", *names] if is_method and names[:1] != ["self"] else names)


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_imitation_has_the_parameters_of_cupy(name: str) -> None:
    assert parameters(member(make(), name)) == SIGNATURES[name]


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_installed_cupy_has_them(name: str) -> None:
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    function = member(cupy, name)
    try:
        found = parameters(function)
    except ValueError:  # compiled
        found = documented(function, is_method=inspect.ismethoddescriptor(function))
    assert found == SIGNATURES[name]


def test_the_installed_cupy_has_the_error_that_lucid_translates() -> None:
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    assert issubclass(cupy.cuda.memory.OutOfMemoryError, MemoryError)


def test_the_installed_cupy_tells_the_handle_of_a_function() -> None:
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    assert inspect.isdatadescriptor(cupy.RawKernel.kernel)
    assert inspect.isdatadescriptor(cupy.cuda.Function.ptr)
    assert inspect.isdatadescriptor(cupy.cuda.Function.module), "which it keeps loaded"
