"""Ops that users declare do all that Lucid's own do."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lucid
from lucid.ir.graph import same
from lucid.ir.ops import REGISTRY
from lucid.ir.ops.base import USER_REGISTRY
from lucid.ir.ops.declare import is_declared_by_user
from lucid.ir.ops.meaning import meaning
from lucid.ir.ops.structure import Fused
from lucid.ir.passes.pipeline import UNFUSED, run_pipeline
from lucid.ir.text import parse, print_graph
from lucid.ir.types import TensorType, float32, float64
from tests.extend.user_ops import SCALAR, Hypot, IsClose, Mix, RandomSign, Roll, Shift, Softsign, SumOfSquares, declared
from tests.oracle import assert_compiled_matches, assert_same_bits
from tests.samples import ANY, OTHER, Sample
from tests.test_ops import check_gradients, floats, gradients, weighted

SAMPLES = [
    Sample(Softsign(), (ANY,)),
    Sample(Hypot(), (ANY, OTHER)),
    Sample(IsClose(), (np.arange(6), np.array([0, 3, 2, 9, 5, 4]))),
    Sample(Mix(0.3), (ANY, OTHER)),
    Sample(Roll(2), (ANY,)),
    Sample(Roll(-4), (ANY,)),
    Sample(Shift(1), (ANY,)),
    Sample(Shift(-2), (ANY,)),
    Sample(Shift(7), (ANY,)),
    *(Sample(SumOfSquares(axes), (ANY,)) for axes in ((), (0,), (1,), (0, 1))),
    Sample(SumOfSquares((0,)), (np.ones((0, 3)),)),
    Sample(RandomSign(2, (3, 5)), (np.uint64(7), np.uint64(1), np.float64(0.5))),
]
DIFFERENTIABLE = [
    sample for sample in SAMPLES if not isinstance(sample.op, IsClose | RandomSign) and sample.operands[0].size
]


def named(sample: Sample) -> str:
    return f"{sample.op.name}-{sample.op.attributes()}"


# The contract of an op.


@pytest.mark.parametrize("sample", SAMPLES, ids=named)
def test_compiled_agrees_with_the_interpreter(sample: Sample) -> None:
    assert_compiled_matches(sample.graph(), sample.operands)


@pytest.mark.parametrize("sample", SAMPLES, ids=named)
def test_the_text_parses_to_an_equal_graph(sample: Sample) -> None:
    assert same(parse(print_graph(sample.graph())), sample.graph())


@pytest.mark.parametrize("sample", DIFFERENTIABLE, ids=named)
def test_derivatives_to_second_order(sample: Sample) -> None:
    from lucid.ir.interpret import interpret

    first, second = gradients(sample)
    check_gradients(lambda *x: weighted(interpret(sample.graph(), x).outputs[0]), first, floats(sample), sample)
    check_gradients(lambda *x: sum(weighted(g) for g in first(*x)), second, floats(sample), sample)


def test_what_they_compute() -> None:
    assert lucid.apply(Softsign(), [-3.0, 1.0]).tolist() == [-0.75, 0.5]
    assert lucid.apply(Hypot(), [3.0, 5.0], [4.0, 12.0]).tolist() == [5.0, 13.0]
    assert lucid.apply(IsClose(), [1, 2], [2, 5]).tolist() == [True, False]
    assert lucid.apply(Mix(0.25), [1, 2], [5, 6]).tolist() == [4.0, 5.0]
    assert lucid.apply(Roll(1), [1, 2, 3]).tolist() == [3, 1, 2]
    assert lucid.apply(Shift(1), [1, 2, 3]).tolist() == [0, 1, 2]
    assert lucid.apply(SumOfSquares((0,)), [1.0, 2.0, 3.0]).tolist() == 14.0


# In programs.


def mixed(x: lucid.Tensor) -> lucid.Tensor:
    y = lucid.apply(Softsign(), x * 2.0)
    y = lucid.apply(Roll(3), y) + lucid.apply(RandomSign(0, x.shape), 0.5)
    return lucid.apply(SumOfSquares((1,)), y - 1.0).sum()


def test_eager_and_compiled_are_one_program() -> None:
    found = []
    for function in (mixed, lucid.compile(mixed)):
        lucid.seed(3)
        x = lucid.Tensor(np.linspace(-2, 2, 24).reshape(3, 8), requires_grad=True)
        y = function(x)
        y.backward()
        assert x.grad is not None
        found.append((y.numpy(), x.grad.numpy()))
    for eager, compiled in zip(*found, strict=True):
        np.testing.assert_allclose(compiled, eager, rtol=1e-12)


def test_each_family_is_fused() -> None:
    @lucid.compile
    def step(x: lucid.Tensor) -> lucid.Tensor:
        y = lucid.apply(Softsign(), lucid.apply(Roll(1), x) * 2.0) + lucid.apply(RandomSign(0, (4, 6)), 1.0)
        return lucid.apply(SumOfSquares((1,)), y)

    program = step.lower(np.ones((4, 6), np.float32))
    node, advance = program.graph("fused").nodes
    assert isinstance(node.op, Fused)
    assert [value.name for value in advance.inputs] == ["rng.draw"]
    assert {inner.op.name for inner in node.op.body.nodes if "." in inner.op.name} == {
        "tests.softsign",
        "tests.roll",
        "tests.random_sign",
        "tests.sum_of_squares",
    }
    assert all(same(parse(program.ir(stage)), program.graph(stage)) for stage in program.stages)


def test_fused_and_unfused_give_the_same_bits() -> None:
    graph = lucid.compile(mixed).lower(np.ones((3, 8), np.float32)).graph("traced")
    stages = run_pipeline(graph), run_pipeline(graph, UNFUSED)
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(v.type.shape).astype(v.type.dtype.numpy) for v in graph.inputs]
    assert_same_bits(stages[0].final, stages[1].final, arrays)


def test_a_reduction_gets_its_lanes_from_its_shape() -> None:
    program = lucid.compile(lambda x: lucid.apply(SumOfSquares((1,)), x)).lower(np.ones((4, 1000), np.float32))
    (node,) = program.graph().nodes
    assert node.op == SumOfSquares((1,), lanes=32)


def test_an_op_of_unknown_error_is_not_folded() -> None:
    """NumPy might round it otherwise than compiled code."""
    program = lucid.compile(lambda: lucid.apply(Softsign(), lucid.full((4,), 0.3))).lower()
    assert "tests.softsign" in program.ir()


def test_an_op_is_copied_and_pickled_by_value() -> None:
    assert copy.deepcopy(Mix(0.5)) == pickle.loads(pickle.dumps(Mix(0.5))) == Mix(0.5) != Mix(0.25)


# The disk cache.

SCRIPT = """
import lucid
from helper import factor
from lucid.codegen import cache
from lucid.extend import Unary, op

@op("tests")
class Scaled(Unary):
    '''x times a factor.'''

    def scalar(self, s, x):
        return s.multiply(x, s.constant_like(factor(), x))

    def vjp(self, g, y, x):
        return (g * factor(),)

lucid.compile(lambda x: x + 1.0)(lucid.Tensor([1.0]))  # what all programs share is kept, too
stored = []
store = cache.store
cache.store = lambda key, entry: (stored.append(key), store(key, entry))
x = lucid.Tensor([1.0], requires_grad=True)
y = lucid.compile(lambda x: lucid.apply(Scaled(), x))(x)
y.backward()
print(y.tolist(), x.grad.tolist(), len(stored))
"""


def test_the_disk_cache_knows_an_op_by_what_it_does(tmp_path: Path) -> None:
    """Also where what changes is a helper in another file, which no look at the op's own source would tell."""

    def run(factor: float, comment: str = "") -> str:
        (tmp_path / "helper.py").write_text(f"{comment}\ndef factor():\n    return {factor}\n")
        (tmp_path / "script.py").write_text(comment + SCRIPT)
        command = [sys.executable, "-B", "script.py"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.strip()

    assert run(2.0) == "[2.0] [2.0] 1"
    assert run(2.0, comment="# another text of the same op\n") == "[2.0] [2.0] 0"
    assert run(3.0) == "[3.0] [3.0] 1"


def test_the_meaning_of_an_op_depends_on_each_part_of_it() -> None:
    x = TensorType(float32, (2, 3))
    texts = [
        meaning(Softsign(), [x]),
        meaning(Softsign(), [TensorType(float64, (2, 3))]),
        meaning(declared(SCALAR.format("s.add(x, x)"))(), [x]),
        meaning(declared(SCALAR.format("s.subtract(x, x)"))(), [x]),
        meaning(declared(SCALAR.format("s.add(x, s.constant_like(0.0, x))"))(), [x]),
        meaning(declared(SCALAR.format("s.add(x, s.constant_like(-0.0, x))"))(), [x]),
        meaning(Roll(1), [x]),
        meaning(Roll(2), [x]),
        meaning(SumOfSquares((0,)), [x]),
        meaning(SumOfSquares((1,)), [x]),
    ]
    assert len(set(texts)) == len(texts)
    assert meaning(Softsign(), [x]) == meaning(Softsign(), [x])


def test_ops_of_lucid_are_not_taken_for_a_users() -> None:
    assert not any(map(is_declared_by_user, REGISTRY.values()))
    assert all(map(is_declared_by_user, USER_REGISTRY.values()))
