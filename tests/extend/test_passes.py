"""Passes of the user's own: where they stand, what of them can be read, and what is checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lucid
from lucid.codegen import cache
from lucid.errors import CompileError, LucidError
from lucid.extend import Context, Graph, Node, Pass, Value, rewrite
from lucid.ir.ops.elementwise import Neg
from lucid.ir.passes.pipeline import PIPELINE, extended
from tests.extend.user_ops import Softsign
from tests.names import without_addresses
from tests.passes.rewriting import assert_rewrites

X = np.array([-3.0, 0.0, 1.0], np.float32)


def softsign_of_negated(node: Node, context: Context) -> Value | None:
    # softsign(-x) -> -softsign(x)
    negated = context.producer(node.inputs[0], Neg)
    if negated is None:
        return None
    return (-context.expr(negated.inputs[0]).apply(Softsign())).value


def pull_out_signs(graph: Graph) -> Graph:
    return rewrite(graph, {Softsign: (softsign_of_negated,)})


def nothing(graph: Graph) -> Graph:
    return graph


def odd(x: lucid.Tensor) -> lucid.Tensor:
    return lucid.apply(Softsign(), -x)


def test_it_rewrites() -> None:
    before = "graph(%x: f32[4]) { %n = neg %x; %y = tests.softsign %n; return %y }"
    after = "graph(%x: f32[4]) { %n = neg %x; %s = tests.softsign %x; %y = neg %s; return %y }"
    assert_rewrites(pull_out_signs, before, after)


def test_its_stage_is_one_of_the_program() -> None:
    step = lucid.compile(odd, passes=[Pass("signs_out", pull_out_signs, after="simplified")])
    np.testing.assert_array_equal(step(X).numpy(), odd(X).numpy())
    (program,) = step.programs
    assert program.stages == (
        *("traced", "differentiated", "simplified", "signs_out", "rematerialized", "ordered", "fused", "planned"),
    )
    assert program.ir("signs_out").index("softsign") < program.ir("signs_out").rindex("neg")
    assert program.milliseconds["signs_out"] > 0.0


def test_it_runs_on_what_a_backward_is_made_of() -> None:
    """A forward and a backward apart: what stands before the cut sees both, what stands behind it sees each."""
    seen: list[tuple[str, int]] = []

    def look(name: str) -> Pass:
        def run(graph: Graph) -> Graph:
            seen.append((name, len(graph.outputs)))
            return graph

        return Pass(f"{name}_seen", run, after=name)

    step = lucid.compile(odd, passes=[look(step.stage) for step in PIPELINE])
    x = lucid.Tensor(X, requires_grad=True)
    step(x).backward()
    assert x.grad is not None
    names = [name for name, _ in seen]
    assert names == ["differentiated", "simplified", *["rematerialized", "ordered", "fused"] * 2]


def test_a_decorator_takes_passes() -> None:
    @lucid.compile(passes=[Pass("nothing", nothing, after="fused")])
    def double(x: Any) -> Any:
        return x * 2.0

    assert double.lower(X).stages[-2:] == ("nothing", "planned")


def test_passes_of_one_stage_run_in_the_order_given() -> None:
    first, second = Pass("first", nothing, after="ordered"), Pass("second", nothing, after="ordered")
    third = Pass("third", nothing, after="first")
    assert [step.stage for step in extended([first, second, third])] == [
        *("differentiated", "simplified", "rematerialized", "ordered", "first", "third", "second", "fused"),
    ]


@pytest.mark.parametrize("after", ["partitioned", "rematerialized"])
def test_a_pass_behind_either_name_runs_in_both_kinds_of_program(after: str) -> None:
    x = lucid.Tensor([1.0, -2.0], requires_grad=True)
    noted = lucid.compile(odd, passes=[Pass("noted", nothing, after=after)])
    later = noted.lower(x)
    assert later.stages[3:5] == ("partitioned", "noted")
    assert later.backward.stages[:2] == ("partitioned", "noted")
    assert noted.lower(X).stages[3:5] == ("rematerialized", "noted")
    with pytest.raises(CompileError) as caught:
        later.ir("rematerialized")
    assert caught.value.sentence == (
        "there is no stage 'rematerialized'; expected one of traced, differentiated, simplified, partitioned, noted, "
        "ordered, fused, planned."
    )
    assert caught.value.hint == ("the backward of this program is a program of its own: both are partitioned instead.")
    with pytest.raises(CompileError) as caught:
        noted.lower(X).ir("partitioned")
    assert caught.value.hint == "no backward of this program runs later: it is rematerialized instead."


def test_a_pass_may_come_first() -> None:
    assert extended([Pass("first", nothing, after="traced")])[0].stage == "first"


@pytest.mark.parametrize(
    ("passes", "message"),
    [
        ([pull_out_signs], f"a pipeline takes passes, got {pull_out_signs!r}."),
        (
            [Pass("signs", "neg", after="fused")],
            "a pipeline takes passes, got Pass(stage='signs', run='neg', after='fused').",
        ),  # type: ignore[arg-type]
        (
            [Pass("signs", nothing)],
            "the pass signs follows '', which is not a stage of traced, differentiated, simplified, rematerialized, "
            "ordered, fused.",
        ),
        ([Pass("fused", nothing, after="fused")], "a pass leads to a stage with a name of its own, got 'fused'."),
        (
            [Pass("partitioned", nothing, after="fused")],
            "a pass leads to a stage with a name of its own, got 'partitioned'.",
        ),
        ([Pass("a b", nothing, after="fused")], "a pass leads to a stage with a name of its own, got 'a b'."),
    ],
    ids=without_addresses,
)
def test_a_pass_that_has_no_place(passes: list[Any], message: str) -> None:
    with pytest.raises(LucidError) as caught:
        lucid.compile(odd, passes=passes)
    assert caught.value.sentence == message


def test_a_compiled_function_takes_no_more_passes() -> None:
    with pytest.raises(LucidError) as caught:
        lucid.compile(lucid.compile(odd), passes=[Pass("nothing", nothing, after="fused")])
    assert (
        caught.value.sentence
        == "compile takes passes and kernel rules together with a function that has not been compiled yet."
    )


def drop_arguments(graph: Graph) -> Graph:
    return replace(graph, arguments=())


def drop_outputs(graph: Graph) -> Graph:
    return replace(graph, outputs=())


def reverse(graph: Graph) -> Graph:
    return graph.with_nodes(graph.nodes[::-1])


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda graph: None, "the pass wrong gave NoneType instead of a Graph."),
        (drop_arguments, "the pass wrong changed the inputs of the graph."),
        (drop_outputs, "the pass wrong changed the outputs of the graph."),
        (reverse, "after the pass wrong: expected operands that are defined before, got %?: f32[3]."),
    ],
)
def test_a_wrong_pass_is_found_at_its_stage(run: Callable[[Graph], Graph], message: str) -> None:
    with pytest.raises(LucidError) as caught:
        lucid.compile(odd, passes=[Pass("wrong", run, after="simplified")])(X)
    assert caught.value.sentence == message


def test_the_disk_cache_knows_passes_by_their_graphs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LUCID_CACHE_DIR", str(tmp_path / "cache"))
    keys: list[str] = []
    fetch = cache.fetch
    monkeypatch.setattr(cache, "fetch", lambda key: keys.append(key) or fetch(key))  # type: ignore[func-returns-value]

    def key(*passes: Pass) -> str:
        lucid.compile(odd, passes=passes).lower(X)
        return keys[-1]

    plain, signs = key(), key(Pass("signs_out", pull_out_signs, after="simplified"))
    assert len({plain, signs}) == 2
    assert signs == key(Pass("renamed", lambda graph: pull_out_signs(graph), after="simplified"))
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_copy_has_the_passes_too() -> None:
    import copy

    step = lucid.compile(lucid.nn.Linear(3, 2), passes=[Pass("nothing", nothing, after="fused")])
    assert "nothing" in copy.deepcopy(step).lower(X).stages
