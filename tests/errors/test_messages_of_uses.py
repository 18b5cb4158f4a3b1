"""Each message about a use of an object for which it is not made, in full."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
from lucid import Tensor, ones
from lucid.errors import (
    ArgumentError,
    ArgumentTypeError,
    CompileError,
    MissingNameError,
    NameTakenError,
    ReadOnlyError,
    TraceError,
)
from tests.errors.messages import Case, expect_message


def delete(x: Any) -> None:
    del x[0]


@lucid.compile
def step(x: Tensor, scale: float = 1.0) -> Tensor:
    return x * scale


class Counted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.count = 3


NUMBERS = np.zeros(3)


def fill(x: Tensor) -> Tensor:
    NUMBERS[0] = x.sum()
    return x


CASES: list[Case] = [
    (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 10, [5], div_value=0.0),
        ArgumentError,
        "AdaptiveLogSoftmaxWithLoss takes a finite div_value above 0, got 0.0.",
        None,
    ),
    (
        lambda: ones(2).sum(0, np.ones(2)),  # type: ignore[arg-type]
        ArgumentTypeError,
        "keepdims is True or False, got array([1., 1.]).",
        None,
    ),
    (
        lambda: F.relu(ones(2), ones(2)),  # type: ignore[arg-type]
        ArgumentTypeError,
        "inplace is True or False, got Tensor([1.0, 1.0], grad=None).",
        None,
    ),
    (
        lambda: F.gelu(ones(2), np.ones(2)),  # type: ignore[arg-type]
        ArgumentTypeError,
        'gelu takes approximate="none" or "tanh", got array([1., 1.]).',
        None,
    ),
    (
        lambda: delete(ones(2)),
        ArgumentTypeError,
        "elements of a tensor can't be deleted.",
        "write `x = lucid.concatenate([x[:i], x[i + 1 :]])`.",
    ),
    (
        lambda: setattr(ones(2), "shape", (2, 1)),
        ReadOnlyError,
        "the shape of a tensor can't be set.",
        "write `x = x.reshape(shape)`.",
    ),
    (
        lambda: setattr(ones(2), "dtype", lucid.float64),
        ReadOnlyError,
        "the dtype of a tensor can't be set.",
        'write `x = x.astype("float64")`.',
    ),
    (
        lambda: setattr(nn.Parameter(ones(2)), "device", "cuda"),
        ReadOnlyError,
        "the device of a tensor can't be set.",
        'write `x = x.to("cuda")`.',
    ),
    (
        lambda: ones(2, 3).sort(1).shape,  # type: ignore[attr-defined]
        MissingNameError,
        "what sorting gives has no 'shape': it is a pair of values and indices.",
        "write `.values.shape` or `.indices.shape`.",
    ),
    (
        lambda: nn.ParameterDict({"a": ones(1)}).get([]),  # type: ignore[arg-type]
        ArgumentTypeError,
        "a ParameterDict is asked for a name that is a text, got [].",
        None,
    ),
    (
        lambda: Counted().register_parameter("count", nn.Parameter(ones(1))),
        NameTakenError,
        "'count' names an attribute of Counted, so it can't name a parameter.",
        "choose another name, or delete that first: del module.count",
    ),
    (
        lambda: Counted().register_buffer("count", ones(1)),
        NameTakenError,
        "'count' names an attribute of Counted, so it can't name a buffer.",
        "choose another name, or delete that first: del module.count",
    ),
    (
        lambda: Counted().add_module("count", nn.ReLU()),
        NameTakenError,
        "'count' names an attribute of Counted, so it can't name a module.",
        "choose another name, or delete that first: del module.count",
    ),
    (
        lambda: step(ones(2), scal=2.0),
        ArgumentTypeError,
        "step takes (x, scale): got an unexpected keyword argument 'scal'.",
        "did you mean `scale`?",
    ),
    (
        lambda: step.lower(),
        ArgumentTypeError,
        "step takes (x, scale): missing a required argument: 'x'.",
        None,
    ),
    (
        lambda: lucid.compile(nn.ReLU())(ones(2), foo=1),
        ArgumentTypeError,
        "ReLU takes (input): got an unexpected keyword argument 'foo'.",
        None,
    ),
    (
        lambda: lucid.compile(math.sin, mode="max-autotune"),  # type: ignore[call-overload]
        ArgumentTypeError,
        "compile takes no 'mode'.",
        "leave it out: there is one mode, and kernel_rules change how single kernels run.",
    ),
    (
        lambda: lucid.compile(backend="inductor"),  # type: ignore[call-overload]
        ArgumentTypeError,
        "compile takes no 'backend'.",
        'write target="cpu" or target="cuda".',
    ),
    (
        lambda: lucid.compile(targt="cuda"),  # type: ignore[call-overload]
        ArgumentTypeError,
        "compile takes no 'targt'.",
        "did you mean `target`?",
    ),
    (
        lambda: lucid.compile(fill)(ones(2)),
        TraceError,
        "an element of a NumPy array was set to a tensor that is only known when the compiled step runs.",
        "keep the tensors in a list, and join them by lucid.stack(list); or return them.",
    ),
    (
        lambda: step.lower(ones(2)).ir([]),  # type: ignore[arg-type]
        CompileError,
        "there is no stage []; expected one of traced, differentiated, simplified, rematerialized, ordered, fused, "
        "planned.",
        None,
    ),
    (
        lambda: lucid.compile(nn.ReLU()).ir(),
        MissingNameError,
        "a compiled function has no 'ir'.",
        "its programs have: step.lower(...).ir, step.programs[-1].ir",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[2][:60])
def test_message(case: Case) -> None:
    expect_message(case)


def test_the_line_of_an_element_is_the_one_that_sets_it() -> None:
    with pytest.raises(TraceError) as caught:
        lucid.compile(fill)(ones(2))
    assert "NUMBERS[0] = x.sum()\n" in str(caught.value)
    assert caught.value.__suppress_context__
    with pytest.raises(ValueError, match="setting an array element") as plain:
        lucid.compile(lambda x: NUMBERS.__setitem__(0, [1, 2]))(ones(2))
    assert not isinstance(plain.value, TraceError)


def test_a_list_is_no_name_of_a_container() -> None:
    assert [] not in nn.ParameterDict({"a": ones(1)})
    assert nn.ParameterDict({"a": ones(1)}).get("b") is None


def test_assigning_a_member_replaces_an_attribute() -> None:
    counted = Counted()
    counted.count = nn.Parameter(ones(1))  # type: ignore[assignment]
    assert [name for name, _ in counted.named_parameters()] == ["count"]


def test_an_error_of_the_function_itself_stays_what_it_is() -> None:
    def decorated(function: Any) -> Any:
        @functools.wraps(function)
        def called(x: Tensor) -> Tensor:
            return function(x, 2.0)  # type: ignore[no-any-return]

        return called

    @decorated
    def broken(x: Tensor, scale: float) -> Tensor:
        return len(scale)  # type: ignore[arg-type, return-value]

    with pytest.raises(TypeError, match="has no len") as caught:
        lucid.compile(broken)(ones(2))
    assert not isinstance(caught.value, ArgumentTypeError)
    assert lucid.compile(lambda x, **rest: x * rest["by"])(ones(1), by=3.0).tolist() == [3.0]


class Described(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.alpha = nn.Parameter(ones(1))

    def extra_repr(self) -> str:
        return f"alpha={float(self.alpha):.1f}"

    def forward(self, x: Tensor) -> Tensor:
        return x @ x


def test_a_description_that_raises_hides_no_error() -> None:
    with pytest.raises(ValueError, match=r"^in Described\(alpha=1.0\): matmul takes"):
        Described()(ones(2, 3))
    with pytest.raises(ValueError, match=r"^in Described: matmul takes"):
        lucid.compile(Described())(ones(2, 3))
