"""The data of the page says what the graphs say, and the page is written whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import lucid
from lucid.cli.subjects import of_graph
from lucid.codegen.kernel import Constant, Kernel
from lucid.codegen.memory import home
from lucid.errors import ArgumentError
from lucid.explorer.page import page_of
from lucid.explorer.report import Exhibit, Files, report
from lucid.explorer.stages import Stages
from lucid.ir.graph import Graph
from lucid.ir.text import parse, print_graph
from lucid.ir.types import float32
from tests.compile.steps import STEPS, Make
from tests.ir.graphs import graphs

SCRIPT = """
import os, sys
import numpy as np
import lucid

@lucid.compile
def double(x):
    return x * 2.0

double(np.ones(3, "float32"))
double(np.ones(4, "float32"))
"""


def text_of(stage: dict[str, Any]) -> str:
    return "\n".join(line[0] for line in stage["lines"])


def assert_tokens(stage: dict[str, Any]) -> None:
    """Every value in the text is named, and every node reads and makes what its line says."""
    assert len(stage["nodes"]) == stage["count"]
    seen: dict[int, set[int]] = {}
    for text, _, node, tokens in stage["lines"]:
        for start, end, value in zip(tokens[::3], tokens[1::3], tokens[2::3], strict=True):
            assert text[start:end] == f"%{stage['values'][value][0]}"
        assert text.count("%") == len(tokens) // 3 or '"' in text
        if node >= 0:
            seen.setdefault(node, set()).update(tokens[2::3])
    for number, node in enumerate(stage["nodes"]):
        assert {*node["reads"], *node["makes"]} <= seen[number]
        assert stage["lines"][node["line"]][2] == number


@settings(max_examples=40)
@given(graphs(regions=True))
def test_the_text_of_random_graphs_is_marked(graph: Graph) -> None:
    stage = Stages(Files([])).enter("traced", graph, None)
    assert_tokens(stage)
    assert text_of(stage).split() == print_graph(graph, locations=False).split()


@pytest.mark.parametrize("make", STEPS[::3], ids=lambda make: make.__name__)
def test_a_step_is_reported_as_it_is(make: Make) -> None:
    step, batch = make()
    program = lucid.compile(step).lower(*batch)
    data = report([Exhibit.of(program)])
    assert json.dumps(data), "JSON holds it"
    (part,) = data["programs"][0]["parts"]
    assert [stage["name"] for stage in part["stages"]] == list(program.stages)
    for stage in part["stages"]:
        assert_tokens(stage)
    check_kernels(part["calls"])
    check_memory(program.graph(), part)
    explained = program.explain()
    work = [
        (call["read"], call["written"], call["operations"])
        for call in part["calls"]["calls"]
        if call["name"] != "check"
    ]
    assert work == [(row.work.read, row.work.written, row.work.operations) for row in explained.rows]
    numbers = [call["number"] for call in part["calls"]["calls"] if call["name"] != "check"]
    assert numbers == [row.number for row in explained.rows]
    assert {call["number"] for call in part["calls"]["calls"] if call["name"] == "check"} <= {-1}
    assert sum(len(call["apart"]) for call in part["calls"]["calls"]) == 2 * len(explained.apart) > 0
    texts = {file["name"]: file["text"] for file in data["files"]}
    assert texts.keys() & {"steps.py", "training.py"}, "where the steps of the tests are"
    assert any("def step(" in text for text in texts.values())


def test_a_report_is_the_same_each_time() -> None:
    program = lucid.compile(lambda x: (x @ x).exp().sum()).lower(np.ones((3, 3), np.float32))
    assert json.dumps(report([Exhibit.of(program)])) == json.dumps(report([Exhibit.of(program)]))


def check_kernels(calls: dict[str, Any]) -> None:
    kernels = calls["kernels"]
    assert {call["kernel"] for call in calls["calls"]} - {-1} == set(range(len(kernels)))
    for kernel in kernels:
        assert kernel["loops"].startswith("kernel(")
        assert kernel["llvm"].startswith("define")
        assert f"@{kernel['name']}(" in kernel["llvm"].split("\n")[0]
        assert kernel["assembly"].startswith(f"{kernel['name']}:")
        assert "ret" in kernel["assembly"]
        assert kernel["name"] in kernel["cuda"] or kernel["cuda"].startswith("// ")
    for number, call in enumerate(calls["calls"]):
        for other, _, reason in call["apart"]:
            assert reason
            assert number in [back for back, _, _ in calls["calls"][other]["apart"]]
    assert {call["name"] for call in calls["calls"] if call["kernel"] < 0} <= {"matmul", "check", "scan"}


def check_memory(planned: Graph, part: dict[str, Any]) -> None:
    memory, final = part["memory"], part["stages"][-1]
    blocks = memory["blocks"]
    for number, block in enumerate(blocks):
        assert final["values"][block["value"]][3] == f"arena+{block['offset']}"
        assert block["offset"] + block["size"] <= memory["arena"]
        for other in blocks[:number]:  # what is in use at the same time lies apart
            at_once = block["first"] <= other["last"] and other["first"] <= block["last"]
            apart = (
                block["offset"] + block["size"] <= other["offset"] or other["offset"] + other["size"] <= block["offset"]
            )
            assert apart or not at_once
    in_arena = [value for value in planned.places if home(planned, value) in planned.places]
    assert len(in_arena) == sum(1 + len(block["shared"]) for block in blocks)


LOOP = """graph @outer(%h: f32[4], %x: f32[3, 5, 4], %k: f32[4]) {
  %last, %ys = scan %h, %x, %k, length=3, carries=1, sequences=1, reverse=true @rows(
      %h: f32[4], %x: f32[5, 4], %k: f32[4]) {
    %g = neg %h
    %p, %q = scan %g, %x, %k, length=5, carries=1, sequences=1 @columns(%h: f32[4], %x: f32[4], %k: f32[4]) {
      %a = mul %h, %x; %b = add %a, %k; %c = tanh %b; %m = sum %c, axes=(0,); return %c, %m
    }
    %t = sum %q, axes=(0,); %u: f32[4] = broadcast %t; %v = add %p, %u; %w = tanh %v
    return %w, %q
  }
  %z = exp %last
  return %z, %ys
}"""


def test_a_loop_is_shown_with_what_is_in_it() -> None:
    program = of_graph(parse(LOOP))
    (part,) = report([Exhibit("outer", "", {"program": program})])["programs"][0]["parts"]
    for stage in part["stages"]:
        assert_tokens(stage)
    final = part["stages"][-1]
    check_kernels(part["calls"])
    calls = part["calls"]["calls"]
    assert [call["name"] for call in calls if call["depth"] < 2 and call["kernel"] < 0] == ["scan", "scan"]
    assert {call["depth"] for call in calls} == {0, 1, 2}
    for call in calls:
        node, depth = final["nodes"][call["node"]], 0
        while node["parent"] >= 0:
            node, depth = final["nodes"][node["parent"]], depth + 1
        assert depth == call["depth"]
    (workspace,) = (block for block in part["memory"]["blocks"] if block["value"] < 0)
    assert workspace["offset"] + workspace["size"] <= part["memory"]["arena"]
    (outer,) = (item for item in final["drawing"]["items"] if item[5] >= 0 and item[8])
    assert any(inner[8] for inner in outer[8]), "the inner loop is drawn inside the outer one"


def test_kernels_are_shown_as_a_rule_has_left_them() -> None:
    def longer(kernel: Kernel) -> Kernel:
        return replace(kernel, values=(*kernel.values, Constant(7.0, float32)))

    program = lucid.compile(lambda x: x + 1.0, kernel_rules=[longer]).lower(np.ones(3, np.float32))
    (part,) = report([Exhibit.of(program)])["programs"][0]["parts"]
    assert "constant 7.0" in part["calls"]["kernels"][0]["loops"]
    check_kernels(part["calls"])


def test_a_target_without_such_texts_shows_those_that_it_has() -> None:
    program = lucid.compile(lambda x: x + 1.0, target="cuda-sim").lower(np.ones(3, np.float32))
    (part,) = report([Exhibit.of(program)])["programs"][0]["parts"]
    (kernel,) = part["calls"]["kernels"]
    assert (kernel["llvm"], kernel["assembly"]) == ("", "")
    assert "kernel_0" in kernel["cuda"]


def pairs(before: str, after: str) -> list[tuple[str, int, bool]]:
    stages = Stages(Files([]))
    stages.enter("before", parse(before), None)
    return [(node["op"], node["from"], node["changed"]) for node in stages.enter("after", parse(after), None)["nodes"]]


def test_a_node_is_known_again() -> None:
    """By its op, types and attributes where the values are new; with other operands or attributes it has changed."""
    before = "graph @f(%x: f32[4], %y: f32[4]) { %0 = neg %x; %1 = exp %0; %2 = add %1, %y; return %2 }"
    after = "graph @f(%x: f32[4], %y: f32[4]) { %0 = exp %x; %1 = add %0, %y; %2 = sum %1, axes=(0,); return %2 }"
    assert pairs(before, after) == [("exp", 1, True), ("add", 2, False), ("sum", -1, False)]


def test_what_is_fused_is_known_again() -> None:
    step, batch = STEPS[0]()
    program = lucid.compile(step).lower(*batch)
    (part,) = report([Exhibit.of(program)])["programs"][0]["parts"]
    by_name = {stage["name"]: stage for stage in part["stages"]}
    fused, ordered = by_name["fused"], by_name["ordered"]
    for node in fused["nodes"]:
        assert (node["from"] < 0) == (node["op"] == "fused")
        if node["from"] >= 0:
            assert node["op"] == ordered["nodes"][node["from"]]["op"]
    assert {node["from"] for node in fused["nodes"]} - {-1} == set(range(ordered["count"]))


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    files = Files([])
    files.paths = [str(tmp_path / "a" / "train.py"), str(tmp_path / "b" / "train.py"), "/x/model.py"]
    assert [file["name"] for file in files.shown()] == ["a/train.py", "b/train.py", "model.py"]


def test_markup_in_the_data_stays_in_its_block() -> None:
    data = {"version": "</script><!--", "files": [], "programs": [{"name": "@@script@@</title>", "parts": []}]}
    text = page_of(data)
    assert text.count("</script>") == 2
    block = text.partition('id="report">')[2].partition("</script>")[0]
    assert json.loads(block) == data
    assert "<title>@@script@@&lt;/title&gt; · Lucid</title>" in text


# Writing.


def run(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "train.py").write_text(script)
    variables = {**os.environ, **environment, "PYTHONPATH": str(Path(lucid.__file__).parents[1])}
    return subprocess.run(
        [sys.executable, "train.py"], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )


def data_of(page: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page.read_text().partition('id="report">')[2].partition("</script>")[0])
    return found


def test_an_unchanged_script_writes_what_it_has_compiled(tmp_path: Path) -> None:
    done = run(SCRIPT, tmp_path, LUCID_EXPLORE="report.html")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "lucid: wrote report.html, with 2 programs\n")
    data = data_of(tmp_path / "report.html")
    assert [program["signature"] for program in data["programs"]] == ["f32[3]", "f32[4]"]
    assert data["files"][0] == {"name": "train.py", "text": SCRIPT}


def test_a_script_that_fails_writes_it_too(tmp_path: Path) -> None:
    done = run(SCRIPT + "raise SystemExit(3)\n", tmp_path, LUCID_EXPLORE="report.html")
    assert done.returncode == 3
    assert len(data_of(tmp_path / "report.html")["programs"]) == 2


def test_a_forked_process_leaves_the_page_to_its_parent(tmp_path: Path) -> None:
    fork = "if os.fork() == 0:\n    double(np.ones(5, 'float32'))\n    sys.exit()\nos.wait()\n"
    done = run(SCRIPT + fork, tmp_path, LUCID_EXPLORE="report.html")
    assert done.stderr == "lucid: wrote report.html, with 2 programs\n"


def test_a_page_that_cannot_be_written_fails_no_script(tmp_path: Path) -> None:
    done = run(SCRIPT, tmp_path, LUCID_EXPLORE="nowhere/report.html")
    assert done.returncode == 0
    assert done.stderr.startswith("lucid: could not write nowhere/report.html: MissingFileError: ")


def test_a_function_shows_all_its_programs(tmp_path: Path) -> None:
    @lucid.compile
    def square(x: Any) -> Any:
        return x * x

    with pytest.raises(ArgumentError) as caught:
        square.explore(tmp_path / "none.html")
    assert str(caught.value).split("\n")[0] == "there is no compiled program to show."
    assert "hint: call the function first, or lower it: f.lower(x).explore(path)." in str(caught.value)
    square(np.ones(3, np.float32))
    square(np.ones((2, 2), np.float32))
    for path in (3, "", "a\0b"):
        with pytest.raises(ArgumentError) as caught:
            square.explore(path)
        assert str(caught.value).startswith(f"explore takes the path of a file, got {path!r}.")
    where = square.explore(tmp_path / "square.html")
    assert [program["signature"] for program in data_of(where)["programs"]] == ["f32[3]", "f32[2, 2]"]
    assert list(tmp_path.iterdir()) == [where], "a draft was left behind"
