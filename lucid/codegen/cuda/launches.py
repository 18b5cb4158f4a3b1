"""The launches of a plan with all that CUDA is told of them, made once: so that a launch makes nothing.

CUDA takes the parameters of a launch as an array of pointers to them, and has copied what they point to when the call
returns. Those to the addresses of storages point into one table here: who runs a plan writes down there where the
caller's arrays are, and every launch has them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lucid.codegen.cuda.plan import Launch, LaunchPlan, Loop, Step, walk

# The handle of a function, its blocks in x and y, the threads of each, and where the pointers to its parameters are.
ReadyLaunch = tuple[int, int, int, int, int]

_WORD = ctypes.sizeof(ctypes.c_uint64)
_INT = ctypes.sizeof(ctypes.c_int32)


class Launches:
    """The launches of a plan, in order. `functions` are those of `Device.load`, `own` the addresses of the stretches of
    the arena, `status` that of the status; the numbers of checks are counted from `first_check` on."""

    def __init__(
        self, plan: LaunchPlan, functions: Mapping[str, Any], own: list[int], status: int, first_check: int
    ) -> None:
        self._functions, self._first_check = functions, first_check
        elements = plan.status - plan.slots - len(own)
        addresses = [*[0] * plan.slots, *own, *[0] * elements, status]
        self.addresses = (ctypes.c_uint64 * len(addresses))(*addresses)  # of all storages
        self._given = plan.slots * _WORD
        self._parameters: list[object] = []  # which are in use as long as this is
        self.steps = self._ready(plan.steps)

    def give(self, table: int) -> None:
        """Note the addresses of the caller's storages, which the table at an address has."""
        ctypes.memmove(self.addresses, table, self._given)

    def __iter__(self) -> Iterator[ReadyLaunch]:
        """Every launch in order; before each, `addresses` has those of the elements it works on."""
        return walk(self.steps, self.addresses)

    def _ready(self, steps: Sequence[Step[Launch]]) -> tuple[Step[ReadyLaunch], ...]:
        return tuple(
            Loop(step.length, step.reverse, step.first, step.elements, self._ready(step.steps))
            if isinstance(step, Loop)
            else self._launch(step)
            for step in steps
        )

    def _launch(self, launch: Launch) -> ReadyLaunch:
        first = self._first_check if launch.is_check else 0
        scalars = (ctypes.c_int32 * len(launch.scalars))(*(first + scalar for scalar in launch.scalars))
        storages, values = ctypes.addressof(self.addresses), ctypes.addressof(scalars)
        pointers = [storages + buffer * _WORD for buffer in launch.buffers]
        pointers += [values + number * _INT for number in range(len(scalars))]
        parameters = (ctypes.c_void_p * len(pointers))(*pointers)
        self._parameters += scalars, parameters
        x, y = launch.blocks
        # CUDA refuses a grid or a block of none.
        return (
            *(self._functions[launch.function].ptr, max(x, 1), max(y, 1), max(launch.threads, 1)),
            ctypes.addressof(parameters),
        )
