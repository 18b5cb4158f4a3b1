"""Each message about a habit from plain Python, NumPy or PyTorch that Lucid has another way for, in full."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid import Tensor, ones
from lucid.errors import (
    ArgumentError,
    ArgumentTypeError,
    CompileError,
    DTypeError,
    MissingNameError,
    StateDictError,
    TraceError,
    UndefinedError,
)
from tests.errors.messages import Case, expect_message

X = Tensor([0.5, 1.5])
MODEL = nn.Linear(2, 1)
COPY = nn.Linear(2, 1)
OPTIMIZER = optim.SGD(MODEL.parameters(), 0.1)

CONNECTED = "write (0 < x) & (x < 1) for `0 < x < 1` and for `and`, | for `or`, and ~ for `not`."
LARGER = "write lucid.maximum(x, y) for max(x, y), x.clip(min=0.0) for max(x, 0), and x.max() for max(x)."
SMALLER = "write lucid.minimum(x, y) for min(x, y), x.clip(max=1.0) for min(x, 1), and x.min() for min(x)."
DECISION = "use lucid.where(condition, a, b), or take the decision outside the compiled function."
LOOP = "loop outside the compiled function, or run a fixed number of times, with lucid.where for what goes on."


class Undefined(nn.Module):
    """A module that lacks its forward."""


def asserted(x: Tensor) -> Tensor:
    assert x.all()
    return x


def looped(x: Tensor) -> Tensor:
    while x.max() > 0.1:
        x = x / 2.0
    return x


def connected_over_lines(x: Tensor) -> Any:
    return (
        x > 0.0  # a comment of "ü"
    ) and (
        x < 1.0
    )  # fmt: skip


def chosen(x: Tensor) -> Tensor:
    return x if x.sum() > max(1.0, 2.0) else -x


CONDITIONS: list[tuple[Callable[[Any], Any], str]] = [
    (lambda x: lucid.where(0.0 < x < 1.0, x, 0.0), CONNECTED),  # type: ignore[arg-type]
    (lambda x: lucid.where((x > 0.0) and (x < 1.0), x, 0.0), CONNECTED),
    (lambda x: (x > 0.0) or (x < 1.0), CONNECTED),
    (lambda x: not x, CONNECTED),
    (connected_over_lines, CONNECTED),
    (lambda x: max(x, 0.0), LARGER),
    (lambda x: min(x, 1.0), SMALLER),
    (lambda x: sorted(x), "write lucid.sort(x) for sorted(x)."),
    (lambda x: any(x), "write x.any() for any(x)."),
    (lambda x: all(x), "write x.all() for all(x)."),
    (lambda x: 1.0 in x, "write (x == y).any() for `y in x`."),
    (chosen, DECISION),
    (asserted, DECISION),
    (looped, LOOP),
    (
        eval("lambda x: max(x, 0.0)"),  # no source
        "write (0 < x) & (x < 1) for `0 < x < 1` and for `and`, | for `or`, and ~ for `not`, lucid.maximum or x.clip "
        "for max, lucid.sort for sorted, and (x == y).any() for `y in x`; for `if`, use lucid.where(condition, a, b).",
    ),
]


@pytest.mark.parametrize(("function", "hint"), CONDITIONS)
def test_what_to_write_in_the_place_of_a_condition(function: Callable[[Any], Any], hint: str) -> None:
    with pytest.raises(TraceError) as caught:
        lucid.compile(function)(X)
    assert caught.value.hint == hint


def test_the_way_out_of_each_condition_works() -> None:
    assert lucid.where((X > 0.0) & (X < 1.0), X, 0.0).tolist() == [0.5, 0.0]
    assert X.clip(min=1.0).tolist() == lucid.maximum(X, 1.0).tolist() == [1.0, 1.5]
    assert X.clip(max=1.0).tolist() == lucid.minimum(X, 1.0).tolist() == [0.5, 1.0]
    assert lucid.sort(X).values.tolist() == [0.5, 1.5]
    assert (X == 0.5).any().item()


def test_the_same_in_the_body_of_a_scan() -> None:
    with pytest.raises(TraceError) as caught:
        lucid.scan(lambda carry, x: (max(carry, x), None), 0.0, X)
    assert caught.value.hint == LARGER


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (lambda x: 0.0 < x < 1.0, CONNECTED),
        (lambda x: max(x, 0.0), LARGER),
        (lambda x: 1 if x else 2, "write x.all() or x.any() for a decision on all elements."),
    ],
)
def test_the_same_in_eager_code(function: Callable[[Any], Any], hint: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        function(X)
    assert caught.value.sentence == "bool() takes a tensor of one element, got shape (2,)."
    assert caught.value.hint == hint


def step_with(lr: float) -> None:
    OPTIMIZER.param_groups[0]["lr"] = lr
    MODEL(ones(1, 2)).sum().backward()
    OPTIMIZER.step()


def copied() -> None:
    COPY.load_state_dict(MODEL.state_dict())


CASES: list[Case] = [
    (
        lambda: lucid.compile(step_with)(0.25),
        TraceError,
        "SGD.param_groups changed while the function was traced; later calls would not change it.",
        "set it outside of the compiled function: a change of a hyperparameter compiles nothing.",
    ),
    (
        lambda: lucid.compile(copied)(),
        TraceError,
        "state_dict() needs the value of a tensor that is only known when the compiled step runs.",
        "call it outside of the function; or, for each parameter, `p.copy_(q)` under lucid.no_grad().",
    ),
    (
        lambda: MODEL.load_state_dict(nn.Sequential(nn.Linear(2, 1), nn.Linear(1, 1)).state_dict()),
        StateDictError,
        "the state_dict does not fit Linear: missing: weight, bias; unexpected: 0.weight, 0.bias, 1.weight, 1.bias.",
        None,
    ),
    (
        lambda: lucid.save(MODEL, Path("f.safetensors")),  # type: ignore[arg-type]
        ArgumentTypeError,
        "save takes the path first, got Linear.",
        'write lucid.save("weights.safetensors", model).',
    ),
    (
        lambda: lucid.save(MODEL.state_dict(), "f.safetensors"),  # type: ignore[arg-type]
        ArgumentTypeError,
        "save takes the path first, got dict.",
        'write lucid.save("weights.safetensors", state_dict).',
    ),
    (
        lambda: MODEL.load_state_dict("f.safetensors"),  # type: ignore[arg-type]
        ArgumentTypeError,
        "load_state_dict takes a dict of tensors by name, got str.",
        "lucid.load(path, model) loads a file.",
    ),
    (
        lambda: lucid.load(MODEL, "f.safetensors"),  # type: ignore[arg-type]
        ArgumentTypeError,
        "load takes the path first, got Linear.",
        'write lucid.load("weights.safetensors", model).',
    ),
    (lambda: ~X, DTypeError, "'not' takes bools, or integers of one dtype, got float32.", None),
    (lambda: X & 1, DTypeError, "'and' takes bools, or integers of one dtype, got float32 and float32.", None),
    (
        lambda: getattr(optim, "LBFGS"),  # noqa: B009
        MissingNameError,
        "lucid.optim has no 'LBFGS'.",
        "there is no optimizer of second order; optim.Adam(parameters) is one of first order.",
    ),
    (
        lambda: getattr(nn, "quantized"),  # noqa: B009
        MissingNameError,
        "lucid.nn has no 'quantized'.",
        "leave it out: layers compute with floats of 32 or 64 bits; there is no quantization to integers.",
    ),
    (
        lambda: lucid.compile(F.relu).lower(X)(X),
        ArgumentError,
        "a program is not called itself.",
        "call the function, relu(...): it runs this program where the arguments and guards fit.",
    ),
    (
        lambda: lucid.compile(F.relu).lower(X).run(X),  # type: ignore[attr-defined]
        MissingNameError,
        "a compiled program has no 'run'.",
        "call the function, relu(...): it runs this program where the arguments and guards fit.",
    ),
    (
        lambda: lucid.compile(F.relu).lower(X).repeat(X),  # type: ignore[attr-defined]
        MissingNameError,
        "a compiled program has no 'repeat'.",
        "call the function, relu.repeat(...): it runs this program where the arguments and guards fit.",
    ),
    (
        lambda: lucid.compile(lambda x: x * 2.0).lower(X).repeat(X),  # type: ignore[attr-defined]
        MissingNameError,
        "a compiled program has no 'repeat'.",
        "call the function, f.repeat(...): it runs this program where the arguments and guards fit.",
    ),
    (
        lambda: pickle.dumps(lucid.compile(F.relu)),
        ArgumentTypeError,
        "compiled functions are not pickled.",
        "import or compile it where it is needed; a model's weights are saved by lucid.save(path, model).",
    ),
    (
        lambda: pickle.dumps(lucid.compile(F.relu).lower(X)),
        ArgumentTypeError,
        "programs are not pickled.",
        "compile the function where it is needed: machine code comes from the disk cache there.",
    ),
    (
        lambda: lucid.compile(F.relu, target="cuda-sim").lower(X).explain(profile=True),
        CompileError,
        "kernels can be timed on the CPU target only.",
        "NVIDIA's profilers time those of target 'cuda'.",
    ),
    (
        lambda: nn.CrossEntropyLoss(X, Tensor([0, 1])),  # type: ignore[arg-type]
        ArgumentTypeError,
        "CrossEntropyLoss takes no tensor as ignore_index when it is made, got Tensor([0, 1], grad=None).",
        "make it first, then call it: nn.CrossEntropyLoss()(x, y).",
    ),
    (
        lambda: nn.MSELoss(X, X),  # type: ignore[call-arg, arg-type]
        ArgumentTypeError,
        "MSELoss takes no tensor as reduction when it is made, got Tensor([0.5, 1.5], grad=None).",
        "make it first, then call it: nn.MSELoss()(x, y).",
    ),
    (
        lambda: nn.Tanh(X),  # type: ignore[call-arg]
        ArgumentTypeError,
        "Tanh takes no tensor when it is made, got Tensor([0.5, 1.5], grad=None).",
        "make it first, then call it: nn.Tanh()(x).",
    ),
    (
        lambda: nn.MaxPool1d(X),  # type: ignore[arg-type]
        ArgumentTypeError,
        "MaxPool1d takes no tensor as kernel_size when it is made, got Tensor([0.5, 1.5], grad=None).",
        "make it first, then call it: nn.MaxPool1d(...)(x).",
    ),
    (
        lambda: nn.Linear(2, 1, activation="relu"),  # type: ignore[call-arg]
        ArgumentTypeError,
        "Linear takes no 'activation'.",
        "apply it after the layer: nn.Sequential(layer, nn.ReLU()), or F.relu(layer(x)) in forward.",
    ),
    (
        lambda: nn.Conv2d(1, filters=8, kernel_size=3),  # type: ignore[call-arg]
        ArgumentTypeError,
        "Conv2d takes no 'filters'.",
        "write `out_channels=8`.",
    ),
    (
        lambda: nn.Dropout(probability=0.5),  # type: ignore[call-arg]
        ArgumentTypeError,
        "Dropout takes no 'probability'.",
        None,
    ),
    (
        lambda: nn.Sequential(MODEL, F.relu),  # type: ignore[arg-type]
        ArgumentTypeError,
        "Sequential holds modules, got function.",
        "a function is called in a forward; nn.ReLU() is the module of F.relu.",
    ),
    (
        lambda: MODEL(nn.ReLU()),
        DTypeError,
        "a tensor takes numbers, or nested lists of numbers, got ReLU().",
        "call it: what a function or a module returns is the tensor.",
    ),
    (
        lambda: lucid.grad(F.relu, X),  # type: ignore[call-overload]
        ArgumentTypeError,
        "lucid.grad takes tensors as outputs, got a function.",
        "give what it returns, computed from inputs that require a gradient: lucid.grad(f(x), x).",
    ),
    (
        lambda: lucid.grad(MODEL(ones(1, 2)), dict(MODEL.named_parameters())),  # type: ignore[call-overload]
        ArgumentTypeError,
        "lucid.grad takes tensors as inputs, got a dict.",
        "give its values: list(parameters.values()).",
    ),
    (
        lambda: lucid.grad(MODEL(ones(1, 2)), MODEL),  # type: ignore[call-overload]
        ArgumentTypeError,
        "lucid.grad takes tensors as inputs, got Linear(2, 1).",
        "pass model.parameters().",
    ),
    (
        lambda: Undefined()(X),
        UndefinedError,
        "Undefined defines no forward().",
        "write `def forward(self, x): ...` in the class Undefined: calling the module calls it.",
    ),
    (
        lambda: nn.ModuleList([nn.ReLU()])(X),
        UndefinedError,
        "ModuleList defines no forward().",
        "write `for layer in layers: x = layer(x)`, or make an nn.Sequential of them.",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[str(n) for n in range(len(CASES))])
def test_message(case: Case) -> None:
    expect_message(case)


def test_a_group_is_added_outside() -> None:
    with pytest.raises(TraceError, match=r"SGD\.param_groups was set while a function is") as caught:
        lucid.compile(lambda: OPTIMIZER.add_param_group({"params": [nn.Parameter([1.0])]}))()
    assert caught.value.hint == "call add_param_group outside the compiled function."
    assert len(OPTIMIZER.param_groups) == 1


def test_a_list_of_batches_is_told_to_be_stacked() -> None:
    step = lucid.compile(lambda x, y: F.mse_loss(x, y))
    xs, ys = np.ones((3, 4), np.float32), np.zeros((3, 4), np.float32)
    for arguments in ([[*zip(xs, ys, strict=True)]], [[*xs], [*ys]], [xs, [*map(lucid.Tensor, ys)]]):
        with pytest.raises(ArgumentTypeError) as caught:
            step.repeat(*arguments)
        sentence = "repeat takes arrays with a leading axis, got a list of 3 that holds arrays."
        assert str(caught.value).splitlines()[0] == sentence
        assert "step.repeat(*arguments)" in str(caught.value)
        assert "numpy.stack(batches) or lucid.stack(batches) makes one array" in str(caught.value)
    assert step.repeat(np.stack([*xs]), y=np.stack([*ys])).tolist() == [1.0, 1.0, 1.0]


def test_several_arrays_for_one_argument_of_a_repeated_step_are_a_tuple_or_a_dict() -> None:
    pair, named = lucid.compile(lambda p: p[0] * p[1]), lucid.compile(lambda d: d["x"] + 1.0)
    xs = np.ones((3, 4), np.float32)
    assert pair.repeat((xs, xs)).shape == named.repeat({"x": xs}).shape == (3, 4)


def test_a_compiled_function_is_copied_without_its_programs() -> None:
    step = lucid.compile(MODEL)
    step.lower(ones(1, 2))
    again = copy.copy(step)
    assert again.weight is MODEL.weight
    assert (len(step.programs), len(again.programs)) == (1, 0)


def test_functions_of_python_that_take_numbers() -> None:
    x = Tensor([-3.5, 2.25], dtype="float64")
    assert round(x).tolist() == [-4.0, 2.0]
    assert round(x, 1).tolist() == [-3.5, 2.2]
    assert [part.tolist() for part in divmod(x, 2.0)] == [[-2.0, 1.0], [0.5, 0.25]]
    assert [part.tolist() for part in divmod(5.0, Tensor([2.0, 3.0]))] == [[2.0, 1.0], [1.0, 2.0]]
    assert [part.tolist() for part in lucid.compile(lambda x: divmod(x, 2.0))(x)] == [[-2.0, 1.0], [0.5, 0.25]]
