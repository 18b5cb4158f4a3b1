"""Settings of all tests, those in docstrings included."""

import os
import tempfile

import pytest

_cache = tempfile.TemporaryDirectory(prefix="lucid-tests-")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the disk cache of the tests, and of the processes that they start, away from the user's."""
    os.environ["LUCID_CACHE_DIR"] = os.path.join(_cache.name, "cache")
    for name in ("LUCID_CACHE", "LUCID_CACHE_SIZE"):
        os.environ.pop(name, None)
    config.add_cleanup(_cache.cleanup)
