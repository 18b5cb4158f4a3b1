"""Settings of all tests."""

import pytest
from hypothesis import settings

settings.register_profile("lucid", deadline=None)  # a busy machine makes no test fail
settings.load_profile("lucid")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden texts instead of comparing")
