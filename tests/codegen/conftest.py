"""What tests of code for GPUs share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.codegen.fake_cupy import Calls, installed
from tests.codegen.simulated import need_compiler


@pytest.fixture
def calls() -> Iterator[Calls]:
    """An imitation of CuPy in its place, and an account of what is asked of it."""
    need_compiler()
    with installed() as found:
        yield found
