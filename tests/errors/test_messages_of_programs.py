"""Each message of compiled functions, in full."""

from __future__ import annotations

import math

import numpy as np
import pytest

import lucid
import lucid.nn as nn
from lucid import Tensor, ones
from lucid.errors import (
    ArgumentError,
    ArgumentTypeError,
    CompileError,
    ShapeError,
    TraceError,
)
from tests.errors.messages import Case, expect_message

CASES: list[Case] = [
    (lambda: lucid.compile(3), ArgumentTypeError, "compile takes a function or a Module, got 3.", None),
    (
        lambda: lucid.compile(abs, target="tpu"),
        ArgumentError,
        "target 'tpu' is not known; expected 'cpu', 'cuda' or 'cuda-sim'.",
        None,
    ),
    (
        lambda: lucid.compile(lambda x: x * 2.0).repeat(ones(2, 2).requires_grad_()),
        ArgumentError,
        "repeat takes tensors that require no gradient.",
        "pass x.detach()",
    ),
    (
        lambda: lucid.compile(lambda x: x * 2.0).repeat(ones(2), ones(3)),
        ShapeError,
        "repeat takes arrays that share a leading axis with elements, got shapes (2,), (3,).",
        "the leading axis counts the calls: step.repeat(xs) calls step(x) for each x of xs.",
    ),
    (
        lambda: lucid.compile(lambda x: x * 2.0).repeat(1.0),
        ShapeError,
        "repeat takes arrays that share a leading axis with elements, got no array.",
        "the leading axis counts the calls: step.repeat(xs) calls step(x) for each x of xs.",
    ),
    (
        lambda: lucid.compile(lambda x: x * 2.0).repeat([[1.0, 2.0], [3.0, 4.0]]),
        ShapeError,
        "repeat takes arrays that share a leading axis with elements, got no array.",
        "numbers in lists are arguments of their own: write step.repeat(numpy.array(xs)).",
    ),
    (
        lambda: lucid.compile(lambda x: x.copy_(x * 2.0)).repeat(np.ones((3, 2), np.float32)),
        CompileError,
        "a function that updates an argument in place can't be repeated.",
        "let it update a tensor that it captures, such as a registered buffer.",
    ),
    (
        lambda: lucid.compile(lambda x: [x * 2.0].__iter__())(ones(2)),
        TraceError,
        "a compiled function can't return a list_iterator of its tensors.",
        "return tensors, or dicts, lists, tuples and named tuples of them.",
    ),
    (
        lambda: lucid.compile(lambda x: x.numpy())(ones(2)),
        TraceError,
        ".numpy() needs the value of a tensor that is only known when the compiled step runs.",
        "return the tensor, and read it outside the compiled function.",
    ),
    (
        lambda: lucid.compile(lambda x: int(x))(Tensor(1.0)),
        TraceError,
        "int() needs the value of a tensor that is only known when the compiled step runs.",
        'return the tensor, and read it outside the compiled function; x.astype("int64") converts inside it.',
    ),
    (
        lambda: lucid.compile(lambda x: math.sqrt(x))(Tensor(1.0)),
        TraceError,
        "float() needs the value of a tensor that is only known when the compiled step runs.",
        "return the tensor, and read it outside; or leave float() out, with lucid.sqrt(x) for math.sqrt(x).",
    ),
    (
        lambda: lucid.compile(lambda x: x * float(x.mean()))(ones(2)),
        TraceError,
        "float() needs the value of a tensor that is only known when the compiled step runs.",
        "return the tensor, and read it outside; or leave float() out, with lucid.sqrt(x) for math.sqrt(x).",
    ),
    (
        lambda: lucid.compile(lambda n: [*range(n)])(Tensor(3)),
        TraceError,
        "an index needs the value of a tensor that is only known when the compiled step runs.",
        "index a tensor with it, x[i]; what a range or a list takes is an argument that is a Python int.",
    ),
    (
        lambda: lucid.compile(nn.Linear),
        ArgumentError,
        "compile takes a function or a Module, got the class Linear.",
        "make an instance first: lucid.compile(Linear(...)).",
    ),
    (
        lambda: lucid.compile(lambda x: x * 2.0).lower(ones(2)).values(),
        ArgumentError,
        "values takes arguments of the program's signature, f32[2], got none.",
        "give it the arguments of a call, as in program.values(x); other signatures are lowered: f.lower(x).values(x).",
    ),
    (
        lambda: lucid.compile(lambda x: lucid.seed(0))(ones(2)),
        TraceError,
        "the random state can't be seeded while a function is traced; later calls would not seed it.",
        "call lucid.seed outside the compiled function.",
    ),
    (
        lambda: lucid.compile(lambda d: d.update(a=1))({"a": 0}),
        TraceError,
        ("a compiled function changed a list or dict that is its argument; later calls would not change theirs."),
        "return what is new, for instance as {**d, 'key': value}.",
    ),
    (
        lambda: lucid.compile(lambda d: d)(__import__("collections").deque([1])),
        ArgumentError,
        "a compiled function takes dicts, lists, tuples, and sets of numbers or strings, got deque([1]).",
        "convert the argument, for instance with dict(x).",
    ),
    (
        lambda: lucid.compile(lambda x: lucid.compile(abs).lower(x))(ones(2)),
        TraceError,
        "lower can't be called while a function is traced.",
        "call it outside the compiled function.",
    ),
    (
        lambda: lucid.compile(lambda x: lucid.compile(abs).repeat(x))(ones(2)),
        TraceError,
        "repeat can't be called while a function is traced.",
        "write a loop.",
    ),
    (
        lambda: lucid.compile(lambda x: x.requires_grad_())(ones(2)),
        TraceError,
        "requires_grad of a tensor from outside can't change while a function is traced.",
        "set it before the call, or take derivatives with respect to x.detach().requires_grad_().",
    ),
    (
        lambda: lucid.compile(abs, target="cuda-sim").lower(ones(2)).llvm_ir(),
        CompileError,
        "a program for CUDA has no LLVM IR.",
        "cuda_source() shows its CUDA C.",
    ),
    (
        lambda: lucid.compile(abs, target="cuda-sim").lower(ones(2)).assembly(),
        CompileError,
        "a program for CUDA has no assembly.",
        "cuda_source() shows its CUDA C.",
    ),
    (
        lambda: lucid.compile(abs).lower(ones(2)).ir("optimal"),
        CompileError,
        (
            "there is no stage 'optimal'; expected one of traced, differentiated, simplified, rematerialized,"
            " ordered, fused, planned."
        ),
        None,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[str(n) for n in range(len(CASES))])
def test_message(case: Case) -> None:
    expect_message(case)
