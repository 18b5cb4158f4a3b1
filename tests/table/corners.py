"""Rows of smooth functions at zeros and at equal operands, where a formula with |x| or a maximum has a corner."""

from __future__ import annotations

import numpy as np

from tests.table.row import KEEPS_INTEGERS, Array, Row, function, numbers


def zeros(*shape: int) -> Array:
    return np.zeros(shape)


def some_zeros(*shape: int) -> Array:
    """Numbers, every third of which is 0."""
    x = numbers(*shape)
    x.reshape(-1)[::3] = 0.0
    return x


TARGET = numbers(2, 3, seed=1) > 0

ROWS: list[Row] = [
    *(
        function(name, (zeros(3),))
        for name in (
            "exp",
            "exp2",
            "expm1",
            "log1p",
            "sin",
            "cos",
            "tan",
            "asin",
            "acos",
            "atan",
            "sinh",
            "cosh",
            "tanh",
            "asinh",
            "atanh",
            "sigmoid",
            "erf",
            "square",
        )
    ),
    *(
        function(f"nn.functional.{name}", (some_zeros(2, 3),))
        for name in ("logsigmoid", "softplus", "silu", "mish", "tanhshrink", "gelu")
    ),
    function("nn.functional.gelu", (zeros(3),), call=lambda f, x: f(x, approximate="tanh")),
    function(
        "power",
        (zeros(3),),
        theirs=lambda torch: torch.pow,
        call=lambda f, x: (f(x, 2), f(x, 2.0), f(x, 3.0), f(x, 4)),
    ),
    function("atan2", (np.array([0.0, 1.0, -2.0]), np.array([2.0, 0.0, 0.0]))),
    function("hypot", (np.array([0.0, 1.0, -2.0]), np.array([2.0, 0.0, -2.0]))),
    function("logaddexp", (np.array([0.0, 1.5, -2.0]), np.array([0.0, 1.5, 2.0]))),
    function("xlogy", (zeros(3), np.array([0.5, 1.0, 2.0]))),
    *(
        function(name, (some_zeros(3, 4),), call=lambda f, x: f(x, 1))
        for name in ("prod", "cumprod", "logsumexp", "var")
    ),
    function("norm", (some_zeros(3, 4),), call=lambda f, x: (f(x), f(x, 2, 1), f(x, 4, 1))),
    *(
        function(f"nn.functional.{name}", (zeros(2, 3),), call=lambda f, x: f(x, 1))
        for name in ("softmax", "log_softmax")
    ),
    function("nn.functional.normalize", (some_zeros(3, 4),)),
    function(
        "nn.functional.local_response_norm",
        (some_zeros(2, 4, 3),),
        call=lambda f, x: f(x, 3, 0.5),
        outcomes=KEEPS_INTEGERS,
    ),
    function("nn.functional.layer_norm", (zeros(2, 3),), call=lambda f, x: f(x, (3,), eps=0.1)),
    *(
        function(f"nn.functional.{name}", (some_zeros(2, 3), np.zeros((2, 3))))
        for name in ("mse_loss", "smooth_l1_loss", "huber_loss", "poisson_nll_loss")
    ),
    function("nn.functional.multilabel_soft_margin_loss", (some_zeros(2, 3), TARGET * 1.0)),
    function(
        *("nn.functional.binary_cross_entropy_with_logits", (some_zeros(2, 3), TARGET * 1.0)),
        outcomes={"wide 0": "promoted"},  # PyTorch rounds to the dtype of the target
    ),
    function("nn.functional.soft_margin_loss", (some_zeros(2, 3), TARGET * 2 - 1)),
]
