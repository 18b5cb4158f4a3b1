"""The scripts that measure single products, convolutions and kernels, and compilation: that each still runs."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import lucid
from lucid.codegen.cpu.machine import Parsed

FORMS = ("forward", "image", "weight")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    return importlib.import_module


def digest(runner: ModuleType, workload: Any) -> float:
    step = runner.build(workload, workload.arrays())
    step.run(2)
    return float(step.check())


@pytest.mark.parametrize("form", ["forward", "weight", "input"])
@pytest.mark.parametrize("peer", ["numpy", "torch"])
def test_products_are_those_of_each_peer(script: Any, form: str, peer: str) -> None:
    pytest.importorskip(peer)
    product = script("singles").Product("small", 3, 4, 5, form)
    assert digest(script("run_lucid"), product) == pytest.approx(digest(script(f"run_{peer}"), product), rel=1e-6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("kernel", "stride", "groups"), [(3, 1, 1), (1, 2, 1), (3, 2, 4)])
def test_convolutions_are_those_of_pytorch_in_both_layouts(
    script: Any, monkeypatch: pytest.MonkeyPatch, form: str, kernel: int, stride: int, groups: int
) -> None:
    pytest.importorskip("torch")
    convolution = script("singles").Convolution(4, 8, kernel, 6, form, stride, groups)
    ours = digest(script("run_lucid"), convolution)
    torch = script("run_torch")
    for last in (False, True):
        monkeypatch.setattr(torch, "CHANNELS_LAST", last)
        assert ours == pytest.approx(digest(torch, convolution), rel=1e-5)


def test_a_convolution_counts_what_its_sums_multiply(script: Any) -> None:
    singles = script("singles")
    assert singles.Convolution(3, 64, 7, 224, "forward", 2).flops() == 2 * 8 * 112**2 * 64 * 3 * 49
    assert singles.Convolution(512, 512, 3, 7, "image", groups=512).flops() == 2 * 8 * 49 * 512 * 9
    named = [one.name for one in singles.convolutions()]
    assert len(named) == len(set(named))


def test_products_are_those_of_the_blas(script: Any) -> None:
    products = script("products")
    blas, cores = products.Blas(), script("cores").Cores(1)
    for product in (products.Product(2, 3, 4, 5, b=True), products.Product(1, 1, 4, 5)):  # with sgemm, and with sgemv
        assert min(products.compare(product, blas, cores, 1)) > 0  # it raises where the results differ


def test_bounds_show_each_kernel_of_a_step(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    roofs = {"flops_per_second": [1e9], "bytes_per_second": [1e9]}
    monkeypatch.setattr(script("machine"), "measured", lambda threads: roofs)
    monkeypatch.setattr("sys.argv", ["bounds.py", "--nodes", "--rows", "linear-4-2"])
    threads = lucid.get_num_threads()
    try:
        script("bounds").main()
    finally:
        lucid.set_num_threads(threads)
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert any(row.startswith("| linear-4-2 |") for row in rows)
    assert any("| 0: Linear" in row for row in rows)


def test_every_kernel_has_a_time(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = script("kernels")
    for name in ("DRAWN", "CACHED"):
        monkeypatch.setattr(kernels, name, 64)
    monkeypatch.setattr(kernels, "SHAPES", ((4, 6), (2, 3, 4, 5)))
    monkeypatch.setattr(kernels, "TURNS", 1)
    for name, group in kernels.GROUPS.items():
        times = {kernel.title: kernels.measured(kernel, 0.0) for kernel in group()}
        assert all(ours > 0 for ours, *_ in times.values())
        assert all((numpy is None) == (name == "dropouts") for _, numpy, _ in times.values())


def test_a_program_of_twice_the_size_has_a_row(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LUCID_CACHE", "0")
    compile_time = script("compile_time")
    small = {"one layer": lambda: compile_time.perceptron(1), "two": lambda: compile_time.perceptron(2)}
    monkeypatch.setattr(compile_time, "PROGRAMS", {**small, "loop": lambda: compile_time.loop(2)})
    compile_time.show_sizes(1)
    nodes = [int(line.split("|")[2]) for line in capsys.readouterr().out.splitlines()[2:]]
    assert nodes[0] < nodes[1] < 2 * nodes[0]
    assert len(nodes) == 3


def test_llvm_can_be_told_to_optimize(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUCID_CACHE", "0")
    monkeypatch.setattr(Parsed, "object_code", Parsed.object_code)  # restored behind the test
    compile_time = script("compile_time")
    monkeypatch.setattr(compile_time, "STEP_SECONDS", 0.0)
    optimized: list[Any] = []
    optimize = compile_time.optimize
    monkeypatch.setattr(compile_time, "optimize", lambda module: (optimized.append(module), optimize(module)))
    found = compile_time.one_process(compile_time.ON, "linear-4-2")
    assert optimized
    assert found["LLVM"] > 0
