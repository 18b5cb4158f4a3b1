"""Calls of everything that is public: `EVERY` of them."""

from __future__ import annotations

from tests.errors.calls import (
    chosen,
    functional,
    functions,
    further,
    losses,
    made,
    modules,
    objects,
    positions,
    programs,
    training,
)
from tests.errors.calls.call import Call

EVERY: list[Call] = [
    call
    for part in (functions, positions, further, made, functional, modules, losses, chosen, training, objects, programs)
    for call in part.CALLS
]
