"""Ops that users declare do all that Lucid's own do, and what is wrong with one is said before code is written."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lucid
from lucid.errors import LucidError, MissingNameError
from lucid.extend import Unary, op
from lucid.ir.graph import same
from lucid.ir.ops import REGISTRY
from lucid.ir.ops.base import USER_REGISTRY
from lucid.ir.ops.declare import is_declared_by_user
from lucid.ir.ops.meaning import meaning
from lucid.ir.ops.structure import Fused
from lucid.ir.passes.pipeline import UNFUSED, run_pipeline
from lucid.ir.text import parse, print_graph
from lucid.ir.types import TensorType, float32, float64
from tests.extend.user_ops import Hypot, IsClose, Mix, RandomSign, Roll, Shift, Softsign, SumOfSquares
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


@pytest.fixture(autouse=True)
def _registry_is_as_before() -> object:
    before = dict(USER_REGISTRY)
    yield
    USER_REGISTRY.clear()
    USER_REGISTRY.update(before)


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


# Declaring.


def declared(body: str = "", base: str = "Unary", namespace: str = "tests", doc: str = "A test.") -> Any:
    """A class like one in a cell of a notebook."""
    names: dict[str, Any] = {"__name__": "__main__"}
    lines = [f'"""{doc}"""' if doc else "pass", *body.splitlines()]
    source = "\n".join(
        [
            "from lucid.extend import *",
            "from lucid.extend import op",
            "from lucid.ir.scalar_numpy import NumpyScalars",
            f"@op({namespace!r})",
            f"class Cell({base}):",
            *(f"    {line}" for line in lines),
        ]
    )
    exec(source, names)
    return names["Cell"]


SCALAR = "def scalar(self, s, x): return {}"


def test_a_cell_that_runs_again_replaces_the_op() -> None:
    first = declared(SCALAR.format("s.add(x, x)"))
    graph = parse("graph(%x: f32[2]) { %y = tests.cell %x; return %y }")
    second = declared(SCALAR.format("s.multiply(x, x)"))
    x = np.array([3.0, 4.0], np.float32)
    assert lucid.apply(first(), x).tolist() == [6.0, 8.0]  # what has the old one keeps it
    assert lucid.apply(second(), x).tolist() == [9.0, 16.0]
    assert_compiled_matches(graph, [x])
    assert type(parse(print_graph(graph)).nodes[0].op) is second


def test_a_compiled_function_sees_the_new_op() -> None:
    names: dict[str, Any] = {"lucid": lucid, "Cell": declared(SCALAR.format("s.add(x, x)")), "__name__": "__main__"}
    exec("def step(x):\n    return lucid.apply(Cell(), x)", names)
    step = lucid.compile(names["step"])
    x = np.array([3.0, 4.0], np.float32)
    assert step(x).tolist() == [6.0, 8.0]
    names["Cell"] = declared(SCALAR.format("s.multiply(x, x)"))
    assert step(x).tolist() == [9.0, 16.0]
    assert len(step.programs) == 2


@pytest.mark.parametrize(
    ("declare", "message", "hint"),
    [
        (
            lambda: declared(SCALAR.format("x"), namespace="Tests"),
            "an op is declared in a namespace of lower-case letters, digits and _, got 'Tests'.",
            'write @lucid.extend.op("mylib")',
        ),
        (
            lambda: declared(base="object"),
            "tests.cell is declared as an op and derives from no family of ops.",
            "derive it from lucid.extend.Unary, Binary, Elementwise, Reduction, Movement or Random.",
        ),
        (
            lambda: declared(SCALAR.format("x"), doc=""),
            "the op tests.cell has no docstring.",
            "say in a line what it computes.",
        ),
        (lambda: declared(), "the op tests.cell does not define scalar.", None),
        (lambda: declared(base="Movement"), "the op tests.cell does not define infer and pieces.", None),
        (
            lambda: declared("axes: tuple[int, ...]\nlanes: int = 0", base="Reduction"),
            "the op tests.cell does not define combine and identity and lift and result.",
            None,
        ),
        (
            lambda: declared("table: dict[str, int]\n" + SCALAR.format("x")),
            "the attribute table of tests.cell has the type dict[str, int], which IR text has no words for.",
            "attributes are int, float, bool, str, dtypes, tensor types, and tuples of them.",
        ),
        (
            lambda: declared("by: 'Missing'\n" + SCALAR.format("x")),
            "the attributes of tests.cell have types that are not known here: name 'Missing' is not defined.",
            None,
        ),
        (
            lambda: op("tests")(type("Softsign", (Unary,), {"__doc__": "x.", "scalar": lambda self, s, x: x})),
            "the op tests.softsign is declared twice, by tests.extend.user_ops.Softsign and by "
            "tests.extend.test_ops.Softsign.",
            "give one of them another name or namespace.",
        ),
    ],
)
def test_a_wrong_declaration(declare: Callable[[], Any], message: str, hint: str | None) -> None:
    before = dict(USER_REGISTRY)
    with pytest.raises(LucidError) as caught:
        declare()
    assert (caught.value.sentence, caught.value.hint) == (message, hint)
    assert before == USER_REGISTRY


OPERATORS = (
    "the elements that an op computes on know no operators.",
    "use the methods of the first argument: s.add(x, y) for x + y, s.select(condition, x, y) for an `if`.",
)
CAST = "convert with s.cast(x, dtype)."


@pytest.mark.parametrize(
    ("body", "message", "hint"),
    [
        (SCALAR.format("x * x"), *OPERATORS),
        (SCALAR.format("x if s.less(x, x) else x"), *OPERATORS),
        (SCALAR.format("abs(x)"), *OPERATORS),
        (
            SCALAR.format("s.add(x, 1.0)"),
            "tests.cell: `add` takes elements, got 1.0.",
            "make an element of a number: s.constant_like(0.5, x).",
        ),
        (
            SCALAR.format("s.add(x, s.constant(1.0, TensorType(x.dtype, ()).dtype)) and None"),
            *OPERATORS,
        ),
        (SCALAR.format("None"), "tests.cell: `scalar` returns an element, got None.", None),
        (SCALAR.format("s.constant('1', x.dtype)"), "tests.cell: a constant is a Python number, got '1'.", None),
        (SCALAR.format("s.sqr(x)"), "tests.cell: the vocabulary has no `sqr`.", "there is `sqrt`."),
        (
            SCALAR.format("s.less(x, x)"),
            "tests.cell: `scalar` gives bool where float32 is expected.",
            CAST,
        ),
        (
            SCALAR.format("s.add(x, s.less(x, x))"),
            "tests.cell: `add` takes numbers of one dtype, got float32 and bool.",
            CAST,
        ),
        (
            SCALAR.format("s.bit_and(x, x)"),
            "tests.cell: `bit_and` takes integers or bools of one dtype, got float32 and float32.",
            CAST,
        ),
        (SCALAR.format("s.select(x, x, x)"), "tests.cell: `select` takes a bool first, got float32.", None),
        (
            SCALAR.format("s.bitcast(x, __import__('lucid').uint8)"),
            "tests.cell: `bitcast` keeps the number of bits, got float32 for uint8.",
            None,
        ),
    ],
)
def test_a_formula_that_does_not_fit(body: str, message: str, hint: str | None) -> None:
    """It is found in eager code, too, where NumPy would have put up with most of it."""
    cell = declared(body)
    for function in (lucid.apply, lambda op, x: lucid.compile(lambda x: lucid.apply(op, x))(x)):
        with pytest.raises(LucidError) as caught:
            function(cell(), np.ones(2, np.float32))
        assert (caught.value.sentence, caught.value.hint) == (message, hint)


@pytest.mark.parametrize(
    ("body", "name", "hint"),
    [
        (
            "g * x.tanh()",
            "tanh",
            "apply the op: `from lucid.ir.ops.elementwise import Tanh`, then `x.apply(Tanh())`.",
        ),
        (
            "x.maximum(g)",
            "maximum",
            "apply the op: `from lucid.ir.ops.elementwise import Maximum`, then `x.apply(Maximum(), y)`.",
        ),
        (
            "x.cumulated(g)",
            "cumulated",
            "formulas are written with operators, and `x.apply(...)` of the ops in lucid.ir.ops and your own.",
        ),
        ("x.sqr()", "sqr", "there is `sqrt`."),
    ],
)
def test_a_derivative_with_a_method_that_there_is_not(
    body: str, name: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Softsign, "vjp", lambda self, g, y, x: (eval(body, {"g": g, "x": x}),))
    y = lucid.apply(Softsign(), lucid.Tensor([1.0, 2.0], requires_grad=True))
    with pytest.raises(MissingNameError) as caught:
        y.sum().backward()
    assert caught.value.sentence == f"a value in a `vjp` or a pass has no method `{name}`."
    assert caught.value.hint == hint


def test_a_wrong_formula_in_a_parsed_graph_reaches_no_code_generator() -> None:
    declared(SCALAR.format("s.less(x, x)"))
    graph = parse("graph(%x: f32[2]) { %y = tests.cell %x; return %y }")
    from lucid.codegen.cpu.target import CPUTarget

    with pytest.raises(LucidError, match="`scalar` gives bool where float32 is expected"):
        CPUTarget().compile(graph)


def test_a_reduction_with_accumulators_that_do_not_fit() -> None:
    body = """axes: tuple[int, ...]
lanes: int = 0
def result(self, operand): return operand
def identity(self, s, dtype): return (s.constant(0, dtype), s.constant(0, dtype))
def lift(self, s, x, position): return {lift}
def combine(self, s, a, b): return (s.add(a[0], b[0]), s.add(a[1], b[1]))
"""
    with pytest.raises(LucidError) as caught:
        lucid.apply(declared(body.format(lift="(x,)"), base="Reduction")((0,)), [1.0])
    assert caught.value.sentence.startswith("tests.cell: `lift` returns as many elements as `identity`, 2, got (")
    with pytest.raises(LucidError) as caught:
        lucid.apply(declared(body.format(lift="(x, position)"), base="Reduction")((0,)), [1.0])
    assert caught.value.sentence == "tests.cell: `lift` gives int64 where float32 is expected."


MOVE = "def infer(self, operands): return operands\ndef pieces(self, index, operands): return ({},)"


@pytest.mark.parametrize(
    ("piece", "message"),
    [
        ("Piece(0, (index[0] + 1,))", "tests.cell: a piece may read f32[3] at positions from 1 to 3."),
        (
            "Piece(0, (index[0] - 1,), ((index[0], 3),))",
            "tests.cell: a piece may read f32[3] at positions from -1 to 1.",
        ),
        (
            "Piece(1, index)",
            "tests.cell: a piece has an index for each axis of an operand, got Piece(operand=1, "
            "index=(Index(terms=((Axis(number=0, extent=3), 1),), constant=0),), bounds=()).",
        ),
    ],
)
def test_a_movement_that_would_read_elsewhere(piece: str, message: str) -> None:
    cell = declared(MOVE.format(piece), base="Movement")
    with pytest.raises(LucidError) as caught:
        lucid.apply(cell(), [1.0, 2.0, 3.0])
    assert caught.value.sentence == message


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lucid.apply(Softsign, [1.0]), "apply takes an op, got <class 'tests.extend.user_ops.Softsign'>."),
        (lambda: lucid.apply(len, [1.0]), "apply takes an op, got <built-in function len>."),
        (lambda: lucid.apply(Hypot(), [1.0]), "tests.hypot takes 2 operands, got 1."),
        (lambda: lucid.apply(Mix(1), [1.0], [2.0]), "tests.mix takes share as float, got 1."),
        (lambda: lucid.apply(Roll([1]), [1.0]), "tests.roll takes by as int, got [1]."),
        (
            lambda: lucid.apply(SumOfSquares((1,)), [1.0]),
            "tests.sum_of_squares takes ascending axes of f32[1], got (1,).",
        ),
        (
            lambda: lucid.apply(Hypot(), [1.0, 2.0], [1.0, 2.0, 3.0]),
            "shapes (2,) and (3,) do not broadcast to one shape.",
        ),
    ],
)
def test_a_wrong_call(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(LucidError) as caught:
        call()
    assert caught.value.sentence == message


def test_the_text_of_an_op_that_is_not_declared() -> None:
    with pytest.raises(LucidError) as caught:
        parse("graph(%x: f32[2]) { %y = elsewhere.cube %x; return %y }")
    assert caught.value.sentence == "expected an op, got `elsewhere.cube`."
    assert caught.value.hint == "import the module that declares it first."


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
