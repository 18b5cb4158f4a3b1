"""The pipeline as a whole: its stages, its dumps, and what it makes of a training step."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from lucid.errors import VerificationError
from lucid.ir.graph import Graph, same
from lucid.ir.ops.contraction import Matmul
from lucid.ir.ops.elementwise import Pow
from lucid.ir.ops.structure import Fused
from lucid.ir.passes.pipeline import PIPELINE, UNFUSED, Pass, run_pipeline
from lucid.ir.text import parse
from tests.ir.graphs import graphs
from tests.passes.rewriting import assert_equal_values

STAGES = ["traced", "differentiated", "simplified", "rematerialized", "ordered", "fused"]

STEP = """
graph @make._locals_.step(%x: f32[8, 4], %target: f32[8, 2], %w: state f32[2, 4], %b: state f32[2], %lr: f32[]) {
  %m = matmul %x, %w, transpose_b=true
  %bias: f32[8, 2] = broadcast %b
  %y = add %m, %bias
  %zero: f32[8, 2] = const value=0.0
  %r = maximum %y, %zero
  %error = sub %r, %target
  %square = mul %error, %error
  %sum = sum %square, axes=(0, 1)
  %seed: f32[] = const value=1.0
  %gw, %gb = grad %sum, %seed, %w, %b
  %lrw: f32[2, 4] = broadcast %lr
  %stepw = mul %gw, %lrw
  %w1 = sub %w, %stepw
  %lrb: f32[2] = broadcast %lr
  %stepb = mul %gb, %lrb
  %b1 = sub %b, %stepb
  return %sum ; %w <- %w1, %b <- %b1
}
"""


def test_stages_and_their_times() -> None:
    stages = run_pipeline(parse(STEP))
    assert list(stages.graphs) == STAGES
    assert list(stages.milliseconds) == STAGES[1:]
    assert stages.final is stages.graphs["fused"]


def test_a_training_step_is_three_kernels_around_its_products() -> None:
    graph = run_pipeline(parse(STEP)).final
    # bias, ReLU, loss; gradient of the output, bias gradient and update; weight update
    assert [node.op.name for node in graph.nodes] == ["matmul", "fused", "fused", "matmul", "fused"]


def test_every_stage_computes_the_same() -> None:
    stages = run_pipeline(parse(STEP))
    for name in STAGES[1:]:
        assert_equal_values(stages.graphs["traced"], stages.graphs[name], tolerance=1e-4)


def test_every_stage_parses_back() -> None:
    for graph in run_pipeline(parse(STEP)).graphs.values():
        assert same(parse(str(graph)), graph)


def test_unfused_is_the_pipeline_without_fusion() -> None:
    assert [step.stage for step in UNFUSED] == STAGES[1:-1]
    assert not any(isinstance(node.op, Fused) for node in run_pipeline(parse(STEP), UNFUSED).final.nodes)


def test_a_pass_that_breaks_the_graph_is_named_by_the_verifier() -> None:
    broken = Pass("broken", lambda graph: graph.with_nodes(graph.nodes[1:]))
    with pytest.raises(VerificationError):
        run_pipeline(parse(STEP), (*PIPELINE[:2], broken))


def test_stages_are_dumped_where_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUCID_DUMP", str(tmp_path))
    stages = run_pipeline(parse(STEP))
    run_pipeline(parse(STEP))
    first, second = sorted(tmp_path.iterdir())
    assert first.name.endswith("-make._locals_.step")
    assert second.name.endswith("-make._locals_.step")
    files = sorted(first.iterdir())
    assert [file.name for file in files] == [f"{number:02}-{stage}.ir" for number, stage in enumerate(STAGES)]
    assert same(parse(files[-1].read_text()), stages.final)


@given(graphs(max_nodes=30, exclude=(Matmul, Pow)))
def test_random_graphs_keep_every_bit(graph: Graph) -> None:
    # The interpreter takes no notice of orders, and these graphs have no long sums.
    assert_equal_values(graph, run_pipeline(graph).final)


def test_a_folder_that_cannot_be_written_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LUCID_DUMP", str(tmp_path / "file"))
    for _ in range(2):
        assert len(run_pipeline(parse("graph(%x: f32[4]) { %y = neg %x; return %y }")).graphs) > 1
    error = capsys.readouterr().err
    assert error == f"lucid: could not write {tmp_path / 'file'}: NotADirectoryError: Not a directory\n"
