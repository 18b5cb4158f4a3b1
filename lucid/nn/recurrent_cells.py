"""Cells of recurrent networks: one step on one element of a sequence, and the steps that the layers run too.

A step takes the products of an element, with the biases that can be added to them beforehand; so the layers compute
these for all elements of a sequence at once, and only the products of the hidden state are left to the loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np

import lucid.nn.functional as F
import lucid.operations as ops
from lucid.errors import ShapeError, argument_error
from lucid.nn.arguments import check_positive_integer
from lucid.nn.module import Module
from lucid.nn.parameter import Parameter
from lucid.operations.arguments import as_choice, as_flag, float_dtype
from lucid.sampling import uniform
from lucid.savepoints import all_or_nothing
from lucid.tensor import Array, Tensor

Input = Tensor | Array

NONLINEARITIES: Mapping[str, Callable[[Tensor], Tensor]] = {"tanh": ops.tanh, "relu": ops.relu}


def rnn_step(products: Tensor, hidden: Tensor, weight: Tensor, nonlinearity: str) -> Tensor:
    """nonlinearity(products + hidden @ weight.T), the next hidden state. Elman, "Finding structure in time", 1990."""
    return NONLINEARITIES[nonlinearity](products + ops.matmul(hidden, weight.T))


def lstm_step(
    products: Tensor, hidden: Tensor, cell: Tensor, weight: Tensor, projection: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The next hidden state and cell. Products of an element are those of the input, forget, cell and output gates.

    c' = sigmoid(f) * c + sigmoid(i) * tanh(g) and h' = sigmoid(o) * tanh(c'), which a projection multiplies.
    Hochreiter and Schmidhuber, "Long short-term memory", 1997; Sak et al., arXiv:1402.1128, equations 1 to 7.
    """
    recurrent = ops.matmul(hidden, weight.T)
    i, f, g, o = (x + y for x, y in zip(_parts(products, 4), _parts(recurrent, 4), strict=True))
    cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
    hidden = o.sigmoid() * cell.tanh()
    return hidden if projection is None else ops.matmul(hidden, projection.T), cell


def gru_step(products: Tensor, hidden: Tensor, weight: Tensor, new_bias: Tensor | None) -> Tensor:
    """The next hidden state. Products of an element are those of the reset, update and new gates.

    n = tanh(n + sigmoid(r) * (hidden product + new_bias)) and h' = (1 - sigmoid(z)) * n + sigmoid(z) * h.
    Cho et al., arXiv:1406.1078, equations 5 to 8, with the reset behind the product, as in PyTorch.
    """
    (r, z, n), (hr, hz, hn) = _parts(products, 3), _parts(ops.matmul(hidden, weight.T), 3)
    reset, update = (r + hr).sigmoid(), (z + hz).sigmoid()
    new = (n + reset * (hn if new_bias is None else hn + new_bias)).tanh()
    return new + update * (hidden - new)


def gru_biases(input_bias: Tensor | None, hidden_bias: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """The biases of a GRU by where they are added: to the products of an element, and to the hidden product of its new
    gate, which the reset gate multiplies."""
    if input_bias is None or hidden_bias is None:
        return None, None
    size = hidden_bias.shape[0] // 3
    early = ops.concatenate([hidden_bias[: 2 * size], ops.zeros(size, dtype=hidden_bias.dtype)])
    return input_bias + early, hidden_bias[2 * size :]


def _parts(x: Tensor, count: int) -> Sequence[Tensor]:
    """Equal parts of the last axis."""
    size = x.shape[-1] // count
    return [x[..., number * size : (number + 1) * size] for number in range(count)]


def check_nonlinearity(owner: str, nonlinearity: object) -> str:
    """The argument, if it is "tanh" or "relu"; else ArgumentError."""
    return as_choice(f'{owner} takes the nonlinearity "tanh" or "relu"', nonlinearity, NONLINEARITIES)


def parts_of_state(layer: Module, state: Input | tuple[Input, ...], parts: int) -> tuple[Input, ...]:
    """The parts of a state `hx`: two for a pair, else the one tensor. Raises ArgumentError for what is neither."""
    if parts == 1 and not isinstance(state, tuple):
        return (state,)
    if parts == 2 and isinstance(state, tuple | list) and len(state) == 2:
        return tuple(state)
    taken, kinds = ("one tensor", Tensor | np.ndarray) if parts == 1 else ("a pair (h, c)", tuple | list)
    extent = f"of {len(state)}" if isinstance(state, tuple | list) else f"of shape {np.shape(state)}"
    raise argument_error(
        state, kinds, f"{layer.describe()} takes {taken} as hx, got a {type(state).__name__} {extent}."
    )


class _Cell(Module):
    """The base of the cells: an element (N, input_size) and a state (N, hidden_size), or both without N.

    `weight_ih` of shape (gates * hidden_size, input_size), `weight_hh` of shape (gates * hidden_size, hidden_size), and
    `bias_ih` and `bias_hh`, which are None where `bias` is False, start uniform between -1/sqrt(hidden_size) and
    1/sqrt(hidden_size), as in PyTorch. A state that is not given is zero.
    """

    gates: ClassVar[int]
    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    @all_or_nothing
    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: str | None = None, dtype: object = None
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.input_size = check_positive_integer(name, "input_size", input_size)
        self.hidden_size = check_positive_integer(name, "hidden_size", hidden_size)
        self.bias = as_flag("bias", bias)
        bound, rows, dtype = 1.0 / math.sqrt(hidden_size), self.gates * hidden_size, float_dtype(name, dtype)
        self.weight_ih = Parameter(uniform(-bound, bound, (rows, input_size), dtype))
        self.weight_hh = Parameter(uniform(-bound, bound, (rows, hidden_size), dtype))
        for bias_name in ("bias_ih", "bias_hh"):
            self.register_parameter(bias_name, Parameter(uniform(-bound, bound, rows, dtype)) if bias else None)
        self._place(device)

    def element(self, x: Input) -> Tensor:
        """The input, if it has the right shape; else ShapeError."""
        tensor = ops.as_tensor(x)
        if tensor.ndim not in (1, 2) or tensor.shape[-1] != self.input_size:
            raise ShapeError(
                f"{self.describe()} takes inputs of shape (N, {self.input_size}) or ({self.input_size},), "
                f"got {tensor.shape}."
            )
        return tensor

    def state(self, x: Tensor, state: Input | None) -> Tensor:
        """A part of the state that goes with an input, zeros where it is not given; ShapeError if it does not fit."""
        shape = (*x.shape[:-1], self.hidden_size)
        if state is None:
            return ops.zeros(shape, dtype=x.dtype)
        (part,) = parts_of_state(self, state, 1)
        tensor = ops.as_tensor(part)
        if tensor.shape != shape:
            raise ShapeError(f"{self.describe()} takes a state of shape {shape} here, got {tensor.shape}.")
        return tensor

    def products(self, x: Tensor) -> Tensor:
        """The products of an element, with both biases."""
        bias = None if self.bias_ih is None or self.bias_hh is None else self.bias_ih + self.bias_hh
        return F.linear(x, self.weight_ih, bias)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}{'' if self.bias else ', bias=False'}"


class RNNCell(_Cell):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu: a step of `RNN`.

    input: (N, input_size), hx: (N, hidden_size), or both without N; the result is like hx. `weight_ih`, `weight_hh`,
    `bias_ih` and `bias_hh` start uniform between -1/sqrt(hidden_size) and 1/sqrt(hidden_size).
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: str | None = None,
        dtype: object = None,
    ) -> None:
        check_nonlinearity("RNNCell", nonlinearity)
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Input, hx: Input | None = None) -> Tensor:
        element = self.element(input)
        return rnn_step(self.products(element), self.state(element, hx), self.weight_hh, self.nonlinearity)

    def extra_repr(self) -> str:
        return super().extra_repr() + (f", nonlinearity={self.nonlinearity}" if self.nonlinearity != "tanh" else "")


class LSTMCell(_Cell):
    """A step of `LSTM`: the next hidden state and cell, by the equations of `lstm_step`.

    input: (N, input_size), hx: a pair (h, c) of shape (N, hidden_size) each, or all without N; the result is a pair
    like hx. `weight_ih`, `weight_hh`, `bias_ih` and `bias_hh` have rows for the input, forget, cell and output gates.
    """

    gates = 4

    def forward(self, input: Input, hx: tuple[Input, Input] | None = None) -> tuple[Tensor, Tensor]:
        element = self.element(input)
        parts = (None, None) if hx is None else parts_of_state(self, hx, 2)
        hidden, cell = (self.state(element, part) for part in parts)
        return lstm_step(self.products(element), hidden, cell, self.weight_hh, None)


class GRUCell(_Cell):
    """A step of `GRU`: the next hidden state, by the equations of `gru_step`.

    input: (N, input_size), hx: (N, hidden_size), or both without N; the result is like hx. `weight_ih`, `weight_hh`,
    `bias_ih` and `bias_hh` have the rows of the reset, update and new gates.
    """

    gates = 3

    def forward(self, input: Input, hx: Input | None = None) -> Tensor:
        element = self.element(input)
        early, late = gru_biases(self.bias_ih, self.bias_hh)
        return gru_step(F.linear(element, self.weight_ih, early), self.state(element, hx), self.weight_hh, late)
