"""A call that fails changes nothing, and its error names the user's line and a way out."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid import Tensor
from lucid.errors import (
    AllocationError,
    ArgumentError,
    CheckError,
    DTypeError,
    GradientError,
    LucidError,
    ShapeError,
    TraceError,
)
from tests.compile.worlds import normal


class World:
    """A model in training, whose step can fail in several ways."""

    def __init__(self) -> None:
        lucid.seed(7)
        self.model = nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.5), nn.Linear(5, 3))
        self.optimizer = optim.Adam(self.model.parameters(), lr=0.1)
        self.model.register_buffer("seen", lucid.zeros(4))
        self.fail: Callable[[], object] = lambda: None
        self.fast = lucid.compile(self.step)

    def step(self, x: Any, y: Any, late: bool = False) -> Tensor:
        x = lucid.as_tensor(x)
        self.optimizer.zero_grad()
        loss = (self.model(x) ** 2).mean() if late else F.cross_entropy(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        self.model.seen = self.model.seen + x.sum(0)
        if late:
            F.cross_entropy(self.model(x), y)  # fails after everything has been updated
        self.fail()
        return loss

    def snapshot(self) -> dict[str, Any]:
        tensors = [*self.model.parameters(), *self.model.buffers(), *self.optimizer.state.values()]
        mask = self.model[1].mask
        return {
            "tensors": [tensor.numpy().tobytes() for tensor in tensors],
            "grads": [p.grad if p.grad is None else p.grad.numpy().tobytes() for p in self.model.parameters()],
            "random state": lucid.get_state(),
            "mask": None if mask is None else mask.tolist(),
            "groups": repr(self.optimizer.param_groups[0]["lr"]),
            "attributes": sorted(vars(self.model)),
            "mode": (lucid.is_grad_enabled(), self.model.training),
        }


X, GOOD, BAD = normal(6, 4), np.array([0, 1, 2, 0, 1, 2]), np.array([0, 1, 3, 0, 1, 2])


@pytest.mark.parametrize("calls_before", [0, 1, 3])
@pytest.mark.parametrize("late", [False, True])
def test_an_index_out_of_range(calls_before: int, late: bool) -> None:
    world, twin = World(), World()
    lucid.seed(7)
    for number in range(calls_before):
        world.fast(X + number, GOOD, late)
    before = world.snapshot()
    for target in (BAD, np.full(6, -1), np.array([0, 1, 2, 0, 1, 2**40])):
        with pytest.raises(CheckError, match=r"target -?\d+ at position \d is out of range: expected 0 to 2"):
            world.fast(X, target, late)
        assert world.snapshot() == before
    after = world.fast(X, GOOD, late).item()

    lucid.seed(7)
    for number in range(calls_before):
        twin.fast(X + number, GOOD, late)
    assert twin.fast(X, GOOD, late).item() == after
    assert twin.snapshot() == world.snapshot()


@pytest.mark.parametrize("target", ["cpu", "cuda-sim"])
def test_a_check_that_fails_names_the_module_and_the_line_of_the_op(target: str) -> None:
    net = nn.Sequential(nn.Embedding(4, 2), nn.ReLU())

    def rows(first: Any, second: Any) -> Tensor:
        chosen = net(first)
        return (chosen + lucid.arange(8.0).reshape(4, 2)[second]).detach()

    def told(call: Callable[..., object], *arguments: object) -> tuple[str, str]:
        with pytest.raises(CheckError) as caught:
            call(*arguments)
        sentence, line = str(caught.value).splitlines()
        return sentence, line

    good, bad = np.array([0, 3]), np.array([0, 4])
    for number in range(4):  # by the way of a first call, and by that of later ones
        if number in (0, 3):  # then the code comes from the disk cache, and no pass has run
            step, whole = lucid.compile(rows, target=target), lucid.compile(net, target=target)
        for arguments, module, sentence, line in [
            ((bad, good), "in 0: Embedding: ", "index 4 at position 1 is out of range: expected 0 to 3.", "net(first)"),
            ((good, bad), "", "index 4 at position 1 is out of range for axis 0 with extent 4.", "[second]).detach()"),
        ]:
            eager, compiled = told(rows, *arguments), told(step, *arguments)
            assert compiled[0] == module + sentence == eager[0].replace("Embedding(4, 2)", "Embedding")
            assert compiled[1] == eager[1]
            assert compiled[1].endswith(line)
            stacked = [np.stack([good, each]) for each in arguments]
            assert told(step.repeat, *stacked) == (f"{module}in run 1 of repeat, {sentence}", eager[1])
        step(good, good)
        with lucid.no_grad():
            whole(good)
            sentence, line = told(whole, bad)  # the line of this call, not of the one that was traced
        assert sentence == "in 0: Embedding: index 4 at position 1 is out of range: expected 0 to 3."
        assert line.endswith("call(*arguments)")


def test_an_index_out_of_range_leaves_arguments_alone() -> None:
    def write(x: Tensor, i: Any) -> Tensor:
        x += 1.0
        F.cross_entropy(lucid.zeros(1, 3), i)
        x *= 2.0
        return x

    fast, x = lucid.compile(write), Tensor([1.0])
    with pytest.raises(CheckError):
        fast(x, np.array([5]))
    assert x.tolist() == [1.0]
    assert fast(x, np.array([1])).tolist() == [4.0]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(), GeneratorExit()])
@pytest.mark.parametrize("calls_before", [0, 2])
def test_a_trace_that_raises(error: BaseException, calls_before: int) -> None:
    def fail() -> None:
        raise error

    world = World()
    for _ in range(calls_before):
        world.fast(X, GOOD)
    before, programs = world.snapshot(), world.fast.programs
    world.fail = fail
    with pytest.raises(type(error)):
        world.fast(X, GOOD)
    assert world.snapshot() == before
    assert world.fast.programs == programs
    world.fail = lambda: None
    for p in world.model.parameters():
        assert p.grad is None or calls_before
    world.fast(X, GOOD)
    assert (world.model(Tensor(X)) * 1.0).requires_grad, "the trace goes on"


def test_an_interrupt_in_the_middle_of_a_forward() -> None:
    class Interrupting(nn.Module):
        stop = True

        def forward(self, x: Tensor) -> Tensor:
            if self.stop:
                raise KeyboardInterrupt
            return x

    world = World()
    world.model[1] = Interrupting()
    model = nn.Sequential(*world.model, nn.Dropout(0.5))
    fast = lucid.compile(model)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            fast(X)
    with pytest.raises(ShapeError) as caught:
        lucid.matmul(Tensor(X), Tensor(X))
    assert "in " not in str(caught.value).splitlines()[0], "a module is still being called"
    Interrupting.stop = False
    assert fast(X).shape == (6, 3)


def test_an_error_does_not_stop_the_recording_of_attributes() -> None:
    world = World()
    world.fail = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        world.fast(X, GOOD)
    assert "__getattribute__" not in vars(nn.Module.__mro__[1]), "reads are still being recorded"
    world.model.attribute = 5
    assert world.model.attribute == 5


# Tensors of a trace that are used outside it.


def test_a_tensor_that_leaves_the_trace() -> None:
    kept: list[Tensor] = []

    @lucid.compile
    def leak(x: Tensor) -> Tensor:
        kept.append(x * 2.0)
        return x

    with pytest.raises(TraceError, match="the variable kept of a closure changed while the function was traced"):
        leak(Tensor([1.0]))
    assert "traced" in repr(kept[0])
    weight = Tensor([1.0], requires_grad=True)
    for use in (
        lambda t: t + 1.0,
        Tensor.sum,
        Tensor.backward,
        Tensor.detach,
        lambda t: lucid.grad(t, weight),
        lambda t: lucid.grad(weight * 2.0, t),
        lambda t: lucid.compile(lambda x: x * 1.0)(t),
        lambda t: lucid.compile(lambda x: x + t)(weight),
    ):
        with pytest.raises(TraceError) as caught:
            use(kept[0])
        assert caught.value.sentence == "a tensor of a trace that has ended was used."
    for use in (Tensor.numpy, Tensor.item, float, bool):
        with pytest.raises(TraceError, match="needs the value of a tensor of a trace that has ended") as caught:
            use(kept[0])
        assert caught.value.hint == "return the tensor from the compiled function, and read what the call gives."


def test_a_tensor_that_is_stored_in_a_module() -> None:
    class Storing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            self.latest = x * 2.0
            return x

    with pytest.raises(TraceError, match=r"Storing\.latest was set to"):
        lucid.compile(Storing())(Tensor([1.0]))


# Errors of shapes and dtypes.


def test_a_shape_error_names_the_module_and_both_shapes_and_the_line() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Sequential(nn.Linear(9, 2)))

    def forward(x: Any) -> Tensor:
        return model(x)

    for call in (forward, lucid.compile(forward)):
        with pytest.raises(ShapeError) as caught:
            call(normal(3, 4))
        text = str(caught.value)
        assert "2.0: Linear(9, 2)" in text
        assert "(3, 8)" in text
        assert "(2, 9)" in text or "(9, 2)" in text or "9" in text.splitlines()[0]
        assert "return model(x)" in text


def test_a_dtype_error_names_the_module_and_the_remedy() -> None:
    model = nn.Sequential(nn.ReLU(), nn.Linear(4, 8))
    for call in (model, lucid.compile(model)):
        with pytest.raises(DTypeError, match=r'1: Linear\(4, 8\)(.|\n)*astype\("float32"\)'):
            call(normal(3, 4).astype(np.float64))


@pytest.mark.parametrize(
    ("argument", "error"),
    [
        (np.ones(3, np.float16), DTypeError),
        (np.ones(3, np.complex64), DTypeError),
        (np.array(["a"]), DTypeError),
        (np.array([object()]), DTypeError),
    ],
)
def test_arrays_of_other_dtypes(argument: Any, error: type[LucidError]) -> None:
    with pytest.raises(error, match="dtype"):
        lucid.compile(lambda x: x)(argument)


def test_backward_of_what_needs_no_gradient() -> None:
    with pytest.raises(GradientError, match="does not require a gradient") as caught:
        lucid.compile(lambda x: (x * x).sum().backward())(Tensor([1.0]))
    assert "lucid.compile(lambda x: (x * x).sum().backward())" in str(caught.value)


class Holder:
    def __init__(self, y: Any) -> None:
        self.y = y


@pytest.mark.parametrize(
    ("wrap", "kind"),
    [
        (Holder, "Holder"),
        (lambda y: {y}, "set"),
        (lambda y: map(abs, [y]), "map"),
        (lambda y: (z for z in [y]), "generator"),
        (lambda y: defaultdict(int, y=y), "defaultdict"),
        (lambda y: deque([y]), "deque"),
    ],
)
def test_results_that_would_be_wrong_at_the_next_call(wrap: Callable[[Tensor], Any], kind: str) -> None:
    with pytest.raises(TraceError, match=rf"can't return a {kind} of its tensors(.|\n)*hint: return tensors, or dicts"):
        lucid.compile(lambda x: [1, wrap(x * 2.0)])(Tensor([1.0]))


def test_a_generator_function_is_refused() -> None:
    @lucid.compile
    def generate(x: Tensor) -> Any:
        yield x * 2.0

    with pytest.raises(TraceError, match="can't return a generator"):
        generate(Tensor([1.0]))


def test_an_unknown_target() -> None:
    with pytest.raises(ArgumentError, match="target 'tpu' is not known; expected 'cpu'"):
        lucid.compile(lambda x: x, target="tpu")


def test_unhashable_and_odd_results() -> None:
    assert lucid.compile(lambda x: None)(Tensor([1.0])) is None
    assert lucid.compile(lambda x: ("a", 1, {"b": None}))(Tensor([1.0])) == ("a", 1, {"b": None})


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_behind_the_native_run_leaves_a_whole_step(error: type[BaseException], direct: bool) -> None:
    """A signal that Python handles when the native code returns: weights are new, so grads and masks are, too."""
    lucid.seed(0)
    model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    @lucid.compile
    def step(x: object) -> lucid.Tensor:
        optimizer.zero_grad()
        loss = model(x).sum()
        loss.backward()
        optimizer.step()
        return loss

    x = np.ones((4, 3), np.float32)
    for _ in range(3):
        step(x)
    executable = step.programs[0]._compiled.executable
    assert step._fast is not None
    names: dict[str, Any] = step._fast.call.__globals__
    run = names["run"] if direct else executable.run

    def replace_run(other: Any) -> None:
        if direct:
            names["run"] = other
        else:
            executable.run = other  # type: ignore[method-assign]

    def interrupted(after: bool) -> None:
        def stopped(address: int) -> None:
            if after:
                run(address)
            raise error

        replace_run(stopped)
        if not direct:
            step._fast = None
        with pytest.raises(error):
            step(x)
        replace_run(run)

    def state() -> list[Any]:
        return [p.detach().numpy().copy() for p in model.parameters()] + [p.grad.tolist() for p in model.parameters()]

    before = state()
    executable._status[:] = 0
    interrupted(after=False)
    assert all(np.array_equal(a, b) for a, b in zip(before, state(), strict=True))
    lucid.random.set_state((7, 3))
    interrupted(after=True)
    mask = lucid.nn.Dropout(0.5)
    lucid.random.set_state((7, 3))
    mask(lucid.ones(4, 2))
    assert model[1].mask.tolist() == mask.mask.tolist()
    kept = np.array(mask.mask.tolist()) * 2
    np.testing.assert_array_equal(model[0].bias.grad.numpy(), kept.sum(0))


def test_results_that_do_not_fit_into_memory() -> None:
    count = lucid.zeros(())

    @lucid.compile
    def f(x: Tensor) -> Tensor:
        count.copy_(count + 1.0)
        return x + lucid.zeros(2**20)

    with pytest.raises(AllocationError, match=r"a tensor of type f32\[1125899906842624\] takes more"):
        lucid.compile(lambda: lucid.ones(2**50))()
    f(np.float32(1.0))
    with pytest.raises(AllocationError, match=r"a tensor of type f32\[16777216, 1048576\] takes more memory"):
        f.repeat(np.zeros(2**24, np.float32))
    assert count.item() == 1.0
