"""Rows of products of vectors, matrices and tensors."""

from __future__ import annotations

from operator import attrgetter

from tests.table.row import Row, function, numbers

VECTORS = numbers(5), numbers(5, seed=1)
MATRICES = numbers(3, 4), numbers(4, 5, seed=1)
BATCHES = numbers(2, 3, 4), numbers(2, 4, 5, seed=1)

ROWS: list[Row] = [
    function(
        *("matmul", MATRICES, VECTORS, BATCHES, (numbers(2, 1, 3, 4), numbers(3, 4, 2)), (numbers(4), MATRICES[1])),
        *((MATRICES[0], numbers(4)), (numbers(1, 1), numbers(1, 1)), (numbers(2, 0), numbers(0, 3))),
        along=(0, None),
    ),
    function("dot", VECTORS, (numbers(1), numbers(1))),
    function("mv", (numbers(3, 4), numbers(4)), (numbers(1, 1), numbers(1)), along=(0, None)),
    function("bmm", BATCHES, (numbers(1, 1, 1), numbers(1, 1, 1))),
    function("outer", (numbers(3), numbers(4)), (numbers(1), numbers(1))),
    function(
        "inner",
        (numbers(3, 4), numbers(2, 4)),
        (numbers(4), numbers(4)),
        (numbers(), numbers(3)),
        along=(0, None),
    ),
    function(
        *("tensordot", (numbers(3, 4, 2), numbers(4, 2, 5))),
        along=(0, None),
        call=lambda f, x, y: (f(x, y), f(x, y, dims=([1], [0]))),
    ),
    function(
        *("addmm", (numbers(3, 5), *MATRICES), (numbers(5), *MATRICES), (numbers(3, 1), *MATRICES)),
        along=(0, 0, None),
        call=lambda f, *x: (f(*x), f(*x, beta=0.5, alpha=2.0)),
    ),
    function(
        *("addmv", (numbers(3), MATRICES[0], numbers(4)), (numbers(1), MATRICES[0], numbers(4))),
        along=(0, 0, None),
        call=lambda f, *x: (f(*x), f(*x, beta=0.5, alpha=2.0)),
    ),
    function(
        *("baddbmm", (numbers(2, 3, 5), *BATCHES), (numbers(5), *BATCHES)),
        call=lambda f, *x: (f(*x), f(*x, beta=0.5, alpha=2.0)),
    ),
    function("kron", (numbers(3, 2), numbers(2, 4)), (numbers(2), numbers(2, 1, 3)), (numbers(), numbers(2))),
    function(
        "cross",
        (numbers(4, 3), numbers(4, 3, seed=1)),
        (numbers(3), numbers(3)),
        theirs=attrgetter("linalg.cross"),
    ),
    function(
        *("cdist", (numbers(3, 4), numbers(5, 4, seed=1)), (numbers(2, 1, 4), numbers(2, 3, 4, seed=1))),
        call=lambda f, x, y: (f(x, y), f(x, y, 1.0), f(x, y, p=3.0)),
    ),
    function(
        *("einsum", (numbers(3, 4, 2), numbers(2, 4))),
        along=(0, None),
        call=lambda f, x, y: (f("bij,ji->b", x, y), f("bij,jk->bik", x, y), f("bij->jb", x), f("...i,ij->...", x, y)),
    ),
]

ROWS += [
    function(
        *("addbmm", (numbers(3, 5), numbers(2, 3, 4), numbers(2, 4, 5))),
        along=(None, 0, 0),
        call=lambda f, *x: (f(*x), f(*x, beta=0.5, alpha=2.0)),
    ),
    function(
        *("addr", (numbers(3, 4), numbers(3), numbers(4)), (numbers(4), numbers(3), numbers(4))),
        along=(0, 0, None),
        call=lambda f, *x: (f(*x), f(*x, beta=0.5, alpha=2.0)),
    ),
    function("matrix_power", (numbers(2, 3, 3),), call=lambda f, x: (f(x, 0), f(x, 1), f(x, 3), f(x, 4))),
]
