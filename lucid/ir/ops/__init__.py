"""The ops. Importing this package fills the registry."""

from lucid.ir.ops import contraction, elementwise, movement, random, reduction, structure
from lucid.ir.ops.base import REGISTRY, Op

__all__ = ["REGISTRY", "Op", "contraction", "elementwise", "movement", "random", "reduction", "structure"]
