"""The same comparison as `test_cuda_programs.py`, on a GPU where there is one: nothing here runs without it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

import lucid
from lucid.codegen.cuda.device import Device
from lucid.codegen.cuda.target import CUDATarget
from lucid.ir.graph import Graph
from lucid.ir.interpret import Outcome
from lucid.pytree import flatten
from tests.codegen.fake_cupy import installed, make
from tests.codegen.foreign import keep_busy
from tests.codegen.found_gpu import found_gpu
from tests.codegen.simulated import need_compiler, same_bits
from tests.codegen.test_cuda_programs import OPS, PROGRAMS, op_graphs, program_runs
from tests.codegen.trained import X, Y, trained
from tests.compile.steps import STEPS, Make
from tests.oracle import Array, run_compiled


def run_on(device: Device, graph: Graph, arrays: Sequence[Array]) -> Outcome:
    """What a graph computes on a GPU."""
    executable = CUDATarget().compile(graph)
    inputs = [device.upload(np.array(array)) for array in arrays]
    outputs = [device.empty(value.type) for value in graph.outputs]
    table = executable.new_table()
    table[:] = [device.address(array) for array in (*inputs, *outputs)]
    executable.run(table.ctypes.data)
    new = dict(zip(graph.inputs, inputs, strict=True))
    updates = tuple(device.download(new[state]) for state, _ in graph.updates)
    return Outcome(tuple(map(device.download, outputs)), updates)


@pytest.fixture(scope="module")
def device() -> Device:
    return found_gpu()


@pytest.mark.parametrize("name", OPS)
def test_ops(name: str, device: Device) -> None:
    graph, operands = op_graphs()[name]
    assert same_bits(run_on(device, graph, operands), run_compiled(graph, operands))


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str, device: Device) -> None:
    for run in program_runs()[name]:
        assert same_bits(run_on(device, run.graph, run.arrays), run.outcome)


@pytest.mark.parametrize("make_step", STEPS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("graphs", ["0", "1"])
def test_trajectories(make_step: Make, graphs: str, device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUCID_CUDA_GRAPHS", graphs)
    results = []
    for target in ("cpu", "cuda"):
        lucid.seed(5)
        step, batch = make_step()
        compiled = lucid.compile(step, target=target)
        results.append([leaf.numpy().tobytes() for _ in range(6) for leaf in flatten(compiled(*batch))[0]])
    assert results[0] == results[1]


def test_training(device: Device) -> None:
    assert [x.item() for x in trained("cuda", 20)[3]] == [x.item() for x in trained("cpu", 20)[3]]


def test_a_call_does_not_wait(device: Device) -> None:
    *_, step, losses = trained("cuda", steps=1)
    losses[-1].item()
    cupy = device._cupy
    with cupy.cuda.Stream(non_blocking=True) as stream:
        keep_busy(cupy)
        loss = step(X, Y)
        assert not stream.done
        loss.item()
        assert stream.done


def test_the_pool_of_cupy_lets_a_step_be_replayed(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing that the step before has returned is kept, as docs/gpu.md says."""
    monkeypatch.setenv("LUCID_CUDA_GRAPHS", "1")
    replayed, replay = [], Device.replay
    monkeypatch.setattr(Device, "replay", lambda *arguments: replayed.append(replay(*arguments)))
    found = [[loss.item() for loss in trained(target, 40)[3][-1:]] for target in ("cpu", "cuda")]
    assert not replayed, "the losses are kept"
    _, _, step, losses = trained("cuda", 1)
    for _ in range(39):
        losses = [step(X, Y)]
    assert [loss.item() for loss in losses] == found[0] == found[1]
    assert len(replayed) > 20


def test_the_comparison_itself_works_on_the_imitation() -> None:
    """So that the tests above will not be run for the first time on a GPU."""
    need_compiler()
    with installed():
        device = Device(make())
        run = program_runs()["Linear"][0]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("lucid.codegen.cuda.target.gpu", lambda: device)
            assert same_bits(run_on(device, run.graph, run.arrays), run.outcome)
