"""Recurrent layers: RNN, LSTM and GRU over whole sequences. Their code does not grow with the length of a sequence."""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import lucid.nn.functional as F
import lucid.operations as ops
from lucid.errors import ArgumentError, ShapeError
from lucid.loops import scan
from lucid.nn.arguments import check_positive_integer
from lucid.nn.module import Module
from lucid.nn.parameter import Parameter
from lucid.nn.recurrent_cells import check_nonlinearity, gru_biases, gru_step, lstm_step, parts_of_state, rnn_step
from lucid.operations.arguments import as_flag, float_dtype
from lucid.sampling import uniform
from lucid.savepoints import all_or_nothing
from lucid.tensor import Array, Tensor

Input = Tensor | Array
State = tuple[Tensor, ...]


@dataclass(frozen=True)
class Weights:
    """The parameters of a layer in one direction."""

    input: Parameter
    hidden: Parameter
    input_bias: Parameter | None
    hidden_bias: Parameter | None
    projection: Parameter | None

    def bias(self) -> Tensor | None:
        """The sum of both biases."""
        if self.input_bias is None or self.hidden_bias is None:
            return None
        return self.input_bias + self.hidden_bias


class _Recurrent(Module):
    """The base of the recurrent layers: `num_layers` on top of each other, in one direction or in both."""

    gates: ClassVar[int]
    parts: ClassVar[int] = 1  # of a state

    @all_or_nothing
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        proj_size: int,
        device: str | None,
        dtype: object,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.input_size = check_positive_integer(name, "input_size", input_size)
        self.hidden_size = check_positive_integer(name, "hidden_size", hidden_size)
        self.num_layers = check_positive_integer(name, "num_layers", num_layers)
        if isinstance(proj_size, bool) or not isinstance(proj_size, int) or not 0 <= proj_size < hidden_size:
            raise ArgumentError(f"{name} takes a proj_size from 0 to below hidden_size, got {proj_size!r}.")
        self.bias, self.batch_first = as_flag("bias", bias), as_flag("batch_first", batch_first)
        self.bidirectional, self.proj_size = as_flag("bidirectional", bidirectional), proj_size
        self.dropout = F.check_probability(dropout)
        if dropout and num_layers == 1:
            warnings.warn(
                f"{name} drops elements between layers, of which it has one: dropout={dropout!r} does nothing.",
                stacklevel=3,
            )
        dtype = float_dtype(name, dtype)
        bound, rows, width = 1.0 / math.sqrt(hidden_size), self.gates * hidden_size, self.output_size
        for layer in range(num_layers):
            for suffix in self._suffixes(layer):
                columns = input_size if layer == 0 else width * len(self._suffixes(layer))
                shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, columns), "weight_hh": (rows, width)}
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                for kind, shape in shapes.items():
                    self.register_parameter(f"{kind}_{suffix}", Parameter(uniform(-bound, bound, shape, dtype)))
        self._place(device)

    @property
    def output_size(self) -> int:
        """The size of a hidden state."""
        return self.proj_size or self.hidden_size

    def _suffixes(self, layer: int) -> tuple[str, ...]:
        """How the names of a layer's parameters end, a direction each."""
        return (f"l{layer}", f"l{layer}_reverse") if self.bidirectional else (f"l{layer}",)

    def _weights(self, suffix: str) -> Weights:
        def find(kind: str) -> Parameter | None:
            return self._parameters.get(f"{kind}_{suffix}")

        weight, hidden = find("weight_ih"), find("weight_hh")
        assert weight is not None
        assert hidden is not None
        return Weights(weight, hidden, find("bias_ih"), find("bias_hh"), find("weight_hr"))

    @abstractmethod
    def run(self, x: Tensor, state: State, weights: Weights, reverse: bool) -> tuple[State, Tensor]:
        """One layer in one direction: the last state, and the hidden states, from a sequence (L, N, features)."""

    def outputs(self, x: Input, state: Input | tuple[Input, ...] | None) -> tuple[Tensor, State]:
        """The hidden states of the last layer, and the last states of all layers, a part each, from a sequence."""
        sequence, batched = self._sequence(x)
        starts = self._starts(sequence, state, batched)
        ends: list[State] = []
        for layer in range(self.num_layers):
            if layer and self.dropout and self.training:
                sequence = F.dropout(sequence, self.dropout)
            directions = []
            for number, suffix in enumerate(self._suffixes(layer)):
                start = tuple(part[len(ends)] for part in starts)
                end, hidden = self.run(sequence, start, self._weights(suffix), reverse=number == 1)
                ends.append(end)
                directions.append(hidden)
            sequence = directions[0] if len(directions) == 1 else ops.concatenate(directions, axis=-1)
        last = [ops.stack(parts) for parts in zip(*ends, strict=True)]
        if not batched:
            return sequence[:, 0], tuple(part[:, 0] for part in last)
        return ops.transpose(sequence, 0, 1) if self.batch_first else sequence, tuple(last)

    def _sequence(self, x: Input) -> tuple[Tensor, bool]:
        """The input as (L, N, input_size), and whether it has N itself."""
        if isinstance(x, tuple):
            raise ArgumentError(
                f"{self.describe()} takes a tensor, got a {type(x).__name__}.",
                hint="LSTM, GRU and RNN return tuples: take y[0]; packed sequences are not taken: pad to one length.",
            )
        tensor = ops.as_tensor(x)
        if tensor.ndim not in (2, 3) or tensor.shape[-1] != self.input_size:
            axes = "N, L" if self.batch_first else "L, N"
            raise ShapeError(
                f"{self.describe()} takes inputs of shape ({axes}, {self.input_size}) or (L, {self.input_size}), "
                f"got {tensor.shape}."
            )
        if tensor.ndim == 2:
            return ops.expand_dims(tensor, 1), False
        return ops.transpose(tensor, 0, 1) if self.batch_first else tensor, True

    def _starts(self, x: Tensor, state: Input | tuple[Input, ...] | None, batched: bool) -> list[Tensor]:
        """Each part of the first states, as (layers and directions, N, size)."""
        count = self.num_layers * len(self._suffixes(0))
        sizes = (self.output_size, self.hidden_size)[: self.parts]
        if state is None:
            return [ops.zeros((count, x.shape[1], size), dtype=x.dtype) for size in sizes]
        starts = []
        for part, size in zip(parts_of_state(self, state, self.parts), sizes, strict=True):
            tensor = ops.as_tensor(part)
            expected = (count, x.shape[1], size) if batched else (count, size)
            if tensor.shape != expected:
                raise ShapeError(f"{self.describe()} takes a first state of shape {expected} here, got {tensor.shape}.")
            starts.append(tensor if batched else ops.expand_dims(tensor, 1))
        return starts

    def extra_repr(self) -> str:
        defaults = {
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
            "proj_size": 0,
        }
        given = [
            f"{name}={getattr(self, name)}" for name, default in defaults.items() if getattr(self, name) != default
        ]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *given])


class RNN(_Recurrent):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu, along a sequence: all hidden states, and each layer's last.

    input: (L, N, input_size), or (N, L, input_size) with `batch_first`, or (L, input_size); hx: (D * num_layers, N,
    hidden_size), or without N, where D is 2 if `bidirectional`, else 1; zeros where it is not given. The result is a
    pair: hidden states of the last layer (L, N, D * hidden_size), with the axes of x, and last hidden states, as hx.

    Parameters are `weight_ih_l0` (hidden_size, input_size), `weight_hh_l0` (hidden_size, hidden_size), `bias_ih_l0`,
    `bias_hh_l0`, and so on for each layer, whose input is what the layer below gives, and with `_reverse` for the other
    direction. They start uniform between -1/sqrt(hidden_size) and 1/sqrt(hidden_size), as in PyTorch. In training,
    elements between layers are dropped with probability `dropout`. Raises ShapeError for shapes that do not fit.
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: str | None = None,
        dtype: object = None,
    ) -> None:
        check_nonlinearity("RNN", nonlinearity)
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )
        self.nonlinearity = nonlinearity

    def run(self, x: Tensor, state: State, weights: Weights, reverse: bool) -> tuple[State, Tensor]:
        def step(hidden: Tensor, products: Tensor) -> tuple[Tensor, Tensor]:
            hidden = rnn_step(products, hidden, weights.hidden, self.nonlinearity)
            return hidden, hidden

        last, hidden = scan(step, state[0], F.linear(x, weights.input, weights.bias()), reverse=reverse)
        return (last,), hidden

    def forward(self, input: Input, hx: Input | None = None) -> tuple[Tensor, Tensor]:
        hidden, (last,) = self.outputs(input, hx)
        return hidden, last

    def extra_repr(self) -> str:
        return super().extra_repr() + (f", nonlinearity={self.nonlinearity}" if self.nonlinearity != "tanh" else "")


class LSTM(_Recurrent):
    """Long short-term memory along a sequence: all hidden states, and the last hidden states and cells of each layer.

    input: (L, N, input_size), or (N, L, input_size) with `batch_first`, or (L, input_size); hx: a pair of hidden states
    (D * num_layers, N, proj_size or hidden_size) and cells (D * num_layers, N, hidden_size), or without N, where D is 2
    if `bidirectional`, else 1; zeros where it is not given. The result is a pair: hidden states of the last layer
    (L, N, D * size), with the axes of x, and the last states, as hx. The equations are those of `lstm_step`.

    Parameters are `weight_ih_l0` (4 * hidden_size, input_size), `weight_hh_l0` (4 * hidden_size, size), `bias_ih_l0`,
    `bias_hh_l0`, with the rows of the input, forget, cell and output gates, and `weight_hr_l0` (proj_size, hidden_size)
    where there is a projection; and so on for each layer, and with `_reverse` for the other direction. They start
    uniform between -1/sqrt(hidden_size) and 1/sqrt(hidden_size), as in PyTorch. In training, elements between layers
    are dropped with probability `dropout`. Raises ShapeError for shapes that do not fit.
    """

    gates, parts = 4, 2

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: str | None = None,
        dtype: object = None,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size, device, dtype
        )

    def run(self, x: Tensor, state: State, weights: Weights, reverse: bool) -> tuple[State, Tensor]:
        def step(state: tuple[Tensor, Tensor], products: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
            hidden, cell = lstm_step(products, *state, weights.hidden, weights.projection)
            return (hidden, cell), hidden

        last, hidden = scan(step, state, F.linear(x, weights.input, weights.bias()), reverse=reverse)
        return last, hidden

    def forward(self, input: Input, hx: tuple[Input, Input] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        hidden, (last, cell) = self.outputs(input, hx)
        return hidden, (last, cell)


class GRU(_Recurrent):
    """Gated recurrent units along a sequence: all hidden states, and the last of each layer.

    input: (L, N, input_size), or (N, L, input_size) with `batch_first`, or (L, input_size); hx: (D * num_layers, N,
    hidden_size), or without N, where D is 2 if `bidirectional`, else 1; zeros where it is not given. The result is a
    pair: hidden states of the last layer (L, N, D * hidden_size), with the axes of x, and last hidden states, as hx.
    The equations are those of `gru_step`.

    Parameters are `weight_ih_l0` (3 * hidden_size, input_size), `weight_hh_l0` (3 * hidden_size, hidden_size),
    `bias_ih_l0`, `bias_hh_l0`, with the rows of the reset, update and new gates; and so on for each layer, and with
    `_reverse` for the other direction. They start uniform between -1/sqrt(hidden_size) and 1/sqrt(hidden_size), as in
    PyTorch. In training, elements between layers are dropped with probability `dropout`. Raises ShapeError for shapes
    that do not fit.
    """

    gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: str | None = None,
        dtype: object = None,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )

    def run(self, x: Tensor, state: State, weights: Weights, reverse: bool) -> tuple[State, Tensor]:
        early, late = gru_biases(weights.input_bias, weights.hidden_bias)

        def step(hidden: Tensor, products: Tensor) -> tuple[Tensor, Tensor]:
            hidden = gru_step(products, hidden, weights.hidden, late)
            return hidden, hidden

        last, hidden = scan(step, state[0], F.linear(x, weights.input, early), reverse=reverse)
        return (last,), hidden

    def forward(self, input: Input, hx: Input | None = None) -> tuple[Tensor, Tensor]:
        hidden, (last,) = self.outputs(input, hx)
        return hidden, last
