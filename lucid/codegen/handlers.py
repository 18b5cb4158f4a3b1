"""Which part of a target writes a node: the table of a target, by the kinds of ops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from lucid.codegen.lowering import where
from lucid.errors import CompileError
from lucid.ir.graph import Node
from lucid.ir.ops.base import Op
from lucid.ir.ops.contraction import Matmul

Handler = TypeVar("Handler")


def handler_of(
    node: Node, handlers: Mapping[type[Op], Handler], target: str, unsupported: Mapping[type[Op], str] | None = None
) -> Handler:
    """What a target's table has for the op of a node, or for the nearest kind that the op is of.

    Raises CompileError where it has nothing, with the reason that the target's table of unsupported ops gives.
    """
    if isinstance(node.op, Matmul) and not node.output.type.dtype.is_float:
        why = "the pass `order` must have written it out"
        raise CompileError(f"the {target} target does not support matmul of integers: {why}.", where=where(node))
    for kind in type(node.op).__mro__:
        if kind in handlers:
            return handlers[kind]
    reason = (unsupported or {}).get(type(node.op))
    why = f": {reason}" if reason else ""
    raise CompileError(f"the {target} target does not support {node.op.name}{why}.", where=where(node))
