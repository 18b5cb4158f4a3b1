"""Wrong arguments of everything that is public: the kind of error that users know, in Lucid's words, and no change.

Each call of the tables in `tests.errors.calls` is made as it should be, with each fault that its line names, and with
what is wrong anywhere in the place of each of its arguments.
"""

from __future__ import annotations

import inspect
import itertools
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lucid
from lucid import Tensor
from lucid.errors import ArgumentError, ArgumentTypeError, GradientError, LucidError, StateDictError, TraceError
from tests.errors.calls import EVERY
from tests.errors.calls.call import APPLY_ANYWHERE, Call, Fault, Of, Replaced

SECONDS = 60  # of the processor, which none of the calls may take
SETS_THE_STATE = ("lucid.seed", "lucid.set_state", "lucid.load")
# What an argument of these names counts is made one by one.
COUNTS_LAYERS = re.compile(r"num_(encoder_|decoder_)?layers|size|indices_or_sections")
OF_PYTHON = re.compile(r"unexpected keyword argument|positional argument|required keyword")


@pytest.fixture(autouse=True)
def _files_are_written_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _time_is_limited() -> Iterator[None]:
    def too_long(*_: object) -> None:
        raise AssertionError(f"a call takes more than {SECONDS} s")

    before = signal.signal(signal.SIGPROF, too_long)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, before)


def attempt(call: Call, replaced: Replaced) -> Exception | None:
    """What a call raises. That it has changed neither its arguments nor the random state is looked at."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    given: list[Tensor] = []
    for step in call.steps(lucid, replaced, given):
        state, elements = lucid.get_state(), [bits(tensor) for tensor in given]
        try:
            step()
        except Exception as error:
            shown = f"{call.name} with {dict(replaced)}"
            assert [bits(tensor) for tensor in given] == elements, f"{shown} has changed an argument"
            assert call.name in SETS_THE_STATE or lucid.get_state() == state, f"{shown} has changed the random state"
            return error
    return None


def bits(tensor: Tensor) -> tuple[bytes, bool, int | None]:
    return tensor.numpy().tobytes(), tensor.requires_grad, id(tensor.grad)


def expect_words_of_lucid(error: LucidError, shown: str) -> None:
    """That an error is a sentence, shows the line, and says nothing of objects inside."""
    assert error.sentence.endswith("."), f"{shown}: {error.sentence}"
    assert ".py:" in str(error), f"{shown} does not say where: {error}"
    assert "Traceback" not in str(error)


@pytest.mark.parametrize("call", EVERY, ids=lambda call: call.name)
def test_faults(call: Call) -> None:
    call.run(lucid)
    for fault in call.faults:
        shown = f"{call.name} with {dict(fault.replaced)}"
        error = attempt(call, fault.replaced)
        assert error is not None, f"{shown} passes"
        assert isinstance(error, fault.expected), f"{shown} raises {error!r}"
        assert isinstance(error, LucidError), f"{shown} raises {error!r}"
        expect_words_of_lucid(error, shown)


def anything() -> list[Any]:
    """What is wrong for most arguments. Fresh ones each time, since some calls work in place.

    2**50 elements fit into no address space: a system that promises more memory than it has gives out 2**40.
    """
    arrays = [np.zeros(3, np.complex64), np.zeros(2, np.float16), np.array("s"), np.array([1, None], object)]
    return [
        *(None, True, -1, 0, 2**50, 2**70, 0.5, float("nan"), float("inf"), -float("inf"), 1j, "x", "float32", b"y"),
        *(object(), slice(None), Ellipsis, [], (), {}, {1}, [None], ["x"], [[1.0], [1.0, 2.0]], {"a": 1}, range(3)),
        *(iter([1, 2]), (0,), (-1,), (2, 3), (0.5,), np.float32(1), np.int64(3)),
        *(Of(lambda _, array=array: array) for array in arrays),
        *(Tensor(1.0), Tensor(3), Tensor([1.0, 2.0, 3.0]), Tensor([[1.0, 2.0]]), Tensor([True, False, True])),
        *(Tensor([5, -7, 2]), Tensor(np.zeros((2, 0, 3), np.float32)), Tensor(np.zeros((2, 3, 4, 5, 2)))),
    ]


def arguments(call: Call) -> Iterator[tuple[int | str, inspect.Parameter]]:
    """The arguments of a call that may be replaced, by position where it gives them so."""
    parameters = list(inspect.signature(call.target(lucid)).parameters.values())
    by_position = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    by_position += [p for p in parameters if p.kind == p.VAR_POSITIONAL] * len(call.arguments)
    is_method = call.name.startswith(("Tensor.", "nn.Module.", "optim.Optimizer."))
    for number in range(int(is_method), len(call.arguments)):
        yield number, by_position[number]
    for parameter in (*by_position[len(call.arguments) :], *(p for p in parameters if p.kind == p.KEYWORD_ONLY)):
        if parameter.kind != parameter.VAR_POSITIONAL:
            yield parameter.name, parameter


def suits(value: Any, parameter: inspect.Parameter) -> bool:
    """Whether a value is worth a try: a flag takes whatever has a truth value, and a huge count takes hours."""
    is_flag = isinstance(parameter.default, bool | str) or "bool" in str(parameter.annotation)
    if is_flag and not isinstance(value, str | bool | int | float | list | tuple | None):
        return False
    return not (COUNTS_LAYERS.fullmatch(parameter.name) and isinstance(value, int) and value > 3)


TRIED_OF_MODULES = 5  # of the values, every so many: each of them makes a module


@pytest.mark.parametrize("call", EVERY, ids=lambda call: call.name)
def test_whatever_is_wrong(call: Call) -> None:
    kinds = (TypeError, ValueError, IndexError, OSError, MemoryError, GradientError, StateDictError, TraceError)
    for argument, parameter in arguments(call):
        values = anything()
        if call.inputs is not None:
            values = values[len(parameter.name) % TRIED_OF_MODULES :: TRIED_OF_MODULES]
        for value in values:
            if not suits(value, parameter):
                continue
            shown = f"{call.name} with {parameter.name}={value!r}"
            error = attempt(call, {argument: value})
            if isinstance(error, LucidError):
                assert isinstance(error, kinds), f"{shown} raises {error!r}"
                expect_words_of_lucid(error, shown)
            elif error is not None:
                is_of_the_signature = isinstance(error, TypeError) and OF_PYTHON.search(str(error))
                assert is_of_the_signature, f"{shown} raises {error!r}"


WITHOUT_EFFECT = {"enable_nested_tensor", "mask_check", "sorted", "stable"}  # flags of PyTorch's that nothing reads
NO_FLAG = Of(lambda _: np.array([1, 2]))  # as a whole it is neither true nor false


def flags(call: Call) -> dict[str, int | str]:
    """How a call gives the arguments that are False or True by default."""
    found = {p.name: argument for argument, p in arguments(call) if isinstance(p.default, bool)}
    return {name: argument for name, argument in found.items() if name not in WITHOUT_EFFECT}


def test_an_array_is_no_flag() -> None:
    """What draws in training does so here, and leaves the random state as it was."""
    refused = 0
    for call in EVERY:
        found = flags(call)
        for name, argument in found.items():
            training = {found["training"]: True} if "training" in found else {}
            error = attempt(call, {**training, argument: NO_FLAG})
            assert isinstance(error, ArgumentTypeError), f"{call.name} with an array as {name}: {error!r}"
            assert error.sentence.endswith(", got array([1, 2])."), f"{call.name}: {error.sentence}"
            refused += 1
    assert refused > 200


TRACED = [
    call for call in EVERY if call.name.startswith(("lucid.", "F.")) and call.arguments and not call.name.endswith("()")
]
NOT_TRACED = {
    "lucid.Tensor",
    "lucid.tensor",
    "lucid.as_tensor",
    "lucid.seed",
    "lucid.set_state",
    "lucid.load",
    "lucid.save",
}


def named(part: Call | Fault) -> str:
    return part.name if isinstance(part, Call) else part.kind


def faults_of(kinds: tuple[str, ...]) -> list[tuple[Call, Fault]]:
    """One fault of each kind of every third call."""
    found = []
    for call in TRACED[::3]:
        for kind, faults in itertools.groupby(call.faults, lambda fault: fault.kind):
            if kind in kinds and call.name not in NOT_TRACED:
                found.append((call, next(faults)))
    return found


@pytest.mark.parametrize(("call", "fault"), faults_of(("rank", "shape", "dtype", "value")), ids=named)
def test_a_trace_raises_the_same(call: Call, fault: Fault) -> None:
    function, (positional, named) = call.target(lucid), call.bound(lucid, fault.replaced)
    messages = []
    for run in (function, lucid.compile(lambda *args, **kwargs: function(*args, **kwargs))):
        with pytest.raises(fault.expected) as caught:
            run(*positional, **named)
        assert isinstance(caught.value, LucidError)
        messages.append((type(caught.value), caught.value.sentence, caught.value.hint))
    assert messages[0] == messages[1]


@pytest.mark.parametrize(("call", "fault"), faults_of(("data",)), ids=named)
def test_a_compiled_call_looks_at_its_data(call: Call, fault: Fault) -> None:
    fast = lucid.compile(call.target(lucid))
    positional, named = call.bound(lucid)
    fast(*positional, **named)
    positional, named = call.bound(lucid, fault.replaced)
    with pytest.raises(fault.expected) as eager:
        call.target(lucid)(*positional, **named)
    state = lucid.get_state()
    with pytest.raises(fault.expected) as compiled:
        fast(*positional, **named)
    assert lucid.get_state() == state
    assert isinstance(eager.value, LucidError)
    assert isinstance(compiled.value, LucidError)
    assert eager.value.sentence == compiled.value.sentence


# Completeness.

NO_ARGUMENTS = {
    "cuda",
    "LucidError",
    "RecompileWarning",
    "enable_grad",
    "no_grad",
    "get_num_threads",
    "get_state",
    "is_grad_enabled",
}
OF_MODULES = {
    "check_approximation",
    "check_probability",
    "check_reduction",
    "resolved_padding",
    "drop",
    "drop_to_alpha",
}
OF_MODULES |= {"channel_mask_shape", "sample_mask_shape"}
PROTOCOLS = {"data.Dataset", "data.Sampler"}
BASES = {"optim.Optimizer", "lr_scheduler.Scheduler", "lr_scheduler.LRScheduler", "nn.Module"}
NOT_CALLED = {"nn.ModuleDict", "nn.ModuleList", "nn.ParameterDict", "nn.ParameterList", "nn.Parameter", "nn.Sequential"}


def public_names() -> dict[str, Any]:
    """What users call, by the names of the tables."""
    nn, optim = lucid.nn, lucid.optim
    found = {f"lucid.{name}": getattr(lucid, name) for name in lucid.__all__ if name not in NO_ARGUMENTS}
    found |= {f"F.{name}": getattr(nn.functional, name) for name in nn.functional.__all__ if name not in OF_MODULES}
    found |= {f"nn.{name}": getattr(nn, name) for name in nn.__all__}
    found |= {f"optim.{name}": getattr(optim, name) for name in optim.__all__}
    found |= {f"lr_scheduler.{name}": getattr(optim.lr_scheduler, name) for name in optim.lr_scheduler.__all__}
    found |= {f"data.{name}": getattr(lucid.data, name) for name in lucid.data.__all__}
    for place, module in (("init", nn.init), ("utils", nn.utils), ("swa_utils", optim.swa_utils)):
        of_it = {name: f for name, f in vars(module).items() if getattr(f, "__module__", "") == module.__name__}
        found |= {f"{place}.{name}": f for name, f in of_it.items() if not name.startswith("_")}
    found = {name: thing for name, thing in found.items() if callable(thing) and name not in PROTOCOLS | BASES}
    modules = [name for name in found if name.startswith("nn.") and isinstance(found[name], type)]
    found |= {f"{name}()": found[name] for name in modules if name not in NOT_CALLED}
    functions = set(map(id, filter(callable, found.values())))
    methods = {
        f"Tensor.{name}": f
        for name, f in inspect.getmembers(Tensor, callable)
        if not name.startswith("_") and name not in NO_ARGUMENTS
    }
    return found | {name: f for name, f in methods.items() if id(f) not in functions}


def test_every_public_name_has_a_call() -> None:
    known = {id(call.target(lucid)) for call in EVERY if not call.name.endswith("()")}
    names = {call.name for call in EVERY}
    missing = [name for name, thing in public_names().items() if name not in names and id(thing) not in known]
    assert not missing, f"without a call in tests/errors/calls: {', '.join(missing)}"


def test_every_kind_of_fault_is_tried_or_there_is_none() -> None:
    kinds: Callable[[Call], set[str]] = lambda call: {fault.kind for fault in call.faults}  # noqa: E731
    for call in EVERY:
        others = {"data", "gradient", "state", "type"}
        tried = kinds(call)
        missing = set(APPLY_ANYWHERE) - tried - call.takes - ({"value"} if "type" in tried else set())
        assert not missing, f"{call.name}: {missing}?"
        assert not (tried & call.takes), f"{call.name} has faults of {tried & call.takes}, which it is said to take"
        assert tried <= {*APPLY_ANYWHERE, *others}


def test_an_argument_of_the_wrong_type_is_both_errors() -> None:
    with pytest.raises(TypeError, match="an axis is an integer, got 'x'") as caught:
        lucid.sum(lucid.ones(2), "x")  # type: ignore[arg-type]
    assert isinstance(caught.value, ArgumentError)
    with pytest.raises(IndexError, match="axis 3 is out of range for a tensor of 1 axes") as beyond:
        lucid.sum(lucid.ones(2), 3)
    assert isinstance(beyond.value, ValueError)
