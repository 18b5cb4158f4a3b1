"""What the documentation takes from the code: the table of ops from the registry, the invariants from the verifier.

`python -m tests.make_ops_table` writes docs/ops.md, and the invariants into docs/ir.md.
"""

from __future__ import annotations

import dataclasses
import string
from collections.abc import Sequence
from pathlib import Path

from lucid.codegen.cuda.module import UNSUPPORTED
from lucid.errors import LucidError
from lucid.ir import verify
from lucid.ir.build import Builder
from lucid.ir.graph import Value
from lucid.ir.ops import REGISTRY, Op
from lucid.ir.ops.base import Elementwise
from lucid.ir.ops.derivative import CustomVjp
from lucid.ir.ops.structure import Const, Grad
from lucid.ir.text_print import literal
from lucid.ir.types import DTYPES, DType, TensorType, bool_, float32, float64
from tests.samples import SAMPLES, Sample

OPERANDS = ["x", "y", "z", *string.ascii_lowercase[:4]]  # names, in order
PAGE = Path(__file__).parents[1] / "docs" / "ops.md"
LANGUAGE = PAGE.with_name("ir.md")

HEAD = """\
# Ops

Every op of the IR, from the registry: `python -m tests.make_ops_table` writes this page, and a test holds it to that.
[docs/ir.md](ir.md) says how they are written and what holds of a graph.

An op is shown with its operands and its attributes, those with a default last; `x...` stands for one or more. The
derivative has a formula for each operand of an elementwise op, with g the gradient of the result and r the result; 0
where no gradient flows; other differentiable ops say yes, and an op without an entry is not differentiable.

An error is the largest one on floats, in units in the last place of the exact result; 0.5 is correct rounding, and
what is not a function of single floats has none. `tests/ir/test_scalar_math.py` measures it, float32 over all exponents
against float64, float64 against mpmath, and pins signed zeros, infinities, NaN and subnormal numbers. It holds for
compiled code and for the interpreter, which runs eager code and takes NumPy's functions where it has them; but the
interpreter may err by 1 where a little more than 0.5 is stated, and by 2 in `erf`, 6 in `erfc` and 7 in `erfinv`, since
a multiply-add of NumPy rounds twice.
Operands of an op have one dtype; the functions of `lucid` promote and broadcast before they apply one.

| op | meaning | dtypes | derivative | targets | error |
| --- | --- | --- | --- | --- | --- |
"""


def page() -> str:
    """The text of the page."""
    return HEAD + "".join(_row(name, op) for name, op in sorted(REGISTRY.items()))


def _row(name: str, op: type[Op]) -> str:
    assert op.__doc__ is not None
    meaning = " ".join(op.__doc__.split()).replace("|", "\\|")
    error = f"{op.ulp:g}" if issubclass(op, Elementwise) and _gives_floats(op) else ""
    return f"| {_signature(name, op)} | {meaning} | {_operands(op)} | {_derivative(op)} | {_targets(op)} | {error} |\n"


def _signature(name: str, op: type[Op]) -> str:
    """The op with its operands and its attributes, as its text has them."""
    sample = SAMPLES[name][0]
    types = [value.type for value in sample.graph().arguments]
    operands = OPERANDS[: len(types)]
    if types and _infers(sample.op, [*types, types[-1]]):  # it takes any number
        while len(types) > 1 and _infers(sample.op, types[:-1]):
            types.pop()
        operands = [*OPERANDS[: len(types) - 1], f"{OPERANDS[len(types) - 1]}..."]
    attributes = [field for field in dataclasses.fields(op) if field.type != "Graph"]
    regions = [field.name for field in dataclasses.fields(op) if field.type == "Graph"]
    items = ", ".join([*operands, *map(_attribute, attributes)])
    return f"`{' '.join(filter(None, [name, items, *(f'{{{region}}}' for region in regions)]))}`"


# The types of attributes in the words of docs/ir.md.
TYPE_NAMES = {
    "bool | int | float": "number",
    "tuple[int, ...]": "ints",
    "Shape": "ints",
    "DType": "dtype",
    "TensorType": "type",
    "str": "text",
}


def _attribute(field: dataclasses.Field[object]) -> str:
    type = TYPE_NAMES.get(str(field.type), str(field.type)).replace("|", "\\|")
    return f"{field.name}: {type}" + ("" if field.default is dataclasses.MISSING else f" = {literal(field.default)}")


def _accepted(op: type[Op]) -> list[set[DType]]:
    """For each dtype among the operands of the op's first sample, those that they may have instead."""
    sample = SAMPLES[op.name][0]
    types = [value.type for value in sample.graph().arguments]
    return [
        {
            dtype
            for dtype in DTYPES
            if _infers(sample.op, [type.with_dtype(dtype) if type.dtype == own else type for type in types])
        }
        for own in dict.fromkeys(type.dtype for type in types)
    ]


def _infers(op: Op, types: list[TensorType]) -> bool:
    try:
        op.infer(types)
    except LucidError:
        return False
    return True


def _gives_floats(op: type[Op]) -> bool:
    return any(value.type.dtype.is_float for value in SAMPLES[op.name][0].graph().outputs)


def _operands(op: type[Op]) -> str:
    """Kinds of dtypes in words, where all of a kind are taken, for each dtype of operands."""
    if SAMPLES[op.name][0].op.regions():
        return "those of its body"
    integers = {dtype for dtype in DTYPES if dtype.is_integer}
    kinds: list[tuple[str, set[DType]]] = [
        ("any", set(DTYPES)),
        ("numbers", {*integers, float32, float64}),
        ("bools, integers", {*integers, bool_}),
        ("integers", integers),
        ("floats", {float32, float64}),
    ]
    return "; ".join(
        next((word for word, dtypes in kinds if dtypes == accepted), ", ".join(d.name for d in DTYPES if d in accepted))
        for accepted in _accepted(op)
    )


def _derivative(op: type[Op]) -> str:
    has_rule = op.vjp is not Op.vjp or op.pullback is not Op.pullback
    if not has_rule or not _gives_floats(op):
        return ""
    if not issubclass(op, Elementwise) or dataclasses.fields(op):
        return "yes"
    return ", ".join(f"`{formula}`" for formula in formulas(SAMPLES[op.name][0]))


# Operators by op: the sign, and how tightly it binds.
INFIX = {
    "equal": ("==", 0),
    "not_equal": ("!=", 0),
    "less": ("<", 0),
    "less_equal": ("<=", 0),
    "add": ("+", 1),
    "sub": ("-", 1),
    "mul": ("*", 2),
    "div": ("/", 2),
    "floor_divide": ("//", 2),
    "pow": ("**", 4),
}
NEGATION, ATOM = 3, 9


def formulas(sample: Sample) -> list[str]:
    """The gradient of each operand as a formula of g, of the operands x, y, z and of the result r."""
    graph, builder = sample.graph(), Builder()
    given = [*zip(OPERANDS, graph.arguments, strict=False), ("r", graph.outputs[0]), ("g", graph.outputs[0])]
    *operands, result, gradient = (builder.wrap(Value(value.type)) for _, value in given)
    texts = {expr.value: (name, ATOM) for (name, _), expr in zip(given, [*operands, result, gradient], strict=True)}
    found = sample.op.pullback((gradient,), (result,), tuple(operands))
    for node in builder.nodes:
        texts[node.output] = _formula(node.op, [texts[value] for value in node.inputs])
    return ["0" if expr is None else texts[expr.value][0] for expr in found]


def _formula(op: Op, operands: Sequence[tuple[str, int]]) -> tuple[str, int]:
    """A formula, and how tightly its outermost operator binds."""

    def inside(operand: tuple[str, int], binding: int) -> str:
        return operand[0] if operand[1] >= binding else f"({operand[0]})"

    if isinstance(op, Const):
        return f"{op.value:g}", ATOM
    if op.name in INFIX:
        sign, binding = INFIX[op.name]
        return f"{inside(operands[0], binding)} {sign} {inside(operands[1], binding + 1)}", binding
    if op.name == "neg":
        return f"-{inside(operands[0], NEGATION)}", NEGATION
    return f"{op.name}({', '.join(text for text, _ in operands)})", ATOM


def _targets(op: type[Op]) -> str:
    if op in (Grad, CustomVjp):
        return ""  # a pass writes it out
    return "CPU" if op in UNSUPPORTED else "CPU, CUDA"


def language() -> str:
    """The text of docs/ir.md with the invariants as the verifier has them now."""
    assert verify.__doc__ is not None
    invariants = verify.__doc__[verify.__doc__.index("\n1. ") : verify.__doc__.index("\n\nNot held here")]
    before, rest = LANGUAGE.read_text().split("\n1. ", 1)
    return before + invariants + rest[rest.index("\n\n## Stages") :]


if __name__ == "__main__":
    PAGE.write_text(page())
    LANGUAGE.write_text(language())
