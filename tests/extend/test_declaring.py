"""What is wrong with an op that a user declares is said before code is written. One declared again replaces the old."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
from lucid.errors import LucidError, MissingNameError
from lucid.extend import Unary, op
from lucid.ir.ops.base import USER_REGISTRY
from lucid.ir.text import parse, print_graph
from tests.extend.user_ops import SCALAR, Hypot, Mix, Roll, Softsign, SumOfSquares, declared
from tests.oracle import assert_compiled_matches


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
            "tests.extend.test_declaring.Softsign.",
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
