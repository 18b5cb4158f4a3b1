"""Calls of what takes functions, and of what reads and writes files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import lucid
from lucid.errors import GradientError
from lucid.ir.ops.elementwise import Exp
from tests.errors.calls.arrays import LINE, LONG_LINE, NUMBER, TABLE
from tests.errors.calls.call import Call, Of, call, unlike

NO_TENSOR = "rank shape dtype"
FOLDER = TemporaryDirectory(prefix="lucid-calls-")


def linear(library: Any) -> Any:
    return library.nn.Linear(3, 2)


def saved(library: Any) -> Path:
    path = Path(FOLDER.name) / "model.safetensors"
    library.save(path, linear(library))
    return path


def gradient(library: Any) -> Callable[..., Any]:
    """`grad` with outputs and inputs that belong together."""
    x = library.Tensor(TABLE, requires_grad=True)
    y = x * x

    def grad(outputs: Any = y, inputs: Any = x, **options: Any) -> Any:
        return library.grad(outputs, inputs, **options)

    return grad


def add(carry: Any, x: Any) -> tuple[Any, Any]:
    return carry + x, carry


def wider(carry: Any, x: Any) -> tuple[Any, Any]:
    return carry.unsqueeze(0), None


MODEL, FILE = Of(linear), Of(saved)

CALLS: list[Call] = [
    call(
        *("lucid.compile", Of(lambda _: lambda x: x)),
        takes=NO_TENSOR,
        bad={"value": [{"target": "tpu"}, {"trap": "zero"}], "type": {0: 1}},
    ),
    call(
        *("lucid.scan", Of(lambda _: add), NUMBER, LINE),
        takes="dtype",
        bad={
            "rank": {2: NUMBER},
            "shape": [{3: 5}, {2: (LINE, LONG_LINE)}],
            "value": [{3: -1}, {0: Of(lambda _: wider)}],
            "type": [{0: 1}, {3: 0.5}],
        },
    ),
    call("lucid.custom_vjp", Of(lambda _: add), takes=NO_TENSOR, bad={"type": {0: 1}}),
    call(
        "lucid.grad",
        target=gradient,
        takes="rank dtype",
        bad={
            "shape": unlike({"grad_outputs": LINE}, error=GradientError),
            "gradient": [{"outputs": TABLE}, {"inputs": TABLE}],
            "value": {"grad_outputs": [TABLE, TABLE]},
            "type": [{"outputs": 1}, {"inputs": 1}],
        },
    ),
    call("lucid.audit", 2, takes=NO_TENSOR, bad={"value": {0: 0}, "type": {0: 0.5}}),
    call("lucid.apply", Of(lambda _: Exp()), TABLE, takes="rank shape value dtype", bad={"type": {0: 1}}),
    call("lucid.debug.print", "{}", TABLE, takes=NO_TENSOR, bad={"value": {0: "{} {}"}, "type": {0: 1}}),
    call(
        *("lucid.save", Of(lambda _: Path(FOLDER.name) / "other.safetensors"), MODEL),
        takes=NO_TENSOR,
        bad={"value": {1: {"a": object()}}, "type": {0: 1}},
    ),
    call(
        "lucid.load", FILE, MODEL, takes=NO_TENSOR, bad={"value": {0: Path(lucid.__file__)}, "type": [{0: 1}, {1: 1}]}
    ),
]
