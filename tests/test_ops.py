"""The contract of an op, held by every op of the registry, on its samples."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import lucid
from lucid.errors import ArgumentError, GradientError, LucidError
from lucid.ir.build import Builder
from lucid.ir.graph import Graph, Value, same
from lucid.ir.interpret import interpret
from lucid.ir.ops import REGISTRY, Op
from lucid.ir.ops.base import Elementwise, Movement, Reduction
from lucid.ir.ops.derivative import CustomVjp
from lucid.ir.ops.elementwise import Cast, Detach, Neg
from lucid.ir.ops.reduction import Sum
from lucid.ir.ops.structure import Grad
from lucid.ir.passes.differentiate import differentiate
from lucid.ir.passes.order import order
from lucid.ir.passes.simplify import forget_derivatives
from lucid.ir.text import parse, print_graph
from lucid.ir.types import DTYPES, DType, TensorType, as_dtype, float32, float64
from tests.make_ops_table import LANGUAGE, PAGE, language, page
from tests.oracle import assert_compiled_matches, run_compiled
from tests.samples import MISSING, SAMPLES, Sample

Array = npt.NDArray[Any]
EACH = [
    pytest.param(sample, id=f"{name}-{number}")
    for name, samples in SAMPLES.items()
    for number, sample in enumerate(samples)
]
STEP = 1e-5  # of central differences: the error is about its square times the third derivative


def test_every_op_has_a_sample() -> None:
    assert not MISSING, f"ops without a sample in tests/samples.py: {', '.join(MISSING)}"


def test_the_table_of_ops_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run: python -m tests.make_ops_table"


def test_the_invariants_in_the_documentation_are_those_of_the_verifier() -> None:
    assert LANGUAGE.read_text() == language(), "run: python -m tests.make_ops_table"


@pytest.mark.parametrize("sample", EACH)
def test_the_type_rule_says_what_the_interpreter_gives(sample: Sample) -> None:
    graph = sample.graph()
    for value, array in zip(graph.outputs, interpret(graph, sample.operands).outputs, strict=True):
        assert value.type == TensorType(as_dtype(array.dtype), array.shape)


@pytest.mark.parametrize("sample", EACH)
def test_the_text_parses_to_an_equal_graph(sample: Sample) -> None:
    graph = sample.graph()
    assert same(parse(print_graph(graph)), graph)


@pytest.mark.parametrize("sample", EACH)
def test_the_compiled_op_agrees_with_the_interpreter(sample: Sample) -> None:
    assert_compiled_matches(forget_derivatives(differentiate(sample.graph())), sample.operands)
    if any(x.dtype == np.float64 for x in sample.operands) and not _is_only_float64(sample):
        narrow = Sample(sample.op, tuple(x.astype(np.float32) if x.dtype == np.float64 else x for x in sample.operands))
        assert_compiled_matches(differentiate(narrow.graph()), narrow.operands)


def _is_only_float64(sample: Sample) -> bool:
    try:
        sample.op.infer([TensorType(float32, x.shape) for x in sample.operands])
    except LucidError:
        return True
    return False


# Derivatives.


def is_differentiable(op: Op) -> bool:
    """Whether an op has a gradient to speak of: a rule, and floats."""
    return type(op).vjp is not Op.vjp or type(op).pullback is not Op.pullback


DIFFERENTIABLE = [
    parameter
    for parameter in EACH
    for sample in parameter.values
    if isinstance(sample, Sample)
    and is_differentiable(sample.op)
    and not isinstance(sample.op, Detach | CustomVjp)  # whose derivatives are not theirs
    and all(value.type.dtype.is_float for value in sample.graph().outputs)
]


@pytest.mark.parametrize("sample", DIFFERENTIABLE)
def test_first_derivatives(sample: Sample) -> None:
    first, _ = gradients(sample)
    check_gradients(lambda *x: weighted(interpret(sample.graph(), x).outputs[0]), first, floats(sample), sample)


@pytest.mark.parametrize("sample", DIFFERENTIABLE)
def test_second_derivatives(sample: Sample) -> None:
    first, second = gradients(sample)
    check_gradients(lambda *x: sum(weighted(g) for g in first(*x)), second, floats(sample), sample)


def floats(sample: Sample) -> list[int]:
    """The numbers of the operands that gradients are taken for."""
    return [number for number, x in enumerate(sample.operands) if x.dtype == np.float64]


def weights(shape: Sequence[int]) -> Array:
    """Fixed numbers between 0.5 and 1.5: a scalar of them depends on every element in its own way."""
    return np.asarray(np.random.default_rng(1).uniform(0.5, 1.5, tuple(shape)))


def weighted(x: Array) -> float:
    return float(np.sum(x * weights(x.shape)))


def gradients(sample: Sample) -> tuple[Callable[..., list[Array]], Callable[..., list[Array]]]:
    """The gradient of `weighted` of the op's result, and that of the sum of `weighted` of these gradients."""
    graph, wrt = sample.graph(), floats(sample)
    builder = Builder(graph.nodes)
    (result,) = graph.outputs
    inputs = [graph.arguments[number] for number in wrt]
    seed = Value(result.type)
    first = builder.add(Grad(), result, seed, *inputs)
    factors = [Value(gradient.type) for gradient in first]
    terms = [(builder.wrap(g) * builder.wrap(f)).sum(range(g.type.rank)) for g, f in zip(first, factors, strict=True)]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    one = builder.constant(1.0, TensorType(float64, ()))
    second = builder.add(Grad(), total.value, one.value, *inputs)
    both = Graph("gradients", (*graph.arguments, seed, *factors), (), tuple(builder.nodes), (*first, *second))
    both = differentiate(both)
    constants = [weights(value.type.shape) for value in (seed, *factors)]

    def run(*operands: Array) -> tuple[Array, ...]:
        return interpret(both, [*operands, *constants]).outputs

    return lambda *x: list(run(*x)[: len(wrt)]), lambda *x: list(run(*x)[len(wrt) :])


def check_gradients(
    function: Callable[..., float], gradient: Callable[..., list[Array]], wrt: Sequence[int], sample: Sample
) -> None:
    """Compare gradients with central differences, element by element."""
    for number, got in zip(wrt, gradient(*sample.operands), strict=True):
        expected = np.empty(sample.operands[number].shape)
        for index in np.ndindex(expected.shape):
            values = []
            for step in (STEP, -STEP):
                moved = [x.copy() for x in sample.operands]
                moved[number][index] += step
                values.append(function(*moved))
            expected[index] = (values[0] - values[1]) / (2 * STEP)
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-8)


def test_what_is_not_differentiable_says_so() -> None:
    rules = {name for name, op in REGISTRY.items() if op.vjp is Op.vjp and op.pullback is Op.pullback}
    of_no_float = {"const", "iota", "random_keep", "random_word", "random_normal", "normal_number"}
    for name in rules - {"grad", "check", "fused"} - of_no_float:
        for sample in SAMPLES[name]:
            assert not any(value.type.dtype.is_float for value in sample.graph().outputs), name


# Every dtype.

EDGES = {
    "f": [0.0, -0.0, 0.5, 1.0, -1.0, 2.5, -3.5, 1e-40, -1e-30, 3e38, np.inf, -np.inf, np.nan],
    "i": [0, 1, -1, 2, -3, 7, 31, 64],
    "u": [0, 1, 2, 3, 7, 31, 64, 255],
    "b": [False, True],
}


def edges(dtype: DType) -> Array:
    values = np.array(EDGES[dtype.numpy.kind], dtype.numpy)
    if dtype.signed and dtype.is_integer:
        info = np.iinfo(dtype.numpy)
        values = np.concatenate([values, np.array([info.min, info.max], dtype.numpy)])
    return values


def signatures() -> list[Any]:
    found = []
    for op_class in REGISTRY.values():
        if issubclass(op_class, Elementwise) and op_class is not Cast:
            op = op_class()
            for dtypes in itertools.product(DTYPES, repeat=op.arity):
                try:
                    op.infer([TensorType(dtype, ()) for dtype in dtypes])
                except LucidError:
                    continue
                found.append(pytest.param(op, dtypes, id=f"{op.name}-{'-'.join(dtype.short for dtype in dtypes)}"))
    return found


@pytest.mark.parametrize(("op", "dtypes"), signatures())
def test_elementwise_ops_at_the_ends_of_each_dtype(op: Elementwise, dtypes: tuple[DType, ...]) -> None:
    grids = np.meshgrid(*map(edges, dtypes), indexing="ij")
    sample = Sample(op, tuple(grid.reshape(-1) for grid in grids))
    assert_compiled_matches(sample.graph(), sample.operands)


# Long sums.


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        *[((10**7,), (0,)), ((10**6, 10), (0,)), ((10**6, 10), (1,)), ((2500, 4000), (0, 1))],
        *[((10**7, 1), (0,)), ((5 * 10**6, 2), (0,))],
    ],
    ids=str,
)
@pytest.mark.parametrize("is_constant", [False, True])  # the errors of equal elements all have one direction
def test_sums_of_many_elements_are_precise(shape: tuple[int, ...], axes: tuple[int, ...], is_constant: bool) -> None:
    """Within 1e-6 of float64: eager, compiled, and compiled without fusion."""
    x = np.full(shape, 0.1, np.float32) if is_constant else np.random.default_rng(0).random(shape, np.float32)
    expected = x.sum(axes, dtype=np.float64)
    graph = Sample(Sum(axes), (x,)).graph()
    unfused = run_compiled(order(graph), [x]).outputs[0]
    for got in (graph.nodes[0].op.evaluate([x])[0], unfused, lucid.compile(lambda x: lucid.sum(x, axes))(x).numpy()):
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=0)


def test_integers_have_no_negative_power_that_is_written_out() -> None:
    with pytest.raises(ArgumentError) as caught:
        lucid.Tensor([2]) ** -1
    assert caught.value.sentence == "integers have no power -1 among integers."
    np.testing.assert_array_equal((lucid.Tensor([2, 1, -1, 0]) ** lucid.Tensor([-1] * 4)).numpy(), [0, 1, -1, 0])


# What a family gives.


@pytest.mark.parametrize("sample", [p for p in EACH for s in p.values if isinstance(s.op, Movement | Reduction)])
def test_a_family_evaluates_as_its_ops_do(sample: Sample) -> None:
    family = Movement if isinstance(sample.op, Movement) else Reduction
    (got,), (expected,) = family.evaluate(sample.op, sample.operands), sample.op.evaluate(sample.operands)
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=1e-13, strict=True)


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (lambda op, g, y, x: (g, g), "the derivative of neg gives 2 gradients for 1 operands."),
        (
            lambda op, g, y, x: g,
            "the derivative of neg gives Expr where a tuple of one gradient an operand is expected.",
        ),
        (lambda op, g, y, x: (g.sum((0,)),), "the derivative of neg gives a gradient f32[] for an operand f32[2]."),
    ],
)
def test_a_derivative_that_does_not_fit_is_an_error(
    rule: object, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Neg, "vjp", rule)
    y = -lucid.Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(GradientError) as caught:
        y.backward()
    assert caught.value.sentence == sentence


def test_an_op_without_a_derivative_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Neg, "vjp", Op.vjp)
    y = -lucid.Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(GradientError) as caught:
        y.backward()
    assert caught.value.sentence == "neg has no derivative."
    assert caught.value.hint == "give the op a `vjp`, or cut the gradient off with .detach()."
