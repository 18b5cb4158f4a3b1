"""Rows of the functions that combine elements along axes, and of sorting."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import numpy as np

from tests.table.row import KINDS, Array, Row, function, numbers, places, positive


def distinct(*shape: int, seed: int = 0) -> Array:
    """Reproducible floats no two of which are near each other."""
    order = np.random.default_rng(seed).permutation(int(np.prod(shape)))
    return np.asarray(order.reshape(shape) - 2.7)


def along(*choices: tuple[Any, ...], **options: Any) -> Any:
    """Calls with each of several choices of arguments behind the operand."""
    return lambda f, x: [f(x, *choice) for choice in choices] + [f(x, 1, **options)]


def reduction(name: str, call: Any, draw: Any = numbers, **options: Any) -> Row:
    """The row of a function of a tensor of three axes."""
    return function(name, (draw(3, 4, 5),), (draw(1, 1, 1),), call=call, **options)


def of_all(library: Any, name: str) -> Any:
    """A function of PyTorch that has to be told the axes, told all of them where Lucid needs none."""
    function = getattr(library, name)
    return lambda x, dim=None, **options: function(x, tuple(range(x.ndim)) if dim is None else dim, **options)


KEPT = {"keepdim": True}
REFUSED = {"none": "refused"}
SPOTTED = np.where(numbers(3, 4, 5, seed=3) > 1, np.nan, numbers(3, 4, 5))

ROWS: list[Row] = [
    *(reduction(name, along((), (-1,), ((0, 2),), **KEPT)) for name in ("sum", "mean")),
    *(reduction(name, along((), (-1,), **KEPT), differences=False) for name in ("any", "all")),
    reduction("prod", along((), (-1,), **KEPT), positive),
    *(
        reduction(name, lambda f, x: (f(x, 1), f(x, (1, 2), keepdim=True), f(x, -1, correction=0), f(x, -1, False)))
        for name in ("var", "std", "var_mean", "std_mean")
    ),
    reduction(
        "norm",
        lambda f, x: (f(x), f(x, 2, 1), f(x, 1, -1, keepdim=True), f(x, 3, (1, 2)), f(x, float("inf"), 1), f(x, 0, 1)),
    ),
    reduction("logsumexp", along((), (-1,), ((0, 2),), **KEPT), theirs=lambda torch: of_all(torch, "logsumexp")),
    reduction("quantile", lambda f, x: (f(x, 0.3), f(x, 0.9, 1), f(x, 0.5, -1, keepdim=True)), outcomes=REFUSED),
    reduction(
        *("median", along((), (-1,), **KEPT)),
        theirs=lambda torch: lambda x, dim=None, keepdim=False: torch.quantile(x, 0.5, dim, keepdim),
        outcomes=REFUSED,
    ),
    *(reduction(name, along((0,), (-1,))) for name in ("cumsum", "cumprod")),
    reduction("diff", lambda f, x: (f(x), f(x, 2, 1), f(x, 1, 0, prepend=x[:1]), f(x, 1, -1, x[..., :2], x))),
    reduction("max", along((), (-1,), ((0, 2),), **KEPT), distinct, theirs=attrgetter("amax"), outcomes=REFUSED),
    reduction("min", along((), (-1,), ((0, 2),), **KEPT), distinct, theirs=attrgetter("amin"), outcomes=REFUSED),
    *(
        reduction(name, along((), (-1,), **KEPT), distinct, outcomes=REFUSED, differences=False)
        for name in ("argmax", "argmin")
    ),
    reduction("count_nonzero", along((), (-1,), ((0, 2),)), differences=False),
    *(
        function(name, (numbers(3, 4, 5),), (SPOTTED,), (numbers(1, 1, 1),), call=along((), (-1,), ((0, 2),), **KEPT))
        for name in ("nansum", "nanmean")
    ),
    function(
        *("nanquantile", (distinct(3, 4, 5),), (SPOTTED,), (numbers(1, 1, 1),)),
        call=lambda f, x: (f(x, 0.3), f(x, 0.9, 1), f(x, 0.5, -1, keepdim=True)),
        outcomes=REFUSED,
    ),
    function(
        *("nanmedian", (distinct(3, 4, 5),), (SPOTTED,)),
        call=along((), (-1,), **KEPT),
        theirs=lambda torch: lambda x, dim=None, keepdim=False: torch.nanquantile(x, 0.5, dim, keepdim),
        outcomes=REFUSED,
    ),
    reduction("sort", lambda f, x: (f(x), f(x, 0, True), f(x, dim=1, stable=True)), distinct),
    reduction("argsort", lambda f, x: (f(x), f(x, 0, True), f(x, dim=1, stable=True)), distinct, differences=False),
    reduction("topk", lambda f, x: (f(x, 1), f(x, min(2, x.shape[1]), 1, False)), distinct),
    function(
        "searchsorted",
        (np.sort(numbers(7)), numbers(3, 4, seed=1)),
        (np.sort(numbers(2, 5)), numbers(2, 3)),
        (np.array([1, 2, 2, 3]), np.array([2, 0, 5])),
        along=(None, 0),
        call=lambda f, x, y: (f(x, y), f(x, y, right=True), f(x, y, side="left")),
        differences=False,
    ),
]

ROWS += [
    reduction("logcumsumexp", along((0,), (-1,))),
    *(reduction(name, along((0,), (-1,)), distinct) for name in ("cummax", "cummin")),
    reduction("cumulative_trapezoid", lambda f, x: (f(x), f(x, dx=2, dim=1), f(x, x, dim=1))),
    reduction("trapezoid", lambda f, x: (f(x), f(x, dx=2, dim=1), f(x, x, dim=1))),
    reduction("aminmax", lambda f, x: (f(x, dim=1), f(x, dim=-1, keepdim=True)), distinct),
    reduction("kthvalue", lambda f, x: (f(x, 1), f(x, x.shape[1], 1, True)), distinct),
    function("cov", (numbers(3, 5),), (numbers(5),), call=lambda f, x: (f(x), f(x, correction=0))),
    function("corrcoef", (numbers(3, 5),), (numbers(5),)),
    function("dist", (numbers(3, 4), numbers(3, 4, seed=1)), call=lambda f, x, y: (f(x, y), f(x, y, 1), f(x, y, 3))),
    function("renorm", (numbers(3, 4, 2),), call=lambda f, x: (f(x, 2, 0, 1.5), f(x, 1, 1, 2.0))),
    function(
        *("bincount", (places(5, 7), numbers(7)), (places(5, 1), numbers(1))),
        along=None,  # PyTorch's counts without elements are int64, with weights too
        call=lambda f, x, weights: (f(x, minlength=5), f(x, weights.detach(), 6)),
        differences=False,
    ),
    function(
        *("histc", (numbers(3, 4),), (np.full((2,), 0.5),)),
        call=lambda f, x: (f(x.detach(), 4), f(x.detach(), 3, -1, 1)),
        outcomes={f"{kind} 0": "ours" for kind in KINDS},
        differences=False,
    ),
    function(
        *("bucketize", (numbers(3, 4), np.sort(numbers(5)))),
        along=(0, None),
        call=lambda f, x, y: (f(x, y), f(x, y, right=True)),
        differences=False,
    ),
]
