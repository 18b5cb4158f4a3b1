"""lucid.debug.print: the same lines from eager and compiled code, in order, at each call; and no result changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid.errors import ArgumentError, CheckError
from lucid.ir.graph import Graph, Node
from lucid.ir.ops.printing import Print
from lucid.ir.passes.pipeline import UNFUSED, run_pipeline
from tests.compile.steps import inputs_for
from tests.oracle import assert_same_bits

Function = Callable[..., Any]
Output = pytest.CaptureFixture[str]
X, Y = np.linspace(-1, 1, 24, dtype=np.float32).reshape(6, 4), np.arange(6) % 3


def training(prints: bool = True) -> tuple[Function, nn.Module]:
    """A step that prints between forward, backward and update; without Dropout, so that losses are comparable."""
    lucid.seed(3)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    optimizer = optim.Adam(model.parameters(), lr=0.05)

    def step(x: Any, y: Any) -> lucid.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        if prints:
            lucid.debug.print("loss {:.3f} of {}", loss, y)
        loss.backward()
        if prints:
            lucid.debug.print("slope {:.2f}", model[2].bias.grad)
        optimizer.step()
        if prints:
            lucid.debug.print("bias {name:.2f}", name=model[2].bias)
        return loss

    return step, model


def lines(output: Output) -> list[str]:
    return output.readouterr().out.splitlines()


def test_eager_and_compiled_print_the_same(capsys: Output) -> None:
    eager, _ = training()
    for _ in range(3):
        eager(X, Y)
    expected = lines(capsys)
    step, _ = training()
    compiled = lucid.compile(step)
    for _ in range(3):
        compiled(X, Y)
    assert lines(capsys) == expected
    assert [line.split()[0] for line in expected] == ["loss", "slope", "bias"] * 3
    assert len(set(expected)) == 9, "each line shows the values of its own call"
    assert len(compiled.programs) == 1


def test_repeat_prints_each_call_in_order(capsys: Output) -> None:
    step, _ = training()
    compiled = lucid.compile(step)
    for _ in range(3):
        compiled(X, Y)
    expected = lines(capsys)
    step, _ = training()
    lucid.compile(step).repeat(np.stack([X] * 3), np.stack([Y] * 3))
    assert lines(capsys) == expected


def test_nothing_else_changes(capsys: Output) -> None:
    outcomes = []
    for prints in (True, False):
        step, model = training(prints)
        compiled = lucid.compile(step)
        losses = [compiled(X, Y).item() for _ in range(5)]
        outcomes.append(
            (losses, [p.numpy().tobytes() for p in model.parameters()], model[0].weight.grad.numpy().tolist())
        )
    assert outcomes[0] == outcomes[1]


def printed(graph: Graph) -> list[Node]:
    return [node for node in graph.all_nodes() if isinstance(node.op, Print)]


def test_no_pass_removes_a_line() -> None:
    step, _ = training()
    program = lucid.compile(step).lower(X, Y)
    for stage in program.stages:
        assert len(printed(program.graph(stage))) == 4, stage
    traced = program.graph("traced")
    assert_same_bits(program.graph("fused"), run_pipeline(traced, UNFUSED).final, inputs_for(traced))


def test_what_nobody_else_needs_is_computed_for_the_line(capsys: Output) -> None:
    @lucid.compile
    def f(x: Any) -> Any:
        lucid.debug.print("{}", (x * 3.0).sum())
        return x

    f(np.ones(4, np.float32))
    assert lines(capsys) == ["12.0"]


def test_a_value_printed_before_and_after_an_update(capsys: Output) -> None:
    total = lucid.zeros(2)

    @lucid.compile
    def add(x: Any) -> None:
        lucid.debug.print("before {}", total)
        total.copy_(total + x)
        lucid.debug.print("after {}", total)
        lucid.debug.print("after {}", total)

    add(np.ones(2, np.float32))
    add(np.ones(2, np.float32))
    assert lines(capsys) == [
        *("before [0., 0.]", "after [1., 1.]", "after [1., 1.]"),
        *("before [1., 1.]", "after [2., 2.]", "after [2., 2.]"),
    ]


def test_a_module_prints_in_its_forward_and_can_be_differentiated(capsys: Output) -> None:
    class Shown(nn.Module):
        def forward(self, x: Any) -> Any:
            y = x.exp()
            lucid.debug.print("{:.1f}", y)
            return y * y

    for call in (Shown(), lucid.compile(Shown())):
        x = lucid.Tensor([0.0, 1.0], requires_grad=True)
        call(x).backward()
        assert lines(capsys) == ["[1.0, 2.7]"]
        np.testing.assert_allclose(x.grad.numpy(), 2 * np.exp([0.0, 2.0]), rtol=1e-6)


def test_second_derivatives_go_through(capsys: Output) -> None:
    def f(x: Any) -> Any:
        y = x * x * x
        lucid.debug.print("y {}", y)
        slope = lucid.grad(y, x, create_graph=True)
        lucid.debug.print("slope {}", slope)
        return lucid.grad(slope, x)

    for call in (f, lucid.compile(f)):
        assert call(lucid.Tensor([2.0], requires_grad=True)).numpy().tolist() == [12.0]
        assert lines(capsys) == ["y [8.]", "slope [12.]"]


def test_a_loop_prints_at_each_run(capsys: Output) -> None:
    def cumulated(x: Any, reverse: bool) -> Any:
        def body(total: Any, element: Any) -> Any:
            lucid.debug.print("run")
            lucid.debug.print("{} + {}", total, element)
            inner, _ = lucid.scan(lambda c, e: (lucid.debug.print("  {}", c) or c * e, None), element, lucid.ones(2))
            return total + inner, None

        lucid.debug.print("before {}", x)
        total, _ = lucid.scan(body, lucid.zeros(()), x, reverse=reverse)
        lucid.debug.print("after {}", total)
        return total

    x = np.array([1.0, 2.0], np.float32)
    for reverse in (False, True):
        a, b = ("2.0", "1.0") if reverse else ("1.0", "2.0")
        expected = [
            *("before [1., 2.]", "run", f"0.0 + {a}", f"  {a}", f"  {a}"),
            *("run", f"{a} + {b}", f"  {b}", f"  {b}", "after 3.0"),
        ]
        for call in (cumulated, lucid.compile(cumulated)):
            call(lucid.Tensor(x), reverse)
            assert lines(capsys) == expected
        weight = lucid.Tensor(x, requires_grad=True)
        cumulated(weight, reverse).backward()
        assert lines(capsys) == expected
        assert weight.grad.numpy().tolist() == [1.0, 1.0]


def test_a_failed_call_prints_nothing(capsys: Output) -> None:
    @lucid.compile
    def pick(x: Any, number: Any) -> Any:
        lucid.debug.print("x {}", x.sum())
        return F.nll_loss(x, number)

    with pytest.raises(CheckError):
        pick(np.ones((2, 2), np.float32), np.array([0, 5]))
    assert lines(capsys) == []
    pick(np.ones((2, 2), np.float32), np.array([0, 1]))
    assert lines(capsys) == ["x 4.0"]


def test_a_failed_print_leaves_the_step_done(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed:
        def write(self, text: str) -> None:
            raise BrokenPipeError

    total = lucid.zeros(1)

    @lucid.compile
    def add() -> None:
        total.copy_(total + 1.0)
        lucid.debug.print("{}", total)

    monkeypatch.setattr("sys.stdout", Closed())
    with pytest.raises(BrokenPipeError):
        add()
    monkeypatch.undo()
    assert total.numpy().tolist() == [1.0]


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize(
    ("text", "args", "expected"),
    [
        ("{}", (np.float32(0.1),), "0.1"),
        ("{:>8.2f}|", (np.float32(2.0 / 3.0),), "    0.67|"),
        ("{:d} {}", (np.array(7), np.array(True)), "7 True"),
        ("{1} {0}", (np.float64(1.5), np.int64(2)), "2 1.5"),
        ("{0} {0:.1e}", (np.float32(1234.0),), "1234.0 1.2e+03"),
        ("{{}} {}", (np.array([1.0, 0.5], np.float32),), "{} [1. , 0.5]"),
        ("{:.1%}", (np.array([0.25, 0.5], np.float32),), "[25.0%, 50.0%]"),
        ("{0.shape} {0[1]}", (np.array([1.0, 2.0], np.float32),), "(2,) 2.0"),
        ("no value", (), "no value"),
    ],
)
def test_formats(text: str, args: tuple[Any, ...], expected: str, compiled: bool, capsys: Output) -> None:
    def show(*values: Any) -> None:
        lucid.debug.print(text, *values)

    for _ in range(2):
        (lucid.compile(show) if compiled else show)(*map(lucid.as_tensor, map(np.asarray, args)))
        assert lines(capsys) == [expected]


def test_what_is_no_tensor_is_filled_in_and_floats_are_read_at_each_call(capsys: Output) -> None:
    @lucid.compile
    def show(x: Any, rate: float, name: str) -> None:
        lucid.debug.print("{name!r:>6} {:.{digits}f} {rate} {{{}}}", x, x, name=name, rate=rate, digits=2)

    for rate in (0.5, 0.25):
        show(np.float32(1.0), rate, "a{}")
    assert lines(capsys) == [" 'a{}' 1.00 0.5 {1.0}", " 'a{}' 1.00 0.25 {1.0}"]
    assert len(show.programs) == 1


def test_long_arrays_are_shown_in_part(capsys: Output) -> None:
    lucid.compile(lambda x: lucid.debug.print("{}", x))(np.arange(2000.0, dtype=np.float32))
    (line,) = lines(capsys)
    assert line.startswith("[0.000e+00, 1.000e+00, ")
    assert "..." in line


@pytest.mark.parametrize(
    ("args", "kwargs", "sentence"),
    [
        (("{} {}", 1), {}, "debug.print can't format '{} {}': IndexError: "),
        (("{name}",), {}, "debug.print can't format '{name}': KeyError: 'name'."),
        (("{}", 1, 2), {}, "debug.print can't format '{}': ValueError: a place {} is missing for 1."),
        (("{}", 1), {"name": 2}, "debug.print can't format '{}': ValueError: a place {} is missing for name."),
        (("{:d}", lucid.Tensor(0.5)), {}, "debug.print can't format '{:d}': ValueError: Unknown format code 'd'"),
        (
            ("{!r}", lucid.Tensor(0.5)),
            {},
            "debug.print can't format '{!r}': ValueError: !r is for values that are known",
        ),
        (("{", 1), {}, "debug.print can't format '{': ValueError: Single '{' encountered in format string."),
        ((lucid.Tensor(0.5),), {}, "debug.print takes a text with places for values first, got Tensor."),
    ],
)
def test_a_text_that_does_not_fit_is_an_error(args: tuple[Any, ...], kwargs: dict[str, Any], sentence: str) -> None:
    for function in (lucid.debug.print, lucid.compile(lambda: lucid.debug.print(*args, **kwargs))):
        with pytest.raises(ArgumentError) as caught:
            function(*args, **kwargs) if function is lucid.debug.print else function()
        assert str(caught.value).startswith(sentence)
        assert "hint: write `lucid.debug.print(" in str(caught.value)


def test_a_text_cannot_leave_the_comment_of_a_kernel() -> None:
    """The text of a line stands in the kernel's text, which is a comment in CUDA C."""

    @lucid.compile
    def show(x: Any) -> Any:
        lucid.debug.print("a\n#error {}\\", x * 2.0)
        return x

    program = show.lower(np.ones(3, np.float32))
    from lucid.codegen.cuda.module import write_module

    assert all(not line.startswith("#error") for line in write_module(program.graph("fused")).text.splitlines())
