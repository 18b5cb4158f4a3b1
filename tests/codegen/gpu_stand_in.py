"""A plugin of pytest that has the imitation of CuPy stand for the GPU of this machine, and runs what would run there:
`pytest -p tests.codegen.gpu_stand_in tests/codegen/test_cuda_target.py`. So no such test is run for the first time on a
GPU."""

from __future__ import annotations

import pytest

from tests.codegen.fake_cupy import installed


def pytest_configure(config: pytest.Config) -> None:
    imitation = installed()
    imitation.__enter__()
    config.add_cleanup(lambda: imitation.__exit__(None, None, None))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    on_gpu = [item for item in items if isinstance(item, pytest.Function) and _is_for_gpu(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in on_gpu])
    items[:] = on_gpu


def _is_for_gpu(item: pytest.Function) -> bool:
    return hasattr(item, "callspec") and item.callspec.params.get("cupy") == "gpu"
