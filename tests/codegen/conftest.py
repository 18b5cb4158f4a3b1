"""What tests of code for GPUs share.

A test that takes `cupy` is about results, and runs twice: behind the imitation of CuPy, and on the GPU where there is
one. A test that takes `calls` is about what the launcher asks of CuPy, which the imitation alone can tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from lucid.errors import CheckError
from tests.codegen.fake_cupy import Calls, installed, make
from tests.codegen.found_gpu import found_gpu
from tests.codegen.simulated import need_compiler


@pytest.fixture
def calls() -> Iterator[Calls]:
    """An imitation of CuPy in its place, and an account of what is asked of it."""
    need_compiler()
    with installed() as found:
        yield found


@pytest.fixture(params=["imitation", "gpu"])
def cupy(request: pytest.FixtureRequest) -> Iterator[Any]:
    """CuPy: the imitation of it, and itself where there is a GPU."""
    if request.param == "imitation":
        request.getfixturevalue("calls")
        yield make()
        return
    device = found_gpu()
    yield device._cupy
    device._cupy.cuda.runtime.deviceSynchronize()
    with suppress(CheckError):  # of a test that has failed before it read: the next test would get it
        device.check()
