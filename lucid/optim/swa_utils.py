"""Averages of the weights of a model over the steps of its training."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import lucid.operations as ops
from lucid.errors import ArgumentError, ArgumentTypeError, ShapeError
from lucid.modes import no_grad
from lucid.nn.module import Module
from lucid.operations.arguments import check_number
from lucid.savepoints import Savepoint
from lucid.scalars import Scalar
from lucid.tensor import Tensor

Average = Callable[[Tensor, Tensor, Tensor], Tensor]


class AveragedModel(Module):
    """A copy of a model, `module`, whose weights are averages of those of the model in its calls so far.

    `update_parameters`, called after each step of the optimizer, in a compiled step as well, takes the weights of the
    model over in its first call, and later sets them to `avg_fn(averaged, current, n_averaged)`: by default the plain
    mean, else what `get_ema_avg_fn` gives, or any function. Buffers are averaged with `use_buffers`, else taken over.
    Izmailov et al., arXiv:1803.05407, section 3, for the plain mean.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: str | None = None,
        avg_fn: Average | None = None,
        *,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(model, Module):
            raise ArgumentTypeError(f"AveragedModel takes a module, got {type(model).__name__}.")
        if avg_fn is not None and not callable(avg_fn):
            raise ArgumentTypeError(f"AveragedModel takes a function as avg_fn, got {avg_fn!r}.")
        self.module = copy.deepcopy(model)
        self.register_buffer("n_averaged", ops.zeros(dtype="int64"))
        self.avg_fn = _mean if avg_fn is None else avg_fn
        self.use_buffers = use_buffers
        self._place(device)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the weights of the model into the averages."""
        shapes = [[t.shape for t in (*m.parameters(), *m.buffers())] for m in (self.module, model)]
        if shapes[0] != shapes[1]:
            raise ShapeError(f"update_parameters takes a model of the shapes {shapes[0]}, got {shapes[1]}.")
        with no_grad(), Savepoint():
            self._average(self.module.parameters(), model.parameters())
            if self.use_buffers:
                self._average(self.module.buffers(), model.buffers())
            else:
                for own, buffer in zip(self.module.buffers(), model.buffers(), strict=True):
                    own.copy_(buffer)
            self.n_averaged += 1

    def _average(self, averages: Iterable[Tensor], tensors: Iterable[Tensor]) -> None:
        for average, tensor in zip(averages, tensors, strict=True):
            current = tensor.detach()
            if average.dtype.is_float:
                later = self.avg_fn(average.detach(), current, self.n_averaged)
                current = ops.where(self.n_averaged == 0, current, later)
            average.copy_(current)


def _mean(average: Tensor, current: Tensor, count: Tensor) -> Tensor:
    return average + (current - average) / (count + 1).astype(average.dtype)


def get_ema_avg_fn(decay: float | Scalar = 0.999) -> Average:
    """The exponential moving average decay * averaged + (1 - decay) * current, for `AveragedModel`."""
    if not 0.0 <= check_number("get_ema_avg_fn takes a number as decay", decay) <= 1.0:
        raise ArgumentError(f"get_ema_avg_fn takes a decay from 0 to 1, got {decay!r}.")

    def average(averaged: Tensor, current: Tensor, count: Tensor) -> Tensor:
        return averaged * decay + current * (1.0 - decay)

    return average
