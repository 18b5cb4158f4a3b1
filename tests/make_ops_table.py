"""The table of ops in the documentation, made from the registry.

`python -m tests.make_ops_table` writes docs/ops.md.
"""

from __future__ import annotations

from pathlib import Path

from lucid.codegen.cuda.module import UNSUPPORTED
from lucid.errors import LucidError
from lucid.ir.ops import REGISTRY, Op
from lucid.ir.ops.base import Elementwise
from lucid.ir.ops.structure import Grad
from lucid.ir.types import DTYPES, DType, TensorType, bool_, float32, float64
from tests.samples import SAMPLES

PAGE = Path(__file__).parents[1] / "docs" / "ops.md"

HEAD = """\
# Ops

Every op of the IR, from the registry: `python -m tests.make_ops_table` writes this page, and a test holds it to that.

An error is the largest one of compiled code on floats, in units in the last place of the exact result; 0.5 is correct
rounding, and what is no function of single floats has none. `tests/ir/test_scalar_math.py` measures it, float32 over
all exponents against float64, float64 against mpmath, and pins signed zeros, infinities, NaN and subnormal numbers.
Operands of an op have one dtype; the functions of `lucid` promote and broadcast before they apply one. The interpreter,
which runs eager code, takes NumPy's functions, so its errors are NumPy's.

| op | meaning | operands | differentiable | targets | error |
| --- | --- | --- | --- | --- | --- |
"""


def page() -> str:
    """The text of the page."""
    return HEAD + "".join(_row(name, op) for name, op in sorted(REGISTRY.items()))


def _row(name: str, op: type[Op]) -> str:
    assert op.__doc__ is not None
    meaning = " ".join(op.__doc__.split()).replace("|", "\\|")
    error = f"{op.ulp:g}" if issubclass(op, Elementwise) and _gives_floats(op) else ""
    return f"| `{name}` | {meaning} | {_operands(op)} | {_differentiable(op)} | {_targets(op)} | {error} |\n"


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


def _differentiable(op: type[Op]) -> str:
    has_rule = op.vjp is not Op.vjp or op.pullback is not Op.pullback
    return "yes" if has_rule and _gives_floats(op) else ""


def _targets(op: type[Op]) -> str:
    if op is Grad:
        return ""  # a pass writes it out
    return "CPU" if op in UNSUPPORTED else "CPU, CUDA"


if __name__ == "__main__":
    PAGE.write_text(page())
