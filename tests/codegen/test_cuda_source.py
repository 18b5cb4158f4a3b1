"""`program.cuda_source()`: a file that runs as its header says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid.codegen.cuda.module import write_module
from lucid.codegen.cuda.plan import Launch
from lucid.codegen.cuda.simulator.library import Library, build
from lucid.codegen.cuda.source import cuda_source
from lucid.errors import CompileError
from lucid.ir.graph import Graph
from lucid.ir.interpret import Outcome
from lucid.ir.passes.pipeline import run_pipeline
from lucid.ir.text import parse
from tests.codegen.found_gpu import found_gpu
from tests.codegen.nvrtc import compile_with_nvrtc
from tests.codegen.simulated import need_compiler, same_bits
from tests.codegen.test_cuda_programs import PROGRAMS, program_runs
from tests.compile.steps import STEPS, Make, inputs_for
from tests.oracle import run_compiled

FUNCTION = re.compile(r'^extern "C" __global__ void (?:__launch_bounds__\([\d, ]+\) )?(\w+)\(', re.MULTILINE)


def cupy_on_the_simulator() -> Any:
    """As much of CuPy as a header uses, over the simulator."""
    libraries: dict[str, Library] = {}

    def raw_kernel(source: str, name: str, options: tuple[str, ...]) -> Any:
        assert "--fmad=false" in options
        if source not in libraries:
            names = FUNCTION.findall(source)
            libraries[source] = Library(build(source, names))

        def run(blocks: tuple[int, int], threads: tuple[int], arguments: tuple[Any, ...]) -> None:
            arrays = [x for x in arguments if isinstance(x, np.ndarray)]
            scalars = tuple(int(x) for x in arguments[len(arrays) :])
            assert all(type(x) is np.int32 for x in arguments[len(arrays) :])
            launch = Launch(name, blocks, threads[0], tuple(range(len(arrays))), scalars)
            libraries[source].launch(launch, [x.ctypes.data for x in arrays])

        return run

    arrays = {"empty": np.empty, "zeros": np.zeros, "asarray": np.asarray, "asnumpy": np.asarray}
    return SimpleNamespace(RawKernel=raw_kernel, int32=np.int32, **arrays)


@pytest.fixture(params=["simulator", "gpu"])
def header_function(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """See `header_function_of`: with CuPy on the simulator, and with itself where there is a GPU."""
    if request.param == "simulator":
        need_compiler()
        cupy = cupy_on_the_simulator()
    else:
        cupy = found_gpu()._cupy
    return partial(header_function_of, cupy, tmp_path, monkeypatch)


def header_function_of(cupy: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> Any:
    """The function that the header of a source defines, run where the source is, for arrays of NumPy. It returns all
    results, and the arguments as they are then."""
    lines = text[: text.index("\n\n")].splitlines()
    code = "\n".join(line[7:] for line in lines if line.startswith("//     ") or line == "//")
    *_, name = re.findall(r"^def (\w+)", code, re.MULTILINE)  # behind its helpers
    (folder / f"{name}.cu").write_text(text)
    monkeypatch.chdir(folder)
    monkeypatch.setitem(__import__("sys").modules, "cupy", cupy)
    scope: dict[str, Any] = {}
    exec(compile(code, "header", "exec"), scope)

    def function(*arrays: Any) -> tuple[list[Any], list[Any]]:
        given = [cupy.asarray(array) for array in arrays]
        found = scope[name](*given)
        results = found if isinstance(found, tuple) else () if found is None else (found,)
        return list(map(cupy.asnumpy, results)), list(map(cupy.asnumpy, given))

    return function


def without_subnormals(outcome: Outcome) -> Outcome:
    """An outcome in which float32 numbers that are subnormal are 0, as the header says that RawKernel has them."""

    def flushed(array: Any) -> Any:
        array = np.asarray(array)
        if array.dtype != np.float32:
            return array
        return np.where(np.abs(array) < np.finfo(np.float32).tiny, np.copysign(np.float32(0), array), array)

    return Outcome(tuple(map(flushed, outcome.outputs)), tuple(map(flushed, outcome.updates)))


def final_graph(make: Make) -> Graph:
    step, batch = make()
    return lucid.compile(step).lower(*batch).graph("fused")


@pytest.mark.parametrize("make", STEPS, ids=lambda make: make.__name__)
def test_the_header_runs_the_program(make: Make, header_function: Any) -> None:
    graph = final_graph(make)
    arrays = inputs_for(graph)
    expected = run_compiled(graph, arrays)
    outputs, given = header_function(cuda_source(graph))(*arrays)
    states = dict(zip(graph.inputs, given, strict=True))
    found = Outcome(tuple(outputs), tuple(states[state] for state, _ in graph.updates))
    assert same_bits(without_subnormals(expected), without_subnormals(found))


def test_the_header_raises_where_a_check_fails(header_function: Any) -> None:
    graph = parse('graph @g(%i: i64[], %n: i64[4]) { check %i, %n, message="no"; return }')
    function = header_function(cuda_source(graph))
    assert function(np.array(-1), np.arange(4))[0] == []
    with pytest.raises(ValueError, match="check 0 failed: position 3, value 7"):
        function(np.array(3), np.array([1, 2, 5, 7]))


def test_names_are_names_in_python(header_function: Any) -> None:
    graph = parse(
        "graph @lambda(%class: f32[2], %0.weight: f32[2], %arena: f32[2]) "
        "{ %status: f32[2] = add %class, %0.weight; %out: f32[2] = mul %status, %arena; return %out }"
    )
    text = cuda_source(graph)
    assert "def lambda_(class_, x0_weight, arena_2):" in text
    ones = np.ones(2, np.float32)
    ((found,), _) = header_function(text)(ones, ones, 3 * ones)
    np.testing.assert_array_equal(found, 6 * ones)


# Everything that a header uses or defines, and the locals of its loops.
WORDS = (
    *("cupy", "file", "source", "options", "launch", "element", "arena", "status", "open", "range", "ValueError"),
    *("place", "place_2", "part", "part_2", "part_3"),
)


@pytest.mark.parametrize("name", ["launch", "range", "part"])
def test_no_name_hides_what_the_header_uses(name: str, header_function: Any) -> None:
    """A program whose header has all of it: loops in loops, an arena, a check."""
    inputs = ", ".join(f"%{word}: f32[]" for word in WORDS)
    total = "".join(f" %t{n}: f32[] = add %{f't{n - 1}' if n else 'h'}, %{word};" for n, word in enumerate(WORDS))
    graph = parse(
        f"graph @{name}({inputs}, %xs: f32[2, 3], %i: i64[], %n: i64[4]) {{"
        ' check %i, %n, message="no"; %h: f32[] = const value=0.0;'
        f" {total}"
        f" %last: f32[] = scan %t{len(WORDS) - 1}, %xs, length=2, carries=1, sequences=1 (%h: f32[], %x: f32[3]) {{"
        "   %l: f32[] = scan %h, %x, length=3, carries=1, sequences=1, reverse=true (%h: f32[], %x: f32[]) {"
        "     %0: f32[] = add %h, %x; %1: f32[] = sin %0; return %1 }; return %l };"
        " return %last, %h, %xs, %last }"
    )
    arrays = [*np.linspace(0, 1, len(WORDS), dtype="f"), np.ones((2, 3), "f"), np.array(-1), np.arange(4)]
    arrays = [np.asarray(array) for array in arrays]
    text = cuda_source(graph)
    assert all(word in text for word in ("def element(", "arena = ", "status = ", "for place", "ValueError("))
    found, _ = header_function(text)(*arrays)
    assert same_bits(run_compiled(graph, arrays), Outcome(tuple(found), ()))


PLACE = re.compile(r"^(?:.*  )?(\w+\.py:\d+)$", re.MULTILINE)


def comments(graph: Graph) -> Iterator[tuple[list[str], Graph]]:
    """The user's lines over each function of a graph, and the first IR over it."""
    for text in write_module(graph).functions.values():
        comment = re.sub("^// ", "", text[: text.index('extern "C"')], flags=re.MULTILINE)
        ir = re.search(r"^graph \(.*?^}$", comment, re.MULTILINE | re.DOTALL)
        assert ir, comment
        yield PLACE.findall(comment), parse(ir[0])


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_function_shows_its_ir_and_the_lines_of_the_user(program: str) -> None:
    """An argument that is a result as it is, no line computes: what copies it has none."""
    for graph in dict.fromkeys(run.graph for run in program_runs()[program]):
        for places, ir in comments(graph):
            copies = [node.op.name for node in ir.nodes] == ["detach"] and not set(graph.inputs).isdisjoint(
                graph.results
            )
            assert places or copies, ir


def test_a_function_shows_all_that_it_computes_and_where_that_is_from() -> None:
    graph = parse("""graph @g(%x: f32[300, 40], %w: f32[40, 300], %v: f32[40, 200], %b: f32[300, 300]) {
  %0: f32[300, 300] = matmul %x, %w                      # 0: Linear  a.py:1
  %1: f32[300, 300] = add %0, %b                         # 1: ReLU  a.py:2
  %2: f32[300, 200] = matmul %x, %v                      # a.py:3
  %3: f32[200, 300] = transpose %2, permutation=(1, 0)
  %4: f32[200, 300] = exp %3                             # a.py:4
  return %1, %2, %4
}""")
    found = [(places, [node.op.name for node in ir.nodes]) for places, ir in comments(run_pipeline(graph).final)]
    assert found == [
        (["a.py:1", "a.py:2"], ["matmul", "add"]),
        (["a.py:3"], ["matmul"]),
        (["a.py:4"], ["transpose", "exp"]),
    ]


def test_a_function_of_several_nodes_shows_the_ir_of_each_once() -> None:
    graph = parse("""graph @g(%x: f32[300, 400], %w: f32[400, 300], %v: f32[400, 200]) {
  %0: f32[300, 300] = matmul %x, %w  # a.py:1
  %1: f32[300, 200] = matmul %x, %v  # a.py:2
  %2: f32[300, 300] = matmul %x, %w  # a.py:3
  return %0, %1, %2
}""")
    (text,) = write_module(graph).functions.values()
    assert re.findall(r"^// (a\.py.*|.* = matmul .*)$", text, re.MULTILINE) == [
        *("a.py:1", "a.py:2", "a.py:3"),
        *("  %2: f32[300, 300] = matmul %0, %1", "  %2: f32[300, 200] = matmul %0, %1"),
    ]


def test_the_random_state_moves_on_at_the_line_of_the_last_draw() -> None:
    def step(x: Any) -> Any:
        kept = F.dropout(x, 0.5)
        return F.dropout(kept.exp(), 0.2)

    graph = lucid.compile(step).lower(np.ones(5, np.float32)).graph("traced")
    drawn = [node.location for node in graph.nodes if node.op.name == "random_keep"]
    ((_, new),) = graph.updates
    assert graph.producers()[new].location == drawn[-1] != drawn[0]


def test_nvrtc_compiles_the_file() -> None:
    step, batch = STEPS[1]()
    compile_with_nvrtc(lucid.compile(step).lower(*batch).cuda_source(), "sm_80")


def test_a_program_for_the_simulator_has_the_same_file() -> None:
    need_compiler()
    texts = []
    for target in ("cpu", "cuda-sim"):
        step, batch = STEPS[2]()
        texts.append(lucid.compile(step, target=target).lower(*batch).cuda_source())
    assert texts[0] == texts[1]


def test_what_cannot_be_done_names_the_line() -> None:
    graph = parse("graph(%x: f32[3]) {\n  %y: f32[3] = grad %x, %x, %x  # 0: Linear  train.py:12\n  return %y\n}")
    with pytest.raises(CompileError, match=r"does not support grad: the pass[^\n]*\n  train.py:12"):
        cuda_source(graph)
