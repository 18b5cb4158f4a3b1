"""The targets that a user can name, and the kind of program that each runs as.

Code generators are imported when they are first used.
"""

from __future__ import annotations

from collections.abc import Sequence

from lucid.codegen.rules import KernelRule
from lucid.codegen.target import Target
from lucid.codegen.threads import under_run_lock
from lucid.errors import ArgumentError
from lucid.host_program import HostProgram
from lucid.program import Program


@under_run_lock
def load_target(name: str, kernel_rules: Sequence[KernelRule] = ()) -> Target:
    """The target of a name. Raises ArgumentError where there is none, or where it takes no kernel rules."""
    if name == "cpu":
        from lucid.codegen.cpu.target import CPUTarget

        return CPUTarget(tuple(kernel_rules))
    if kernel_rules:
        raise ArgumentError(f"kernel rules are for the target 'cpu', got target {name!r}.")
    if name == "cuda":
        from lucid.codegen.cuda.target import CUDATarget

        return CUDATarget()
    if name == "cuda-sim":
        from lucid.codegen.cuda.simulator.target import CUDASimulatorTarget

        return CUDASimulatorTarget()
    raise ArgumentError(f"target {name!r} is not known; expected 'cpu', 'cuda' or 'cuda-sim'.")


def program_class(target: Target) -> type[Program]:
    """How the programs of a target tie to Python objects: by arrays in this process, or on a GPU."""
    if target.name == "cuda":
        from lucid.device_program import DeviceProgram

        return DeviceProgram
    return HostProgram
