"""The GPU of this machine, for the tests that need one."""

from __future__ import annotations

import pytest

from lucid.codegen.cuda import target
from lucid.codegen.cuda.device import Device
from lucid.errors import CompileError


def found_gpu() -> Device:
    """The GPU; the test is skipped where there is none, and says what is missing."""
    try:
        return target.gpu()  # of that module, where `fake_cupy.installed` has the imitation
    except CompileError as error:
        pytest.skip(error.sentence)
