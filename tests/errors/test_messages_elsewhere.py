"""Messages that no single call gives, in full."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import lucid
import lucid.data
import lucid.nn as nn
import lucid.optim as optim
from lucid import ones
from lucid.cli.main import main
from lucid.codegen.cuda import nvrtc
from lucid.codegen.lowering import lower
from lucid.errors import ArgumentError, CompileError, DTypeError, LucidError, ShapeError, TraceError
from lucid.ir.ops.functions import NormalNumber
from lucid.ir.ops.random import RandomKeep, RandomNormal
from lucid.ir.text import parse
from lucid.ir.types import int64
from lucid.modes import current_tracer
from lucid.random import Generator


def test_a_planned_graph_takes_no_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    planned = lucid.compile(lambda x: x @ x @ x).lower(np.ones((4, 4), np.float32)).ir("planned")
    (tmp_path / "planned.ir").write_text(planned)
    assert "arena" in planned
    with pytest.raises(SystemExit):
        raise SystemExit(main(["check", str(tmp_path / "planned.ir"), "--passes", "fuse"]))
    assert "--passes is for graphs without a memory plan, and this one has one." in capsys.readouterr().err


def test_a_file_that_is_no_python(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "step.txt").write_text("x = 1")
    with pytest.raises(SystemExit):
        raise SystemExit(main(["show", f"{tmp_path / 'step.txt'}:step"]))
    assert f"{tmp_path / 'step.txt'} is not a Python file." in capsys.readouterr().err


def test_a_body_that_stores_something_of_another_size_beside_a_reduction() -> None:
    graph = parse(
        """graph(%x: f32[4, 6]) {
          %s, %t = fused %x @body(%a: f32[4, 6]) {
            %b = sum %a, axes=(1,); %c: f32[2, 4, 6] = broadcast %a
            return %b, %c
          }
          return %s, %t
        }"""
    )
    with pytest.raises(CompileError) as caught:
        lower(graph.nodes[0])
    assert caught.value.sentence == (
        "fused is not one kernel: it stores f32[2, 4, 6] beside a reduction of f32[4, 6] over (1,)."
    )


def test_normal_numbers_are_made_of_words() -> None:
    caught: pytest.ExceptionInfo[LucidError]
    with pytest.raises(DTypeError) as caught:
        NormalNumber().result(int64)
    assert caught.value.sentence == "normal_number takes uint64, got int64."
    with pytest.raises(ShapeError) as caught:
        RandomNormal(0, (3,), low=2, high=1).result()
    assert caught.value.sentence == "random_normal takes words from 0 to 2^32, got 2 to 1."


def test_an_optimizer_without_the_state_that_a_new_setting_needs() -> None:
    weight = nn.Parameter([1.0])
    optimizer = optim.Adam([weight])
    optimizer.param_groups[0]["amsgrad"] = True
    weight.grad = ones(1)
    with pytest.raises(ArgumentError) as caught:
        optimizer.step()
    assert caught.value.sentence.endswith(" for this group, which was made without amsgrad.")
    assert caught.value.hint == "make the optimizer with amsgrad, which is not for setting in its groups later."


def test_a_momentum_that_is_set_later() -> None:
    weight = nn.Parameter([1.0])
    for kind in (optim.SGD, optim.RMSprop):
        optimizer = kind([weight], lr=0.5)
        (group,) = optimizer.param_groups
        group["momentum"], weight.grad = 0.9, ones(1)
        with pytest.raises(ArgumentError) as caught:
            optimizer.step()
        assert caught.value.sentence.endswith(" for this group, which was made without momentum.")
        assert caught.value.hint == "`optimizer.set_momentum(group, 0.9)` sets one in a group that was made without."
        optimizer.set_momentum(group, 0.9)  # also after the group was set
        optimizer.step()


def test_a_tensor_with_the_name_of_the_metadata(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError) as caught:
        lucid.save(tmp_path / "x.safetensors", {"__metadata__": ones(1)})
    assert caught.value.sentence == (
        "two tensors can't have the name __metadata__ in one file, and none the name __metadata__."
    )


def test_two_random_generators_in_one_function() -> None:
    first, second = Generator(1), Generator(2)

    def step() -> None:
        tracer = current_tracer()
        assert tracer is not None
        for generator in (first, second):
            tracer.random(lambda draw: RandomKeep(draw, (2,)), generator, lucid.as_tensor(np.float64(0.5)))

    with pytest.raises(TraceError) as caught:
        lucid.compile(step)()
    assert caught.value.sentence == "a compiled function draws from one random generator."


def test_a_compiler_of_cuda_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvrtc, "_candidates", lambda: iter(["/nowhere/libnvrtc.so.12"]))
    with pytest.raises(CompileError) as caught:
        nvrtc.nvrtc.__wrapped__()
    assert caught.value.sentence == (
        "compiling for CUDA needs NVRTC, and neither the wheel nvidia-cuda-nvrtc-cu12 nor CUDA 12 is installed."
    )
    assert caught.value.hint == (
        'pip install "lucid-compiler[cuda-check]"; it needs no GPU. '
        "with target='cpu', lower(...).cuda_source() shows the kernels without it."
    )


def test_arguments_that_overlap_and_are_both_written() -> None:
    captured = lucid.Tensor(np.ones(4, np.float32))

    @lucid.compile
    def update(first: lucid.Tensor, second: lucid.Tensor) -> None:
        first.copy_(first * 2.0)
        second.copy_(second + 1.0)

    @lucid.compile
    def update_one(first: lucid.Tensor) -> None:
        first.copy_(first * 2.0)
        captured.copy_(captured + 1.0)

    memory = np.arange(6, dtype=np.float32)
    before, whole = memory.copy(), lucid.as_tensor
    left, right = whole(memory[:4]), whole(memory[2:])

    @lucid.compile
    def update_what_it_captures() -> None:
        left.copy_(left * 2.0)
        right.copy_(right + 1.0)

    update(whole(memory[:3]), whole(memory[3:]))  # which only touch
    np.testing.assert_array_equal(memory, [0.0, 2.0, 4.0, 4.0, 5.0, 6.0])
    memory[:] = before
    for call, names in (
        (lambda: update(whole(memory[:4]), whole(memory[2:])), "first, f32[4], and second, f32[4],"),
        (lambda: update(whole(memory[:4]), whole(memory[:4])), "first, f32[4], and second, f32[4],"),
        (lambda: update_one(whole(captured.numpy()[1:])), "captured, f32[4], and first, f32[3],"),
        (update_what_it_captures, "left, f32[4], and right, f32[4],"),
    ):
        with pytest.raises(ArgumentError) as caught:
            call()
        assert caught.value.sentence == f"{names} overlap, and the compiled function updates both in place."
        assert caught.value.hint == "give each an array of its own: numpy.array(x)."
    np.testing.assert_array_equal(memory, before)
    np.testing.assert_array_equal(captured.numpy(), 1.0)


def test_a_graph_that_does_not_fit_into_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "large.ir").write_text("graph(%x: f32[1000000000000]) { %y = neg %x; return %y }")
    with pytest.raises(SystemExit):
        raise SystemExit(main(["check", str(tmp_path / "large.ir")]))
    assert "evaluating the graph takes 8 TB, and there are " in capsys.readouterr().err


def test_a_copy_of_an_error_is_the_same(tmp_path: Path) -> None:
    calls: tuple[Callable[[], object], ...] = (
        lambda: ones(2) + ones(3),
        lambda: nn.Sequential()[3],
        lambda: nn.ModuleDict()["a"],
        lambda: lucid.load(tmp_path / "nothing"),
    )
    for call in calls:
        with pytest.raises(LucidError) as caught:
            call()
        error = caught.value
        for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
            assert type(again) is type(error)
            assert (str(again), again.sentence, again.hint) == (str(error), error.sentence, error.hint)
            assert getattr(again, "filename", None) == getattr(error, "filename", None)


def test_the_line_is_the_users_and_none_of_pythons_own_modules() -> None:
    with pytest.raises(ArgumentError) as caught:
        copy.deepcopy(lucid.ones(2).requires_grad_() * 2.0)
    assert "test_messages_elsewhere.py" in str(caught.value)
    assert "copy.py" not in str(caught.value)
    ragged = [lucid.ones(1), lucid.ones(2)]
    with pytest.raises(ArgumentError) as caught:
        list(lucid.data.DataLoader(ragged, batch_size=2, num_workers=1))  # type: ignore[arg-type]
    assert ".py: list(lucid.data.DataLoader(" in re.sub(
        r":\d+", "", str(caught.value)
    )  # what asked the loader's thread
    assert str(caught.value).count(".py") == 1
    assert str(caught.value).endswith("\n  hint: pass a collate_fn that makes a batch of them.")


def test_of_a_long_line_the_beginning_is_shown(tmp_path: Path) -> None:
    script = tmp_path / "long.py"
    script.write_text(f"lucid.ones(2) + lucid.ones(3)  # {'x' * 200}")
    with pytest.raises(ShapeError) as caught:
        exec(compile(script.read_text(), str(script), "exec"), {"lucid": lucid})
    assert f"long.py:1: lucid.ones(2) + lucid.ones(3)  # {'x' * 87}...\n" in str(caught.value) + "\n"
