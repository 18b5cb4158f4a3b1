"""Dropout."""

from __future__ import annotations

from typing import Any

import lucid.nn.functional as F
import lucid.operations as ops
from lucid.errors import TraceError
from lucid.modes import current_tracer
from lucid.nn.module import Module
from lucid.random import DrawLog
from lucid.tensor import Array, Tensor


class Dropout(Module):
    """In training, sets each element to 0 with probability p and scales the others by 1 / (1 - p).

    In evaluation the input passes unchanged. The arithmetic is that of `lucid.nn.functional.drop`. `p` may be set
    anew; it raises ArgumentError where it is no number from 0 to 1.
    """

    p: float

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p
        self._draws = DrawLog()

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, F.check_probability(value) if name == "p" else value)

    @property
    def mask(self) -> Tensor | None:
        """The 0s and 1s of the latest call in training, eager or compiled, in its input's shape; None before it.

        They are drawn again from the random stream, so that nothing is stored.
        """
        if current_tracer() is not None:
            raise TraceError(
                "dropout.mask is only known when the compiled step has run.",
                hint="read it after calling the compiled function.",
            )
        mask = self._draws.redraw()
        return None if mask is None else mask.astype("float32")

    def forward(self, x: Tensor | Array) -> Tensor:
        tensor = ops.as_tensor(x)
        if not self.training:
            return tensor
        result, source = F.drop(tensor, self.p)
        self._draws.note(source, self.p, tensor.shape)
        return result

    def extra_repr(self) -> str:
        return f"p={self.p}"
