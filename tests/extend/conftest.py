"""What tests of ops that users declare share: the registry is as before after each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lucid.ir.ops.base import USER_REGISTRY


@pytest.fixture(autouse=True)
def _registry_is_as_before() -> Iterator[None]:
    before = dict(USER_REGISTRY)
    yield
    USER_REGISTRY.clear()
    USER_REGISTRY.update(before)
