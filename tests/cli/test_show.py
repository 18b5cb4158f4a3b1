"""`lucid show` compiles what a file defines, and prints what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lucid.cli.inputs import input_of
from lucid.ir.text import parse, print_graph


def test_a_module_is_shown_as_in_evaluation_and_in_training(command: Callable[..., object]) -> None:
    evaluation = parse(command("show", "train.py:model", "--input", "input=2x8xf32", "--stage", "traced").output)
    assert "random_keep" not in {node.op.name for node in evaluation.nodes}
    assert len(evaluation.outputs) == 1
    training = parse(command("show", "train.py:model", "--input", "2x8xf32", "--train", "--stage", "traced").output)
    assert {"random_keep", "grad"} <= {node.op.name for node in training.nodes}
    assert len(training.outputs) == 5  # and the gradients of two weights and two biases


def test_all_stages_of_a_step(command: Callable[..., object]) -> None:
    output = command("show", "train.py:train_step", "--input", "x=2x8xf32", "--input", "y=2xi64", "--all").output
    titles = [line.removeprefix("# ") for line in output.splitlines() if line.startswith("# ")]
    assert titles == ["traced", "differentiated", "simplified", "rematerialized", "ordered", "fused", "planned"]
    for text in output.split("\n# ")[1:]:
        parse(text.partition("\n")[2])


def test_what_has_a_backward_of_its_own_shows_both(command: Callable[..., object]) -> None:
    output = command("show", "train.py:loss", "--input", "x=2x8xf32", "--stage", "fused").output
    forward, backward = output.removeprefix("# forward: fused\n").split("# backward: fused\n")
    assert parse(forward).name == "loss"
    assert parse(backward).name == "loss.backward"
    traced = parse(command("show", "train.py:loss", "--input", "x=2x8xf32", "--stage", "traced").output)
    assert traced.name == "loss"
    data = json.loads(command("show", "train.py:loss", "--input", "x=2x8xf32", "--json").output)
    assert list(data) == ["forward", "backward"]
    assert parse(data["backward"]["planned"]).places


def test_a_module_without_parameters_has_nothing_to_train(command: Callable[..., object]) -> None:
    errors = command("show", "train.py:two", "--train", "--input", "x=2x8xf32", code=3).errors
    assert errors == "error: no result of Two requires a gradient: there is nothing to train.\n"


def test_an_ir_file_goes_on_from_its_stage(command: Callable[..., object], tmp_path: Path) -> None:
    arguments = ("show", "train.py:train_step", "--input", "x=2x8xf32", "--input", "y=2xi64")
    planned = command(*arguments).output
    for stage in ("traced", "simplified", "fused", "planned"):
        (tmp_path / "step.ir").write_text(command(*arguments, "--stage", stage).output)
        shown = command("show", "step.ir").output
        assert print_graph(parse(shown), locations=False) == print_graph(parse(planned), locations=False), stage


@pytest.mark.parametrize(
    ("form", "sign"),
    [("llvm", "define i32 @"), ("asm", "\tret"), ("cuda", 'extern "C"'), ("dot", "digraph"), ("svg", "<svg")],
)
def test_code_of_every_kind(form: str, sign: str, command: Callable[..., object]) -> None:
    assert sign in command("show", "train.py:square", "--input", "x=64xf32", "--as", form).output
    data = json.loads(command("show", "train.py:square", "--input", "x=64xf32", "--as", form, "--json").output)
    assert sign in data["program"][form]


def test_inputs_are_types_files_and_values(command: Callable[..., object], tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((3, 5), np.float32))
    output = command("show", "train.py:two", "--input", "x=x.npy", "--input", "scale=2.5", "--stage", "traced").output
    assert "graph @Two(%x: f32[3, 5], %scale: f64[]) {" in output
    output = command("show", "train.py:two", "--input", "x.npy", "--input", "2", "--stage", "traced").output
    assert "graph @Two(%x: f32[3, 5]) {" in output
    assert str(input_of("x=f64").type) == "f64[]"
    assert input_of("x=2x3xbool").value().strides == (0, 0), "no memory is taken for a shape"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ("train.py:mode",),
            3,
            "error: train.py has no mode.\n  hint: did you mean model?\n",
        ),
        (
            ("train.py:nothing_like_it",),
            3,
            "error: train.py has no nothing_like_it.\n  hint: it has model, Two, two, loss, train_step, square.\n",
        ),
        (("train.py:number",), 3, "error: expected a function or a module, got an object of int: train.py:number.\n"),
        (
            ("train.py:Two",),
            3,
            "error: expected a function or a module, got the class Two: train.py:Two.\n"
            "  hint: make an object of it in the file: model = Two(...).\n",
        ),
        (("no.py:model",), 3, "error: no.py can't be read: there is no such file.\n"),
        (
            ("train.py",),
            3,
            "error: expected FILE.py:NAME, got 'train.py'.\n"
            "  hint: it has model, Two, two, loss, train_step, square.\n",
        ),
        (("model",), 3, "error: expected FILE.py:NAME, got 'model'.\n"),
        (
            ("train.py:model", "--input", "input=32x64"),
            2,
            "argument --input: a shape has its dtype, 32x64xf32, and a tuple its parentheses; got 'input=32x64'",
        ),
        (("train.py:model", "--input", "32, 64"), 2, "a shape has its dtype, 32x64xf32, and a tuple its parentheses"),
        (("train.py:model",), 2, "takes (input): missing a required argument: 'input'; give each as --input"),
        (("train.py:model", "--input", "z=32x64xf32"), 2, "train.py:model has no argument z; it takes (input)."),
        (("train.py:two", "--input", "x=f32", "--input", "y=2"), 2, "has no argument y; it takes (x, scale)."),
        (
            ("train.py:model", "--input", "input=3xbf16"),
            2,
            "argument --input: there is no dtype 'bf16'; it is one of bool, ",
        ),
        (
            ("train.py:model", "--input", "input=f16"),
            2,
            "there is no dtype 'f16'; it is one of bool, u8, u32, u64, i32, i64, f",
        ),
        (("train.py:model", "--input", "input=four"), 2, "NAME=64x784xf32, NAME=FILE.npy or NAME=VALUE with"),
        (("train.py:model", "--input", f"input={'9' * 18}x9xf64"), 2, "and a size in bytes below 2^63, got f64[99"),
        (
            ("train.py:model", "--input", "input=no.npy"),
            3,
            "error: no.npy is not an array in NumPy's format: [Errno 2]",
        ),
        (("train.py:square", "--input", "f32", "--train"), 2, "--train is for modules; train.py:square is a function"),
        (("train.py:square", "--input", "f32", "--stage", "no"), 3, "error: there is no stage 'no'; expected one of"),
        (("train.py:square", "--input", "f32", "--as", "asm", "--all"), 2, "--stage and --all choose among IR; --as a"),
        (("step.ir", "--train"), 2, "an IR file takes neither --input nor --train: it says its inputs itself."),
    ],
)
def test_what_cannot_be_shown_is_named(
    arguments: tuple[str, ...], code: int, message: str, command: Callable[..., object]
) -> None:
    assert message in command("show", *arguments, code=code).errors


def test_what_a_file_raises_is_shown_from_its_own_line_on(command: Callable[..., object], tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import json\njson.loads('{')\n")
    errors = command("show", "broken.py:x", code=3).errors
    assert errors.startswith("Traceback (most recent call last):\n  File ")
    assert 'broken.py", line 2, in <module>' in errors.split("\n")[1]
    assert errors.endswith("error: broken.py has raised JSONDecodeError.\n")
    (tmp_path / "ends.py").write_text("raise SystemExit")
    assert command("show", "ends.py:x", code=3).errors == (
        'error: ends.py has ended the process.\n  hint: put what runs the training under `if __name__ == "__main__":`\n'
    )


def test_a_shape_error_shows_the_users_line(command: Callable[..., object], tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text("def f(x):\n    return x @ x\n")
    errors = command("show", "wrong.py:f", "--input", "x=2x3xf32", code=3).errors
    assert "\n  wrong.py:2: return x @ x\n" in errors


def test_kernels_are_explained(command: Callable[..., object]) -> None:
    arguments = ("show", "train.py:train_step", "--input", "x=2x8xf32", "--input", "y=2xi64", "--as", "kernels")
    text = command(*arguments).output
    assert text.startswith("train_step(f32[2, 8], i64[2]), lines of train.py\nkernel   what ")
    assert "\nnot fused\n" in text
    data = json.loads(command(*arguments, "--profile", "--json").output)
    assert data["measurement"]["runs"] > 0
    assert all(row["nanoseconds"] is not None for row in data["rows"])
    assert "--profile goes with --as kernels." in command("show", "x.ir", "--profile", code=2).errors


def test_all_kernels_and_the_largest(command: Callable[..., object], tmp_path: Path) -> None:
    (tmp_path / "long.py").write_text("def f(x):\n    for _ in range(40):\n        x = x @ x\n    return x\n")
    arguments = ("show", "long.py:f", "--input", "x=4x4xf32", "--as", "kernels")
    assert command(*arguments).output.count("\n") == 1 + 1 + 30 + 2 + 3
    command(*arguments, "--all", "-o", "all.txt")
    assert (tmp_path / "all.txt").read_text().count("matmul") > 40
