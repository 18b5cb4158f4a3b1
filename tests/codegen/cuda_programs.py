"""Programs that the CUDA targets must agree on with the CPU target: modules and losses, here and in tests/table, in
training and not; optimizers with their options; the examples.

Each runs on the CPU target, which is recorded: the graph, what it was given, what came out. So the programs can be
compiled for CUDA many at a time, and run again on the same arrays.
"""

from __future__ import annotations

import contextlib
import ctypes
import inspect
import io
import runpy
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid.codegen.cpu.target import CPUExecutable, CPUTarget
from lucid.codegen.target import Code
from lucid.ir.graph import Graph
from lucid.ir.interpret import Outcome
from lucid.ir.types import TensorType
from lucid.pytree import flatten
from tests.optim.cases import CASES
from tests.oracle import Array
from tests.table import losses, modules
from tests.table.row import Row, cast, plainly


@dataclass(frozen=True)
class Run:
    """A run of a graph: the arrays in the order of its inputs, and the outcome."""

    graph: Graph
    arrays: tuple[Array, ...]
    outcome: Outcome


class RecordingTarget(CPUTarget):
    """The CPU target, whose runs are kept: the first two of each graph."""

    def __init__(self, runs: list[Run]) -> None:
        super().__init__()
        self.runs = runs

    def compile(self, graph: Graph) -> CPUExecutable:
        return self._record(super().compile(graph), graph)

    def load(self, code: Code, graph: Callable[[], Graph]) -> CPUExecutable:
        return self._record(super().load(code, graph), graph())

    def _record(self, executable: CPUExecutable, graph: Graph) -> CPUExecutable:
        """Keep the runs, with the graph that the target was given: each target plans it in its own way."""
        run, repeat, first = executable.run, executable.repeat, len(graph.inputs)

        def run_and_keep(table: int) -> None:
            if sum(other.graph is graph for other in self.runs) == 2:
                run(table)
                return
            addresses = (ctypes.c_uint64 * (first + len(graph.outputs))).from_address(table)
            arrays = tuple(_copied(a, value.type) for a, value in zip(addresses, graph.inputs, strict=False))
            run(table)
            outputs = (_copied(a, value.type) for a, value in zip(addresses[first:], graph.outputs, strict=True))
            states = (_copied(addresses[graph.inputs.index(state)], state.type) for state, _ in graph.updates)
            self.runs.append(Run(graph, arrays, Outcome(tuple(outputs), tuple(states))))

        def keep_the_first(table: int, times: int, slots: Array, strides: Array, runs: ctypes.c_int64) -> None:
            words = np.ctypeslib.as_array((ctypes.c_uint64 * executable.new_table().size).from_address(table))
            for _ in range(min(times, 2)):
                run_and_keep(table)
                words[slots] += strides.astype(np.uint64)
                runs.value += 1
            repeat(table, max(times - 2, 0), slots, strides, runs)

        executable.run = run_and_keep  # type: ignore[method-assign]
        executable.repeat = keep_the_first  # type: ignore[method-assign]
        executable.record = lambda *_: None  # type: ignore[method-assign]  # so that each call comes by here
        return executable


def _copied(address: int, type: TensorType) -> Array:
    raw = ctypes.string_at(address, type.nbytes)
    return np.frombuffer(raw, type.dtype.numpy).reshape(type.shape).copy()


Program = Callable[[], None]


def recorded(program: Program) -> list[Run]:
    """The runs of a program, two of each graph at most."""
    runs: list[Run] = []
    lucid.seed(0)
    with mock.patch("lucid.compiler.load_target", return_value=RecordingTarget(runs)):
        program()
    return runs


# Modules: how to make each, and the shapes of its arguments; a dtype or an array stands for what is not a float.

Argument = tuple[int, ...] | Array
LABELS, SIGNS = np.array([1, 0, 2]), np.array([1.0, -1.0, 1.0], np.float32)
ROWS, PROBABILITIES = (3, 4), np.full((3, 4), 0.3, np.float32)

MODULES: dict[str, tuple[Callable[[], Any], tuple[Argument, ...]]] = {
    **{
        name: (getattr(nn, name), (ROWS,))
        for name in (
            *("CELU", "ELU", "GELU", "SELU", "GLU", "Hardsigmoid", "Hardswish", "Hardtanh", "Identity", "LeakyReLU"),
            *("LogSigmoid", "Mish", "PReLU", "ReLU", "ReLU6", "SiLU", "Sigmoid", "Softplus", "Softsign", "Tanh"),
            *("Tanhshrink", "Hardshrink", "Softshrink", "RReLU", "Dropout", "AlphaDropout", "Flatten"),
        )
    },
    "Softmax": (lambda: nn.Softmax(1), ((3, 40),)),
    "LogSoftmax": (lambda: nn.LogSoftmax(0), (ROWS,)),
    "Softmin": (lambda: nn.Softmin(0), (ROWS,)),
    "Softmax2d": (nn.Softmax2d, ((2, 3, 4, 2),)),
    "Threshold": (lambda: nn.Threshold(0.1, 2.0), (ROWS,)),
    "FeatureAlphaDropout": (nn.FeatureAlphaDropout, ((2, 3, 4),)),
    "DropPath": (lambda: nn.DropPath(0.5), ((6, 2, 2),)),
    "Dropout1d": (nn.Dropout1d, ((2, 3, 4),)),
    "Dropout2d": (nn.Dropout2d, ((2, 3, 4, 2),)),
    "Dropout3d": (nn.Dropout3d, ((2, 3, 2, 2, 2),)),
    "Linear": (lambda: nn.Linear(70, 5), ((9, 70),)),
    "Bilinear": (lambda: nn.Bilinear(4, 3, 2), (ROWS, (3, 3))),
    "Unflatten": (lambda: nn.Unflatten(1, (2, 2)), (ROWS,)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(4), ((5, 4),)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(3), ((2, 3, 4, 2),)),
    "BatchNorm3d": (lambda: nn.BatchNorm3d(2), ((2, 2, 2, 3, 2),)),
    "InstanceNorm1d": (lambda: nn.InstanceNorm1d(3, affine=True), ((2, 3, 20),)),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(3), ((2, 3, 4, 2),)),
    "InstanceNorm3d": (lambda: nn.InstanceNorm3d(2), ((2, 2, 2, 3, 2),)),
    "LayerNorm": (lambda: nn.LayerNorm(40), ((3, 40),)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), ((3, 4, 5),)),
    "LocalResponseNorm": (lambda: nn.LocalResponseNorm(3), ((2, 4, 5),)),
    "RMSNorm": (lambda: nn.RMSNorm(4), (ROWS,)),
    "MultiheadAttention": (lambda: nn.MultiheadAttention(8, 2), ((5, 2, 8), (5, 2, 8), (5, 2, 8))),
    "TransformerEncoderLayer": (lambda: nn.TransformerEncoderLayer(8, 2, 12), ((4, 2, 8),)),
    "TransformerEncoder": (lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 12), 1), ((4, 2, 8),)),
    "TransformerDecoderLayer": (lambda: nn.TransformerDecoderLayer(8, 2, 12), ((4, 2, 8), (3, 2, 8))),
    "TransformerDecoder": (
        lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 12), 1),
        ((4, 2, 8), (3, 2, 8)),
    ),
    "Transformer": (lambda: nn.Transformer(8, 2, 1, 1, 12), ((4, 2, 8), (3, 2, 8))),
    **{
        f"{kind}Pad{rank}d": (
            lambda kind=kind, rank=rank: getattr(nn, f"{kind}Pad{rank}d")(1, *((0.5,) if kind == "Constant" else ())),
            ((2, 3, *(4,) * rank),),
        )
        for kind in ("Circular", "Constant", "Reflection", "Replication", "Zero")
        for rank in (1, 2, 3)
    },
    "Upsample": (lambda: nn.Upsample(scale_factor=2), ((2, 3, 4),)),
    "UpsamplingNearest2d": (lambda: nn.UpsamplingNearest2d(scale_factor=2), ((2, 3, 4, 2),)),
    "UpsamplingBilinear2d": (lambda: nn.UpsamplingBilinear2d(scale_factor=2), ((1, 2, 2, 3),)),
    "ChannelShuffle": (lambda: nn.ChannelShuffle(2), ((2, 4, 3),)),
    "PixelShuffle": (lambda: nn.PixelShuffle(2), ((1, 4, 2, 3),)),
    "PixelUnshuffle": (lambda: nn.PixelUnshuffle(2), ((1, 2, 4, 2),)),
    "Unfold": (lambda: nn.Unfold(2, stride=2, padding=1), ((1, 2, 4, 5),)),
    "Fold": (lambda: nn.Fold((3, 4), 2), ((1, 8, 6),)),
    "Conv1d": (lambda: nn.Conv1d(3, 4, 3, stride=2, padding=1), ((2, 3, 7),)),
    "Conv2d": (lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2), ((2, 4, 5, 6),)),
    "Conv3d": (lambda: nn.Conv3d(2, 3, 2, dilation=2), ((1, 2, 4, 3, 4),)),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(3, 4, 3, stride=2), ((2, 3, 5),)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 6, 3, stride=(2, 1), padding=1, groups=2), ((2, 4, 3, 4),)),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(2, 3, 2, output_padding=0), ((1, 2, 2, 3, 2),)),
    **{
        f"{kind}Pool{rank}d": (
            lambda kind=kind, rank=rank: getattr(nn, f"{kind}Pool{rank}d")(*((3, 2) if rank < 3 else (2, 1))),
            ((2, 2, *(5,) * rank) if rank < 3 else (1, 2, 3, 4, 3),),
        )
        for kind in ("Avg", "Max")
        for rank in (1, 2, 3)
    },
    **{
        f"LPPool{rank}d": (
            lambda rank=rank: getattr(nn, f"LPPool{rank}d")(2, 2),
            ((2, 2, *(5, 4, 3)[:rank]),),
        )
        for rank in (1, 2, 3)
    },
    **{
        f"Adaptive{kind}Pool{rank}d": (
            lambda kind=kind, rank=rank: getattr(nn, f"Adaptive{kind}Pool{rank}d")(2),
            ((2, 2, *(5, 3, 4)[:rank]),),
        )
        for kind in ("Avg", "Max")
        for rank in (1, 2, 3)
    },
    **{
        f"MaxUnpool{rank}d": (
            lambda rank=rank: getattr(nn, f"MaxUnpool{rank}d")(2),
            ((1, 2, *(2,) * rank), np.array([[3, 1, 4, 15, 9, 2, 6, 5][: 1 << rank]] * 2).reshape(1, 2, *(2,) * rank)),
        )
        for rank in (2, 3)
    },
    "MaxUnpool1d": (lambda: nn.MaxUnpool1d(2), ((2, 2, 3), np.array([[[0, 3, 5], [1, 1, 4]]] * 2))),
    "FractionalMaxPool2d": (lambda: nn.FractionalMaxPool2d(2, 3), ((2, 2, 5, 6),)),
    "FractionalMaxPool3d": (lambda: nn.FractionalMaxPool3d(2, 2), ((1, 2, 4, 5, 3),)),
    "EmbeddingBag": (
        lambda: nn.EmbeddingBag(10, 5, mode="max", padding_idx=1),
        (np.array([0, 9, 1, 3, 9, 4]), np.array([0, 2, 2])),
    ),
    "Embedding": (lambda: nn.Embedding(10, 5, padding_idx=1), (np.array([[0, 9, 1], [3, 9, 4]]),)),
    **{f"{kind}Cell": (lambda kind=kind: getattr(nn, f"{kind}Cell")(4, 3), (ROWS,)) for kind in ("RNN", "LSTM", "GRU")},
    "RNN": (lambda: nn.RNN(4, 3, batch_first=True), ((2, 5, 4),)),
    "LSTM": (lambda: nn.LSTM(4, 3, num_layers=2, dropout=0.5), ((5, 2, 4),)),
    "GRU": (lambda: nn.GRU(4, 3, bidirectional=True), ((5, 2, 4),)),
    "CosineSimilarity": (nn.CosineSimilarity, (ROWS, ROWS)),
    "PairwiseDistance": (nn.PairwiseDistance, (ROWS, ROWS)),
    # Losses.
    "AdaptiveLogSoftmaxWithLoss": (lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 9, [3, 6], 2.0), ((3, 8), LABELS)),
    "CTCLoss": (
        lambda: lambda x: nn.CTCLoss()(F.log_softmax(x, -1), np.array([[1, 2], [2, 2]]), (6, 5), (2, 1)),
        ((6, 2, 4),),
    ),
    "LinearCrossEntropyLoss": (lambda: nn.LinearCrossEntropyLoss(4, 3), (ROWS, LABELS)),
    "BCELoss": (lambda: lambda x, y: nn.BCELoss()(x.sigmoid(), y), (ROWS, PROBABILITIES)),
    "BCEWithLogitsLoss": (nn.BCEWithLogitsLoss, (ROWS, PROBABILITIES)),
    "CosineEmbeddingLoss": (nn.CosineEmbeddingLoss, (ROWS, ROWS, SIGNS)),
    "CrossEntropyLoss": (lambda: nn.CrossEntropyLoss(label_smoothing=0.1), (ROWS, LABELS)),
    "GaussianNLLLoss": (nn.GaussianNLLLoss, (ROWS, ROWS, PROBABILITIES)),
    "HingeEmbeddingLoss": (nn.HingeEmbeddingLoss, ((3,), SIGNS)),
    "HuberLoss": (nn.HuberLoss, (ROWS, ROWS)),
    "KLDivLoss": (lambda: nn.KLDivLoss(reduction="batchmean"), (ROWS, PROBABILITIES)),
    "L1Loss": (nn.L1Loss, (ROWS, ROWS)),
    "MSELoss": (nn.MSELoss, (ROWS, ROWS)),
    "MarginRankingLoss": (nn.MarginRankingLoss, ((3,), (3,), SIGNS)),
    "MultiLabelMarginLoss": (nn.MultiLabelMarginLoss, (ROWS, np.array([[1, 3, -1, 0]] * 3))),
    "MultiLabelSoftMarginLoss": (nn.MultiLabelSoftMarginLoss, (ROWS, PROBABILITIES)),
    "MultiMarginLoss": (nn.MultiMarginLoss, (ROWS, LABELS)),
    "NLLLoss": (nn.NLLLoss, (ROWS, LABELS)),
    "PoissonNLLLoss": (nn.PoissonNLLLoss, (ROWS, PROBABILITIES)),
    "SmoothL1Loss": (nn.SmoothL1Loss, (ROWS, ROWS)),
    "SoftMarginLoss": (nn.SoftMarginLoss, ((3,), SIGNS)),
    "TripletMarginLoss": (nn.TripletMarginLoss, (ROWS, ROWS, ROWS)),
    "TripletMarginWithDistanceLoss": (nn.TripletMarginWithDistanceLoss, (ROWS, ROWS, ROWS)),
}

# What holds modules and computes nothing by itself.
CONTAINERS = {"Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"}


def step_of(function: Any, call: Callable[..., Any], given: Sequence[Array], runs: int) -> None:
    """Run a compiled step some times: a call, and backward from its results to the parameters and arguments."""
    parameters = list(function.parameters()) if isinstance(function, nn.Module) else []

    @lucid.compile
    def step(*arguments: Any) -> Any:
        for parameter in parameters:
            parameter.grad = None
        inputs = [x.detach().requires_grad_() if x.dtype.is_float else x for x in map(lucid.as_tensor, arguments)]
        outputs = [x for x in flatten(call(function, *inputs))[0] if isinstance(x, lucid.Tensor)]
        if differentiable := [output for output in outputs if output.requires_grad]:
            sum((output * output).sum() for output in differentiable).backward()
        return outputs, [x.grad for x in (*inputs, *parameters) if x.grad is not None]

    for _ in range(runs):
        step(*given)


def module_step(name: str, training: bool = True) -> Program:
    """Two steps of a module; one if it is not in training, which changes no state."""

    def program() -> None:
        make, shapes = MODULES[name]
        module = make()
        if isinstance(module, nn.Module):
            module.train(training)
        generator = np.random.default_rng(len(name))
        given = [x if isinstance(x, np.ndarray) else generator.standard_normal(x).astype("f") for x in shapes]
        step_of(module, plainly, given, 2 if training else 1)

    return program


def row_step(row: Row, training: bool = True) -> Program:
    """A step of a row of tests/table in float32."""

    def program() -> None:
        function = row.make(lucid)
        if isinstance(function, nn.Module):
            function.train(training)
        step_of(function, row.call, cast(row.inputs, "float32"), 1)

    return program


def optimizer_steps(name: str, options: Mapping[str, Any]) -> Program:
    """Two steps of an optimizer, with half of a network in float64."""

    def program() -> None:
        model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
        weight = lucid.Tensor(np.linspace(-1.0, 1.0, 6), requires_grad=True)
        parameters = [*model.parameters(), weight]
        if name == "Muon":  # which is for matrices
            parameters = [parameter for parameter in parameters if parameter.ndim == 2]
        optimizer = getattr(optim, name)(parameters, **{"lr": 0.01, **options})

        @lucid.compile
        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y) + (weight**2).sum().astype("float32")
            loss.backward()
            optimizer.step()
            return loss

        for _ in range(2):
            step(np.random.default_rng(0).standard_normal((3, 6)).astype("f"), LABELS)

    return program


def optimizer_cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """Optimizers with options: those that are compared with PyTorch's, and each switch that these leave alone."""
    yield from CASES
    for name in optimizers():
        used = {option for other, options in CASES if other == name for option in options}
        for option, parameter in inspect.signature(getattr(optim, name)).parameters.items():
            if isinstance(parameter.default, bool) and option not in used:
                yield name, {option: not parameter.default}


def optimizers() -> Iterator[str]:
    """The names of the optimizers."""
    for name in optim.__all__:
        kind = getattr(optim, name)
        if isinstance(kind, type) and issubclass(kind, optim.Optimizer) and kind is not optim.Optimizer:
            yield name


ROWS = [*modules.ROWS, *losses.ROWS]
EXAMPLES = Path(__file__).parents[2] / "examples"
SHORTENED = {
    "01_train_digits.py": ("--epochs", "1"),
    "03_cnn.py": ("--data", "digits", "--epochs", "1"),
    "04_lstm_adding.py": ("--length", "8", "--steps", "2"),
    "05_autoencoder_digits.py": ("--epochs", "1"),
    "06_character_gpt.py": ("--steps", "2"),
    "07_droq_pendulum.py": ("--steps", "1000"),
}


def example(name: str) -> Program:
    """An example with few steps, in a folder of its own, without what it prints."""

    def program() -> None:
        path = str(EXAMPLES / name)
        with (
            tempfile.TemporaryDirectory() as folder,
            contextlib.chdir(folder),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            mock.patch.object(sys, "argv", [path, *SHORTENED.get(name, ())]),
        ):
            runpy.run_path(path, run_name="__main__")

    return program


def programs() -> dict[str, Program]:
    """All programs, by name."""
    return {
        **{name: module_step(name) for name in MODULES},
        **{f"{name} in eval": module_step(name, training=False) for name in MODULES},
        **{f"{row.name}-{number}": row_step(row) for number, row in enumerate(ROWS)},
        **{f"{row.name}-{number} in eval": row_step(row, training=False) for number, row in enumerate(modules.ROWS)},
        **{f"{name} {options}": optimizer_steps(name, options) for name, options in optimizer_cases()},
        **{path.name: example(path.name) for path in sorted(EXAMPLES.glob("*.py"))},
    }
