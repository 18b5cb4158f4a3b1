"""`compiled.explain(recompiles=True)` names what each compilation was caused by, with the two values."""

from __future__ import annotations

import json

import numpy as np
import pytest

import lucid
import lucid.compiler
import lucid.nn as nn
import lucid.optim as optim
from lucid import Tensor
from lucid.errors import CompileError

scale = 2.0


def causes(function: object) -> list[str]:
    return [row.cause for row in function.explain(recompiles=True).rows]


def test_each_compilation_has_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lucid.compiler, "STORM", 99)
    dropout = nn.Dropout(0.5)

    @lucid.compile
    def step(x, power=2, rate=0.5):
        return dropout(x) ** power * scale if rate > 0.25 else x

    x = np.ones((4, 2), "float32")
    step(x)
    step(np.ones((8, 2), "float32"))
    step(x.astype("float64"))
    step(lucid.Tensor(x, requires_grad=True))
    step(x, 3)
    dropout.p = 0.25
    step(x)
    dropout.eval()
    step(x)
    step(x, rate=0.5)
    step(x, rate=0.125)
    with lucid.no_grad():
        step(x)
    assert causes(step) == [
        "the first call",
        "x was f32[4, 2], is f32[8, 2]",
        "x was f32[4, 2], is f64[4, 2]",
        "x was f32[4, 2], is f32[4, 2] that requires a gradient",
        "which arguments there are was (x), is (x, power)",
        "Dropout.p was 0.5, is 0.25",
        "Dropout.training was True, is False",
        "which arguments there are was (x), is (x, rate)",
        "(rate > 0.25) was True, is False",
        "whether gradients are recorded was True, is False",
    ]


def test_a_leaf_that_a_call_has_made_is_taken_back_and_a_computed_tensor_is_another_kind() -> None:
    @lucid.compile
    def step(w: Tensor) -> Tensor:
        return (w * 0.5).detach().requires_grad_()

    w = Tensor([4.0, 8.0], requires_grad=True)
    for _ in range(3):
        w = step(w)
    assert w.tolist() == [0.5, 1.0]
    assert causes(step) == ["the first call"]
    step(w * 1.0)
    assert causes(step)[1:] == [
        "w was f32[2] that requires a gradient, is f32[2] that is computed and requires a gradient"
    ]


def test_globals_and_objects_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    @lucid.compile
    def scaled(x):
        return x * scale

    scaled(np.ones(3))
    monkeypatch.setitem(globals(), "scale", 3.0)
    scaled(np.ones(3))
    assert causes(scaled) == ["the first call", "scale was 2.0, is 3.0"]


def test_a_grad_that_was_none_is_named() -> None:
    model = nn.Linear(2, 2, bias=False)
    for grad, cause in ((None, "was True, is False"), (lucid.ones(2, 2), "was False, is True")):
        accumulate = lucid.compile(lambda x: model(x).sum().backward())
        model.weight.grad = grad
        accumulate(lucid.ones(1, 2))
        model.weight.grad = lucid.ones(2, 2) if grad is None else None
        accumulate(lucid.ones(1, 2))
        assert causes(accumulate) == ["the first call", f"whether weight.grad is None {cause}"]


def test_it_prints_as_a_table_and_reads_as_json() -> None:
    @lucid.compile
    def twice(x):
        return x * 2.0

    twice(np.ones(3))
    twice(np.ones(4))
    history = twice.explain(recompiles=True)
    assert str(history) == (
        "twice\n   compiled for  because\n1  f64[3]        the first call\n2  f64[4]        x was f64[3], is f64[4]"
    )
    assert json.loads(json.dumps(history.as_dict()))["rows"][1] == {
        "number": 2,
        "signature": "f64[4]",
        "subject": "x",
        "before": "f64[3]",
        "now": "f64[4]",
    }


def test_a_long_signature_is_cut() -> None:
    function = lucid.compile(lambda x, sizes: x * len(sizes))
    function(np.ones(3), [*range(100)])
    row = str(function.explain(recompiles=True)).splitlines()[-1]
    assert row.startswith("1  f64[3], 0, 1, 2, ")
    assert len(row) < 100


def test_explain_is_about_the_latest_program() -> None:
    @lucid.compile
    def twice(x):
        return x * 2.0

    with pytest.raises(CompileError, match="twice has not been compiled yet"):
        twice.explain()
    assert not twice.explain(recompiles=True).rows
    twice(np.ones(3))
    twice(np.ones(4))
    assert twice.explain().title == "twice(f64[4])"


def test_methods_and_modules_explain_themselves() -> None:
    class Model(nn.Module):
        @lucid.compile
        def double(self, x):
            return x * 2.0

        def forward(self, x):
            return x + 1.0

    model = Model()
    model.double(np.ones(3))
    assert model.double.explain(recompiles=True).rows[0].cause == "the first call"
    compiled = lucid.compile(model)
    compiled(np.ones(3))
    assert compiled.explain().rows[0].ops == ("add",)


def test_a_module_that_was_added_or_replaced_is_named() -> None:
    model = nn.Sequential(*(nn.Linear(64, 64) for _ in range(4)))
    step = lucid.compile(lambda x: model(x))
    x = np.ones((2, 64), np.float32)
    step(x)
    model.add_module("extra", nn.ReLU())
    step(x)
    model.add_module("extra", nn.Tanh())
    step(x)
    assert causes(step)[1:] == [
        "what Sequential has as layers was a dict of 4 items, is a dict of 5 items, with 'extra'",
        "what Sequential has as layers was a dict of 5 items, with 'extra', is a dict of 5 items, with another 'extra'",
    ]


def test_a_setting_of_an_optimizer_is_named_as_it_is_set() -> None:
    weights = [nn.Parameter(np.ones(2, np.float32)) for _ in range(2)]
    optimizer = optim.Adam([{"params": [weight]} for weight in weights], lr=0.1)

    @lucid.compile
    def step() -> None:
        optimizer.zero_grad()
        (weights[0] * weights[1]).sum().backward()
        optimizer.step()

    step()
    optimizer.param_groups[1]["weight_decay"] = 0.5
    step()
    optimizer.param_groups[0]["maximize"] = True
    step()
    optimizer = optim.SGD(weights, lr=0.1)
    step()
    assert causes(step)[1:] == [
        "(Adam.param_groups[1]['weight_decay'] != 0.0) was False, is True",
        "Adam.param_groups[0]['maximize'] was False, is True",
        "optimizer was of type Adam, is of type SGD",
    ]


def test_a_cause_that_is_another_group_of_parameters() -> None:
    weight, bias = (nn.Parameter(np.ones(2, np.float32)) for _ in range(2))
    optimizer = optim.SGD([weight], lr=0.1)

    @lucid.compile
    def step() -> None:
        optimizer.zero_grad()
        weight.sum().backward()
        optimizer.step()

    step()
    optimizer.add_param_group({"params": [bias], "lr": 0.2})
    step()
    assert causes(step) == [
        "the first call",
        "what SGD updates was 1 parameter in 1 group, is 2 parameters in 2 groups",
    ]


def test_an_array_is_told_from_a_tensor_of_its_type() -> None:
    f = lucid.compile(lambda x: x * 2.0)
    for x in (np.float32(1.0), Tensor(1.0)):
        f(x)
    assert causes(f)[1] == "x was f32[], an array, is f32[], a tensor"
