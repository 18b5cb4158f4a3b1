"""Rows of all public functions, and of the methods that are none of them."""

from tests.table import contractions, corners, elementwise, layers, losses, methods, movement, reductions
from tests.table.row import Row

ROWS: list[Row] = [
    row
    for family in (elementwise, corners, reductions, movement, contractions, methods, layers, losses)
    for row in family.ROWS
]
