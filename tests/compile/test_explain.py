"""`program.explain()`: a row a kernel, why there are not fewer, what the backward keeps; and how long each takes."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid.codegen.work import Work
from lucid.compilation import compile_graph
from lucid.errors import CompileError
from lucid.explanation import Explanation, Measurement, Row
from lucid.ir.ops.convolution import Convolution, ConvolutionInput, ConvolutionWeight
from lucid.ir.passes.fuse import Obstacle
from lucid.ir.text import parse
from lucid.ir.types import TensorType, float32
from lucid.program import Program
from lucid.stages import Readable
from lucid.targets import load_target

CPU = load_target("cpu")


def step(hidden: int = 32) -> Program:
    model = nn.Sequential(nn.Linear(8, hidden), nn.ReLU(), nn.Dropout(0.25), nn.Linear(hidden, 4))
    optimizer = optim.Adam(model.parameters())

    @lucid.compile
    def train_step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return train_step.lower(np.zeros((16, 8), "float32"), np.zeros(16, "int64"))


def of_text(text: str) -> Explanation:
    return Readable(compile_graph(parse(text), CPU)).explain()


def test_a_row_says_what_a_kernel_covers() -> None:
    explanation = step().explain()
    assert explanation.title == "train_step(f32[16, 8], i64[16])"
    assert [row.number for row in explanation.rows] == list(range(len(explanation.rows)))
    (hidden,) = (row for row in explanation.rows if "random_keep" in row.ops and not row.backward)
    assert hidden.name == "add_less_equal_where_random_keep_mul"
    assert hidden.ops[:3] == ("broadcast", "add", "less_equal")
    assert hidden.modules == ("0: Linear", "1: ReLU", "2: Dropout")
    assert [line.partition(":")[0] for line in hidden.lines] == ["test_explain.py"]
    products = [row for row in explanation.rows if row.name == "matmul"]
    first, second = 2 * 16 * 8 * 32, 2 * 16 * 32 * 4
    assert [row.work.operations for row in products] == [first, second, second, second, first]
    assert [row.backward for row in products] == [0, 0, 1, 1, 1]


def test_bytes_and_operations_are_counted_once_an_element() -> None:
    (row,) = of_text(
        "graph(%x: f32[64, 8], %b: f32[8]) { %c = broadcast %b, shape=(64, 8); %y = add %x, %c; return %y }"
    ).rows
    assert (row.work.read, row.work.written, row.work.operations) == (4 * (512 + 8), 4 * 512, 512)
    assert row.work.intensity == pytest.approx(512 / (4 * 1032))
    (row,) = of_text("graph(%x: f32[64, 8]) { %y = sum %x, axes=(1,); return %y }").rows
    assert (row.work.read, row.work.written, row.work.operations) == (4 * 512, 4 * 64, 512)
    (row,) = of_text("graph(%x: f64[100]) { %y = slice %x, start=(0,), step=(4,), shape=(25,); return %y }").rows
    assert (row.work.read, row.work.written, row.work.operations) == (200, 200, 0)


def test_a_convolution_and_its_gradients_take_as_many_products() -> None:
    geometry = ((2, 1), (1, 2), (1, 0), (0, 1), 2)  # strides, dilations, zeros before and after, groups
    x, weight = TensorType(float32, (3, 4, 9, 8)), TensorType(float32, (6, 2, 3, 2))
    forward = Convolution(*geometry)
    (result,) = forward.infer([x, weight])
    products = result.size * 2 * 3 * 2  # channels of a group, and taps
    assert forward.products([x, weight]) == products
    assert ConvolutionInput(*geometry, (9, 8)).products([result, weight]) == products
    assert ConvolutionWeight(*geometry, (3, 2)).products([x, result]) == products


def test_a_loop_counts_all_its_runs() -> None:
    explanation = of_text(
        "graph(%h: f32[8], %x: f32[5, 8]) { %h1, %ys = scan %h, %x, length=5, carries=1, sequences=1 "
        "(%h: f32[8], %x: f32[8]) { %y = mul %h, %x; return %y, %y }; return %h1, %ys }"
    )
    rows = [row for row in explanation.rows if row.runs == 5]
    assert sum(row.work.operations for row in rows) == 5 * 8
    assert " x 5" in str(explanation)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "graph(%x: f32[8, 8]) { %a = exp %x; %y = matmul %a, %x; return %y }",
            "matmul is not a loop nest: it has a kernel of its own",
        ),
        (
            "graph(%x: f32[8, 4]) { %a = sum %x, axes=(1,); %y = sum %a, axes=(0,); return %y }",
            "their elements differ: 8 x 4 reduced along 1, and 8 reduced along 0",
        ),
        (
            "graph(%x: f32[8, 8]) { %a = exp %x; %t = transpose %a, permutation=(1, 0); %y = mul %x, %t; return %y }",
            "one reads what the other computes elsewhere than in place, so it must be in memory",
        ),
        (
            "graph(%x: f32[8, 8]) { %a = exp %x; %b = matmul %a, %x; %y = mul %a, %b; return %y }",
            "a third kernel needs one of them and is needed by the other",
        ),
    ],
)
def test_neighbours_have_a_reason(text: str, reason: str) -> None:
    assert reason in {pair.reason for pair in of_text(text).apart}


def test_pairs_with_what_is_no_loop_nest_are_one_line() -> None:
    explanation = step().explain()
    kept_apart = [pair for pair in explanation.apart if pair.reason.startswith("matmul is not a loop nest")]
    (line,) = (line for line in str(explanation).splitlines() if "not a loop nest" in line)
    assert line == f"{len(kept_apart)} pairs with matmul: what is not a loop nest has a kernel of its own"
    text = str(of_text("graph(%x: f32[8, 8]) { %a = exp %x; %y = matmul %a, %a; return %y }"))
    assert text.endswith("\nnot fused\n1 pair with matmul: what is not a loop nest has a kernel of its own")


def layers(count: int) -> Explanation:
    model = nn.Sequential(*(layer for _ in range(count) for layer in (nn.Linear(8, 8), nn.LayerNorm(8), nn.GELU())))
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def update(x: lucid.Tensor) -> None:
        model(x).sum().backward()
        optimizer.step()

    return lucid.compile(update).lower(lucid.ones(4, 8)).explain()


def test_of_a_large_program_the_largest_kernels_are_shown() -> None:
    explanation = layers(12)
    text, full = str(explanation).splitlines(), explanation.full().splitlines()
    size = [row.work.read + row.work.written + row.work.operations / 10.0 for row in explanation.rows]
    shown = [int(line.split()[0]) for line in text[2:32]]
    others = set(range(len(size))).difference(shown)
    assert shown == sorted(shown)
    assert min(size[number] for number in shown) >= max(size[number] for number in others)
    assert text[32].strip().startswith(f"{len(others)} more: see full()")
    assert [line.split()[0] for line in full[2 : 2 + len(explanation.rows)]] == [
        str(r.number) for r in explanation.rows
    ]
    assert len(text) < 100 < len(full)


class Blocks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.transformers_of_the_second_half = nn.Sequential(*(nn.TransformerEncoderLayer(8, 2, 16) for _ in range(2)))

    def forward(self, x: lucid.Tensor) -> lucid.Tensor:
        return self.transformers_of_the_second_half(x)


def test_the_tables_fit_a_terminal() -> None:
    model = Blocks()

    @lucid.compile
    def update(x: lucid.Tensor) -> None:
        model(x).sum().backward()

    explanation = update.lower(np.ones((2, 3, 8), "float32")).explain()
    shown, full = str(explanation).splitlines(), explanation.full().splitlines()
    assert max(map(len, shown)) == 100 < max(map(len, full))
    assert not any("..." in line for line in full)
    kernels = {str(row.number): row.name for row in explanation.rows}
    for line in shown[2 : shown.index("") - 2]:
        number, what = line.split()[0], line.split()[2 if " back " in line else 1]
        assert kernels[number].startswith(what.removesuffix("..."))


def test_lines_of_the_main_file_are_numbers() -> None:
    def of(*lines: str) -> Row:
        return Row(0, "add", ("add",), (), lines, 0, 1, Work(8, 4, 1))

    explanation = Explanation("step(f32[])", (of("train.py:1", "train.py:2"), of("model.py:3"), of()), ())
    head, _, *rows = str(explanation).splitlines()
    assert head == "step(f32[]), lines of train.py"
    assert [row[13:24].strip() for row in rows] == ["1, 2", "model.py:3", "", ""]


def test_times_take_the_place_of_amounts() -> None:
    row = Row(0, "add", ("add",), (), (), 2, 5, Work(8000, 4000, 1000), 2000.0)
    explanation = Explanation("step(f32[])", (row,), (), measurement=Measurement(10, 4000.0, 1, 1e9, 1e9))
    (title, head, first, rest, *_), (_, whole, *_) = str(explanation).splitlines(), explanation.full().splitlines()
    assert title == "step(f32[])"
    assert head.split() == ["kernel", "what", "time", "share", "GB/s", "GFLOP/s", "a", "byte"]
    assert first.split() == ["0", "back", "2", "add", "x", "5", "2", "us", "50%", "6.0", "0.5", "0.08"]
    assert rest.split() == ["around", "the", "kernels", "2", "us", "50%"]  # of 4
    assert whole.split()[2:7] == ["read", "written", "FLOPs", "a", "byte"]
    assert whole.split()[7:] == ["time", "share", "GB/s", "GFLOP/s"]


def test_of_many_pairs_and_values_the_kinds_are_counted() -> None:
    explanation = layers(12)
    told = [pair for pair in explanation.apart if "is not a loop nest" not in pair.reason]
    text = str(explanation)
    kinds = Counter(pair.reason.partition(":")[0] for pair in told)
    section = text.split("\nnot fused\n")[1].split("\n\n")[0].splitlines()[:-1]
    assert [line.split(" pairs ")[1].strip() for line in section] == [kind for kind, _ in kinds.most_common()]
    assert [int(line.split()[0]) for line in section] == [count for _, count in kinds.most_common()]
    saved = text.split("saved for the backward: ")[1].split("\n\n")[0].splitlines()[1:]
    assert sum(int(line.split()[0]) for line in saved) == len(explanation.saved) > 30


def test_the_page_on_explanations_lists_the_reasons() -> None:
    page = (Path(__file__).parents[2] / "docs" / "explain.md").read_text()
    reasons = "".join(f"- {obstacle.value.format('...')}\n" for obstacle in Obstacle)
    assert f"\n\n{reasons}\n" in page


def test_a_text_that_is_fused_already_has_no_reasons() -> None:
    program = Readable(compile_graph(parse("graph(%x: f32[8, 8]) { %a = exp %x; %y = matmul %a, %a; return %y }"), CPU))
    assert len(program.explain().apart) == 1
    fused = Readable(compile_graph(parse(step().ir("fused")), CPU)).explain()
    assert [row.name for row in fused.rows] == [row.name for row in step().explain().rows]
    assert not fused.apart


def test_forward_and_backward_and_checks_are_kept_apart_for_a_reason() -> None:
    explanation = step().explain()
    reasons = {pair.reason for pair in explanation.apart}
    assert "a check waits for one of them, and for nothing else" in reasons
    explanation = of_text("graph(%x: f32[64]) { %e = exp %x; %t = tanh %x in backward 1; return %e, %t }")
    (pair,) = explanation.apart
    assert pair.reason.startswith("forward and backward stay apart: ")


def test_what_the_backward_keeps_is_told_with_its_bytes() -> None:
    explanation = step(hidden=8192).explain()  # large enough for recomputation to be worth a thought
    saved = {kept.op: kept for kept in explanation.saved if kept.type.startswith("bool")}
    assert saved["add_less_equal_where_random_keep_mul"].bytes == 16 * 8192
    assert ("f32[16, 8192]", "cast", 4 * 16 * 8192) in {(k.type, k.op, k.bytes) for k in explanation.recomputed}
    assert f"\nsaved for the backward: {sum(k.bytes for k in explanation.saved) / 1e3:.3g} kB\n" in str(explanation)


def test_a_backward_of_its_own_is_explained_with_its_forward() -> None:
    model = nn.Sequential(nn.Linear(8, 8192), nn.ReLU(), nn.Dropout(0.25), nn.Linear(8192, 4))
    program = lucid.compile(model).lower(np.zeros((16, 8), "float32"))
    explanation = program.explain()
    assert explanation.backward is not None
    assert explanation.backward.title == "Sequential.backward"
    assert {row.backward for row in explanation.backward.rows} == {1}
    assert sum(kept.bytes for kept in explanation.saved) == sum(t.nbytes for t in program.backward.saved_types)
    assert {kept.op for kept in explanation.recomputed} == {"cast"}


def test_machines_read_the_same() -> None:
    explanation = step().explain()
    data = json.loads(json.dumps(explanation.as_dict()))
    assert list(data) == ["title", "rows", "apart", "saved", "recomputed", "measurement", "backward", "work"]
    assert list(data["rows"][0]) == [
        *("number", "name", "ops", "modules", "lines", "backward", "runs", "work", "nanoseconds", "intensity")
    ]
    assert data["rows"][1]["work"] == {"read": 16 * 8 * 4 + 8 * 32 * 4, "written": 16 * 32 * 4, "operations": 8192}
    assert data["work"]["operations"] == sum(row["work"]["operations"] for row in data["rows"])


def test_a_profile_times_each_kernel_and_changes_nothing() -> None:
    program = step()
    state = lucid.get_state()
    before = [array.copy() for array in program.captured_arrays]
    explanation = program.explain(profile=True)
    assert explanation.measurement is not None
    assert explanation.measurement.runs > 0
    assert all(row.nanoseconds is not None and row.nanoseconds >= 0 for row in explanation.rows)
    assert 0 < sum(row.nanoseconds for row in explanation.rows) < 1.5 * explanation.measurement.nanoseconds
    assert min(explanation.measurement.peak_bytes, explanation.measurement.peak_operations) > 1e8
    text = str(explanation)
    assert "GFLOP/s in fused multiply-adds of float32" in text
    assert "time  share" in text
    one = dataclasses.replace(explanation.measurement, threads=1)
    assert " on 1 thread: " in str(dataclasses.replace(explanation, measurement=one))
    for x, y in zip(before, program.captured_arrays, strict=True):
        np.testing.assert_array_equal(x, y)
    assert lucid.get_state() == state


def test_a_profile_of_what_fails_on_made_up_inputs_says_so() -> None:
    graph = parse('graph @f(%i: i64[], %n: i64[3]) { check %i, %n, message="no"; %m = neg %n; return %m }')
    with pytest.raises(CompileError, match="a check of f fails on the inputs that are made up for measuring it"):
        Readable(compile_graph(graph, CPU)).explain(profile=True)


def test_a_kernel_names_no_module_for_a_constant_that_it_shares_with_another_layer() -> None:
    layers = [nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Dropout(0.1)) for _ in range(2)]
    step = lucid.compile(nn.Sequential(*layers))
    step(np.ones((4, 8), np.float32))
    named = [row.modules for row in step.explain().rows]
    assert {module.split(".")[0] for modules in named for module in modules} == {"0", "1"}
    for modules in named:
        assert len({module.split(".")[0] for module in modules}) <= 1
