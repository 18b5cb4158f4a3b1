"""The ops. Importing this package fills the registry."""

from lucid.ir.ops import (
    contraction,
    convolution,
    derivative,
    elementwise,
    extremum,
    functions,
    indexing,
    loop,
    movement,
    printing,
    random,
    reduction,
    special,
    stepwise,
    structure,
    windows,
)
from lucid.ir.ops.base import REGISTRY, Op

__all__ = [
    "REGISTRY",
    "Op",
    "contraction",
    "convolution",
    "derivative",
    "elementwise",
    "extremum",
    "functions",
    "indexing",
    "loop",
    "movement",
    "printing",
    "random",
    "reduction",
    "special",
    "stepwise",
    "structure",
    "windows",
]
