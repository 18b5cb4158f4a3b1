"""Arguments of every wrong kind: an error that says so, and never one of Lucid's own inside, a crash or a hang."""

from __future__ import annotations

import inspect
import random
import signal
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid import Tensor
from lucid.errors import LucidError

CALLS = 1500
PARTS = {  # of modules, which have checked their arguments
    *("check_approximation", "check_probability", "check_reduction", "resolved_padding"),
    *("drop", "drop_to_alpha", "channel_mask_shape", "sample_mask_shape"),
}
SECONDS = 60  # of the processor, which none of the calls may take


def odd_arguments() -> list[Any]:
    """Fresh ones each time: some functions work in place."""
    return [
        *(None, True, -1, 0, 1, 3, 2**62, 2**70, 0.5, float("nan"), float("inf"), 1j, "x", "float32", b"y"),
        *([], [1.0, 2.0], [[1.0], [2.0, 3.0]], (), (0,), (2, 3), (-1,), {}, {"a": 1}, {1}, range(3), iter([1, 2])),
        *(object(), len, int, slice(None), Ellipsis, np.float32(1), np.int64(3)),
        *(np.zeros(3, np.float32), np.zeros((2, 3)), np.zeros((0, 3), np.float32), np.array("s")),
        *(np.array([1, None], object), np.zeros(2, np.complex64), np.zeros(2, np.float16), *tensors()),
    ]


def tensors() -> list[Tensor]:
    return [
        *(Tensor(1.0), Tensor([1.0, 2.0, 3.0]), Tensor([[1.0, 2.0], [3.0, 4.0]]), Tensor([1, 2, 3])),
        *(Tensor([True, False, True]), Tensor(np.zeros((2, 0, 3), np.float32))),
        *(Tensor(np.zeros((2, 3, 4, 5), np.float32)), Tensor([1.0, 2.0], requires_grad=True)),
    ]


def functions() -> dict[str, Callable[..., Any]]:
    """The functions on tensors of `lucid` and `lucid.nn.functional`, and the methods of Tensor; but for the one that
    makes as many tensors as it is told to, one by one."""
    others = {"compile", "load", "save", "seed", "set_num_threads", "set_state", "get_state", "audit", "grad", "apply"}
    found = {f"lucid.{name}": getattr(lucid, name) for name in lucid.__all__ if name not in others}
    found |= {f"F.{name}": getattr(F, name) for name in F.__all__ if name not in PARTS}
    found |= {f"Tensor.{name}": f for name, f in vars(Tensor).items() if not name.startswith("_")}
    found |= {f"Tensor.{name}": getattr(Tensor, name) for name in ("__getitem__", "__setitem__", "__add__", "__pow__")}
    return {name: f for name, f in found.items() if inspect.isfunction(f) and name != "lucid.tensor_split"}


@pytest.fixture(autouse=True)
def _time_is_limited() -> Iterator[None]:
    def too_long(*_: object) -> None:
        raise AssertionError(f"a call takes more than {SECONDS} s")

    before = signal.signal(signal.SIGPROF, too_long)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, before)


def test_every_wrong_argument_is_refused_in_order() -> None:
    """Another error than Lucid's would mean that nobody has looked at the argument."""
    generator = random.Random(0)
    state = lucid.get_state()
    every = functions()
    assert len(every) > 250
    for _ in range(CALLS):
        name = generator.choice(list(every))
        parameters = inspect.signature(every[name]).parameters.values()
        positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        needed = sum(p.default is p.empty for p in positional)
        count = generator.randint(needed, len(positional))
        arguments = [generator.choice(odd_arguments()) for _ in range(count)]
        if arguments and (name.startswith("Tensor.") or generator.random() < 0.5):
            arguments[0] = generator.choice(tensors())
        shown = ", ".join(repr(argument)[:40] for argument in arguments)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            every[name](*arguments)
        except LucidError:
            pass
        except Exception as error:
            raise AssertionError(f"{name}({shown}) raises {error!r}") from error
    lucid.set_state(state)
