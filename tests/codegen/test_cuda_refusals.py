"""What the target "cuda" tells its users: what it refuses, what is missing, and what it calls machine code.

GPU and CuPy are imitated where a test needs them.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest import mock

import numpy as np
import pytest

import lucid
import lucid.nn as nn
from lucid.codegen.cuda import device as devices
from lucid.codegen.cuda.nvrtc import nvrtc
from lucid.codegen.cuda.target import CUDATarget
from lucid.errors import ArgumentError, CompileError
from tests.codegen.fake_cupy import Calls
from tests.codegen.nvrtc import compile_with_nvrtc

X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)


def test_eager_operations_refuse_what_is_on_the_gpu(calls: Calls) -> None:
    x = lucid.Tensor([1.0]).to("cuda")
    with pytest.raises(ArgumentError, match=r"eager operations run on the CPU.*\n.*\n.*target='cuda'"):
        x + 1.0
    with pytest.raises(
        ArgumentError, match="a function compiled for the CPU was given, or captures, a tensor that is on"
    ):
        lucid.compile(lambda: x * 2.0)()
    with pytest.raises(ArgumentError, match="a device is 'cpu' or 'cuda', got 'gpu'"):
        x.to("gpu")
    with pytest.raises(ArgumentError, match="a computed tensor can't be moved"):
        (lucid.Tensor([1.0], requires_grad=True) * 2.0).to("cuda")


def test_a_view_does_not_outlive_a_move(calls: Calls) -> None:
    base = lucid.Tensor([[1.0, 2.0], [3.0, 4.0]])
    row = base[0]
    double = lucid.compile(lambda: row * 2.0, target="cuda")
    assert double().tolist() == [2.0, 4.0], "a program reads through it"
    base.copy_(lucid.Tensor([[5.0, 6.0], [7.0, 8.0]]))
    assert double().tolist() == [10.0, 12.0]
    for use in (row.tolist, lambda: row + 1.0, lambda: repr(row), lambda: lucid.compile(lambda x: x * 2.0)(row)):
        with pytest.raises(ArgumentError, match="a view of a tensor was used that has since been moved to 'cuda'"):
            use()


def test_a_backward_that_runs_later_is_refused_when_it_is_compiled(calls: Calls) -> None:
    model = nn.Linear(4, 2)
    fast = lucid.compile(model, target="cuda")
    with pytest.raises(CompileError, match=r"compiles steps whose backward is inside[^\n]*\n(.*\n)*.*lucid.no_grad"):
        fast(X)
    with lucid.no_grad():
        assert fast(X).shape == (3, 2)


def test_without_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    devices.gpu.cache_clear()
    with pytest.raises(CompileError) as raised:
        lucid.Tensor([1.0]).to("cuda")
    assert raised.value.sentence == "target 'cuda' runs its kernels through CuPy, which is not installed."
    assert 'pip install "lucid-compiler[cuda]", on a machine with an NVIDIA GPU' in str(raised.value)
    assert "with target='cpu', lower(...).cuda_source() shows them" in str(raised.value)
    with mock.patch("lucid.codegen.cuda.nvrtc.nvrtc", side_effect=AssertionError("asked for NVRTC")):
        assert "__global__" in lucid.compile(lambda x: x * 2.0, target="cpu").lower(X).cuda_source()
    double = lucid.compile(lambda x: x * 2.0, target="cuda")
    for call in (double, lambda x: double.repeat(x)):
        with (
            mock.patch("lucid.codegen.cuda.target.nvrtc", side_effect=AssertionError("compiled for nothing")),
            pytest.raises(CompileError, match="which is not installed"),
        ):
            call(X)


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import cuda.pathfinder", "No module named 'cuda.pathfinder'; 'cuda' is not a package"),
        (
            "try:\n  from math import nothing\nexcept ImportError as error:\n  raise ImportError('advice') from error",
            "cannot import name 'nothing' from 'math'",
        ),
    ],
    ids=["hidden", "wrapped"],
)
def test_a_cupy_that_fails_is_not_told_to_be_missing(
    source: str, cause: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cupy.py").write_text(source)
    for name in ("cupy", "cuda.pathfinder"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "cuda", ModuleType("cuda"))  # as a file of that name beside the script is
    monkeypatch.syspath_prepend(tmp_path)
    devices.gpu.cache_clear()
    with pytest.raises(CompileError) as raised:
        lucid.Tensor([1.0]).to("cuda")
    assert "through CuPy, which is installed but can't be imported: " in raised.value.sentence
    assert cause in raised.value.sentence
    assert isinstance(raised.value.__cause__, ImportError)
    assert "such as cuda.py, hides that package" in (raised.value.hint or "")


def test_without_a_gpu_programs_compile_and_say_so_when_they_run(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_with_nvrtc("", "sm_80")
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(is_available=lambda: False))
    monkeypatch.delenv(devices.ARCHITECTURE_VARIABLE, raising=False)
    devices.gpu.cache_clear()
    double = lucid.compile(lambda x: x * 2.0, target="cuda")
    program = double.lower(X)
    assert "__global__" in program.cuda_source()
    assert program._compiled.executable.code.machine_code.startswith(b"\x7fELF")
    with pytest.raises(
        CompileError, match=r"needs an NVIDIA GPU and its driver, and CuPy finds none[^\n]*\n.*\n.*nvidia-smi"
    ):
        double(X)


def test_without_nvrtc() -> None:
    nvrtc.cache_clear()
    try:
        with (
            mock.patch("lucid.codegen.cuda.nvrtc._candidates", return_value=iter(["libnvrtc-that-is-not-there.so"])),
            pytest.raises(CompileError, match=r"neither the wheel nvidia-cuda-nvrtc-cu12 nor CUDA 12 is installed"),
        ):
            lucid.compile(lambda x: x * 2.0, target="cuda").lower(X)
    finally:
        nvrtc.cache_clear()


def test_what_nvrtc_refuses_is_shown() -> None:
    with pytest.raises(
        CompileError, match=r'NVRTC refuses the CUDA C of a program for sm_80: .*"nonsense" is undefined'
    ):
        compile_with_nvrtc('extern "C" __global__ void f() { nonsense; }', "sm_80")


@pytest.mark.parametrize("name", ["90", "compute_80", "sm_", "hopper"])
def test_names_of_architectures_have_a_form(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(devices.ARCHITECTURE_VARIABLE, name)
    with pytest.raises(CompileError) as raised:
        lucid.compile(lambda x: x * 2.0, target="cuda").lower(X)
    assert raised.value.sentence == f"LUCID_CUDA_ARCH is the architecture of a GPU, such as sm_80, got '{name}'."
    assert raised.value.hint == "nvidia-smi --query-gpu=compute_cap --format=csv tells it: 9.0 is sm_90."


def test_an_architecture_that_nvrtc_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    """Named, or that of a GPU which is newer."""
    compile_with_nvrtc("", "sm_80")
    monkeypatch.setenv(devices.ARCHITECTURE_VARIABLE, "sm_999")
    with pytest.raises(CompileError) as raised:
        lucid.compile(lambda x: x * 2.0, target="cuda").lower(X)
    assert re.fullmatch(r"NVRTC 12\.\d+ compiles for (sm_\d+, )+got sm_999\.", raised.value.sentence)
    assert "sm_80, " in raised.value.sentence
    assert raised.value.hint == (
        "for a newer GPU: pip install --upgrade nvidia-cuda-nvrtc-cu12; LUCID_CUDA_ARCH names another architecture."
    )


def test_machine_code_is_kept_for_an_architecture_and_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_with_nvrtc("", "sm_80")
    identities = set()
    assert re.search(r"Build ID: \S+ .* release 12\.\d+, V12\.\d+\.\d+", nvrtc().build)
    for architecture, build in (("sm_80", "V12.6.77"), ("sm_90", "V12.6.77"), ("sm_80", "V12.6.85")):
        monkeypatch.setenv(devices.ARCHITECTURE_VARIABLE, architecture)
        monkeypatch.setattr(nvrtc(), "build", build)
        identities.add(CUDATarget().identity())
    assert len(identities) == 3


def test_captured_arrays_are_read_at_each_call_and_not_written(calls: Calls) -> None:
    array = np.ones(3, np.float32)
    add = lucid.compile(lambda x: x + array, target="cuda")
    for _ in range(2):
        assert add(array).tolist() == (array * 2).tolist()
        array[1] = 5.0

    @lucid.compile(target="cuda")
    def write() -> None:
        lucid.as_tensor(array)[0] = 7.0

    with pytest.raises(CompileError) as raised:
        write()
    assert raised.value.sentence == "target 'cuda' cannot update a NumPy array that the function captures."
    assert array.tolist() == [1.0, 5.0, 1.0]


def test_trapping_is_for_the_cpu(calls: Calls) -> None:
    message = "numbers that are not finite are trapped on the CPU only"
    with pytest.raises(CompileError, match=message):
        lucid.compile(lambda x: x * 2.0, target="cuda", trap="nan").lower(X)
    double = lucid.compile(lambda x: x * 2.0, target="cuda")
    double(X)
    with lucid.debug.trap_nan(), pytest.raises(CompileError, match=message):
        double(X)
