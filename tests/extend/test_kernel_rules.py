"""Rules on kernels change how a kernel runs; what would change a result, or read elsewhere, is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import lucid
from lucid.codegen.kernel import Apply, Constant, Load, Result
from lucid.codegen.lowering import is_lowered, lower
from lucid.codegen.rules import _covers, _inside, _stores, ruled, split_axis
from lucid.errors import LucidError
from lucid.extend import Kernel
from lucid.ir.index import Axis, Known, of
from lucid.ir.ops.elementwise import Less
from lucid.ir.types import float64

X = np.random.default_rng(0).random((64, 96), np.float32)


def tiled(kernel: Kernel) -> Kernel:
    """Walk maps of two axes in tiles of 32 by 32."""
    is_map = not any(stage.axes for stage in kernel.stages)
    if len(kernel.axes) != 2 or not is_map or any(axis.extent % 32 for axis in kernel.axes):
        return kernel
    rows, columns = kernel.axes
    kernel, row_tile, row = split_axis(kernel, rows, 32)
    kernel, column_tile, column = split_axis(kernel, columns, 32)
    return replace(kernel, axes=(row_tile, column_tile, row, column))


def flipped(x: Any) -> Any:
    return x.T + 1.0


def softmax(x: Any) -> Any:
    e = (x - lucid.max(x, 1, True)).exp()
    return e / lucid.sum(e, 1, True)


def strip_mined(kernel: Kernel) -> Kernel:
    """Walk the last parallel axis in pieces."""
    if not kernel.axes or kernel.axes[-1].extent % 8:
        return kernel
    return split_axis(kernel, kernel.axes[-1], 8)[0]


def backwards(kernel: Kernel) -> Kernel:
    """The parallel axes in the other order."""
    return replace(kernel, axes=kernel.axes[::-1])


def divide_by_multiplying(kernel: Kernel) -> Kernel:
    """x / 4 as x * 0.25: exact, and the values of a kernel are a rule's to change too."""
    from lucid.ir.ops.elementwise import Div, Mul

    values = list(kernel.values)
    for number, value in enumerate(values):
        if isinstance(value, Apply) and isinstance(value.op, Div):
            divisor = values[value.args[1]]
            if isinstance(divisor, Constant) and divisor.value == 4.0:
                values[value.args[1]] = Constant(0.25, divisor.dtype)
                values[number] = replace(value, op=Mul())
    return replace(kernel, values=tuple(values))


@pytest.mark.parametrize(
    "function", [flipped, softmax, lambda x: x.T.sum(1) + x[:, 0].sum(), lambda x: (x * x.sum(0)).T]
)
@pytest.mark.parametrize("rules", [[tiled], [strip_mined], [backwards], [strip_mined, backwards, tiled]], ids=len)
def test_results_keep_their_bits(function: Callable[[Any], Any], rules: list[Callable[[Kernel], Kernel]]) -> None:
    plain, ruled_ = lucid.compile(function), lucid.compile(function, kernel_rules=rules)
    np.testing.assert_array_equal(ruled_(X).numpy(), plain(X).numpy())


def test_values_are_a_rules_too() -> None:
    rules = [divide_by_multiplying]
    found = lucid.compile(lambda x: lucid.apply(_div(), x, 4.0), kernel_rules=rules)
    np.testing.assert_array_equal(found(X).numpy(), X / 4)


def _div() -> Any:
    from lucid.ir.ops.elementwise import Div

    return Div()


def test_a_training_step_under_rules_is_the_same() -> None:
    def trained(*rules: Callable[[Kernel], Kernel]) -> list[Any]:
        lucid.seed(0)
        model = lucid.nn.Sequential(
            lucid.nn.Linear(96, 32), lucid.nn.ReLU(), lucid.nn.Dropout(0.5), lucid.nn.Linear(32, 8)
        )
        optimizer = lucid.optim.Adam(model.parameters())

        def step(x: lucid.Tensor) -> lucid.Tensor:
            optimizer.zero_grad()
            loss = (model(x) * model(x)).mean()
            loss.backward()
            optimizer.step()
            return loss

        run = lucid.compile(step, kernel_rules=rules)
        losses = [run(X).item() for _ in range(3)]
        return [losses, *(p.tolist() for p in model.parameters())]

    assert trained(tiled, strip_mined, backwards) == trained()


def kernel_of(function: Callable[[Any], Any], x: Any = X, number: int = 0) -> Kernel:
    nodes = [node for node in lucid.compile(function).lower(x).graph("fused").nodes if is_lowered(node.op)]
    return lower(nodes[number])


def test_a_split_axis_walks_what_the_axis_walked() -> None:
    kernel = kernel_of(flipped)
    split, outer, inner = split_axis(kernel, kernel.axes[1], 16)
    assert [axis.extent for axis in split.axes] == [96, 4, 16]
    (before,), (after,) = kernel.stages[0].stores, split.stages[0].stores
    i, j = kernel.axes
    for k in range(64):
        values = {i: 5, outer: k // 16, inner: k % 16}
        assert after.position.evaluate(values) == before.position.evaluate({i: 5, j: k})


@pytest.mark.parametrize("extent", [0, 5, 128])
def test_an_axis_is_split_by_a_divisor(extent: int) -> None:
    kernel = kernel_of(flipped)
    with pytest.raises(LucidError) as caught:
        split_axis(kernel, kernel.axes[0], extent)
    assert caught.value.sentence == (
        f"split_axis takes a parallel axis and a divisor of its extent, got {kernel.axes[0]} and {extent}."
    )


def first_load(kernel: Kernel) -> tuple[int, Load]:
    return next((number, value) for number, value in enumerate(kernel.values) if isinstance(value, Load))


def with_value(kernel: Kernel, number: int, value: Any) -> Kernel:
    return replace(kernel, values=(*kernel.values[:number], value, *kernel.values[number + 1 :]))


def with_load(kernel: Kernel, **changes: Any) -> Kernel:
    number, load = first_load(kernel)
    return with_value(kernel, number, replace(load, **changes))


def with_store(kernel: Kernel, stage: int = 0, **changes: Any) -> Kernel:
    stages = list(kernel.stages)
    stages[stage] = replace(stages[stage], stores=tuple(replace(store, **changes) for store in stages[stage].stores))
    return replace(kernel, stages=tuple(stages))


def shorter_reduction(kernel: Kernel) -> Kernel:
    stages = tuple(
        replace(stage, axes=(*stage.axes[::-1], Axis(99, 1))) if stage.axes else stage for stage in kernel.stages
    )
    return replace(kernel, stages=stages)


MAP = [
    (lambda k: None, "gave NoneType instead of a Kernel"),
    (lambda k: replace(k, inputs=0), "changed the buffers of a kernel"),
    (lambda k: replace(k, buffers=k.buffers[::-1]), "changed the buffers of a kernel"),
    (
        lambda k: replace(k, axes=k.axes[:1]),
        "reads along axes that the kernel does not have: {Axis(number=1, extent=64)}",
    ),
    (lambda k: replace(k, axes=(*k.axes, k.axes[0])), "gave two axes one number"),
    (lambda k: replace(k, axes=(*k.axes, Axis(7, 2))), "does not write each element of f32[96, 64] once"),
    (lambda k: replace(k, axes=(*k.axes, Axis(7, -1))), "made an axis of no extent"),
    (lambda k: with_load(k, position=first_load(k)[1].position + 1), "may read outside of f32[64, 96]"),
    (lambda k: with_load(k, buffer=k.buffers[1]), "reads a buffer that is not an input"),
    (lambda k: with_value(k, 0, "x"), "made 'x' a value"),
    (
        lambda k: with_load(k, position=of(Known(0, 64))),
        "looks up a position of value 0, which is none of that axis",
    ),
    (lambda k: with_value(k, 2, replace(k.values[2], args=(0, 2))), "made value 2 of a value that comes later"),
    (lambda k: with_value(k, 2, replace(k.values[2], args=(0,))), None),
    (
        lambda k: with_value(k, 2, replace(k.values[2], dtype=float64)),
        "applied add with wrong operands or a wrong dtype",
    ),
    (
        lambda k: with_value(k, 1, Constant(1.0, float64)),
        "applied an op to what it does not take: add takes operands of one dtype, got float32 and float64.",
    ),
    (lambda k: with_value(k, 2, replace(k.values[2], op=Less())), "applied less with wrong operands or a wrong dtype"),
    (lambda k: with_store(k, value=9), "uses value 9 before it is computed"),
    (lambda k: with_store(k, position=of(k.axes[0])), "does not write each element of f32[96, 64] once"),
    (
        lambda k: with_store(k, position=k.stages[0].stores[0].position + 1),
        "does not write each element of f32[96, 64] once",
    ),
    (lambda k: replace(k, stages=()), "changed which buffers are written"),
    (lambda k: replace(k, stages=k.stages * 2), "changed which buffers are written"),
]


@pytest.mark.parametrize(("rule", "message"), [case for case in MAP if case[1]])
def test_what_a_rule_must_not_do_to_a_map(rule: Callable[[Kernel], Kernel], message: str) -> None:
    with pytest.raises(LucidError) as caught:
        lucid.compile(flipped, kernel_rules=[rule]).lower(X)
    assert caught.value.sentence == f"the kernel rule <lambda> {message}."
    assert caught.value.hint == "a rule changes how a kernel runs, no result."


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (shorter_reduction, "changed the order of a reduction"),
        (lambda k: replace(k, stages=k.stages[1:]), "changed the order of a reduction"),
        (
            lambda k: replace(k, values=tuple(replace(v, stage=1) if isinstance(v, Result) else v for v in k.values)),
            "uses value 1 before it is computed",
        ),
    ],
)
def test_what_a_rule_must_not_do_to_a_reduction(rule: Callable[[Kernel], Kernel], message: str) -> None:
    with pytest.raises(LucidError) as caught:
        lucid.compile(lambda x: x.sum(1), kernel_rules=[rule]).lower(X)
    assert caught.value.sentence.endswith(f" {message}.")


def test_what_the_check_demands_holds_of_all_that_is_lowered() -> None:
    """So that a rule which changes nothing is never refused."""
    for function in (
        flipped,
        softmax,
        lambda x: lucid.cumsum(x, 1),
        lambda x: lucid.concatenate([x, x.T.reshape(64, 96)]),
    ):
        for node in lucid.compile(function).lower(X).graph("fused").nodes:
            if is_lowered(node.op):
                kernel = lower(node)
                assert ruled(kernel, [lambda kernel: replace(kernel)]) == kernel
                assert all(_covers(store.position, axes, store.buffer.type.size) for store, axes in _stores(kernel))
                assert all(
                    v.bounds or _inside(v.position, v.buffer.type.size) for v in kernel.values if isinstance(v, Load)
                )


def test_a_position_that_is_no_sum_of_axes_is_looked_at_element_by_element() -> None:
    i = Axis(0, 12)
    assert _covers(of(i) % 3 * 4 + of(i) // 3, (i,), 12)
    assert not _covers(of(i) % 3 * 4 + of(i) // 4, (i,), 12)


def test_programs_with_rules_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from lucid.codegen import cache

    def unexpected(*_: object) -> None:
        raise AssertionError("the disk cache was asked")

    monkeypatch.setattr(cache, "fetch", unexpected)
    monkeypatch.setattr(cache, "store", unexpected)
    lucid.compile(flipped, kernel_rules=[tiled])(X)


def test_rules_are_functions() -> None:
    with pytest.raises(LucidError) as caught:
        lucid.compile(flipped, kernel_rules=["tiled"])  # type: ignore[list-item]
    assert caught.value.sentence == "a kernel rule is a function from a Kernel to a Kernel, got 'tiled'."


def test_rules_are_for_the_cpu() -> None:
    with pytest.raises(LucidError) as caught:
        lucid.compile(flipped, target="cuda-sim", kernel_rules=[tiled])
    assert caught.value.sentence == "kernel rules are for the target 'cpu', got target 'cuda-sim'."
