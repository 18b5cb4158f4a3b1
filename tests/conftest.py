"""Settings of all tests. Whatever they compile prints, parses back to an equal graph, and prints as the same text."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.names import ADDRESS

if TYPE_CHECKING:
    from lucid.ir.graph import Graph, Node

# A busy machine makes no test fail. Where CI is set, Hypothesis draws the same examples each time, by its own profile.
settings.register_profile("lucid", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lucid")

TARGETS = ("cpu", "cuda", "cuda-imitated", "cuda-sim")  # see `tests.targets`

LONG = 16_000  # characters of a graph that is not read back: it has nothing that a shorter one has not


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden texts instead of comparing")
    parser.addoption("--target", choices=TARGETS, default="cpu", help="what is compiled for where a test says nothing")
    parser.addoption("--sample", type=int, default=1, metavar="N", help="run one test in N, the same ones each time")


def pytest_configure(config: pytest.Config) -> None:
    import lucid.ir.verify
    from lucid.ir.passes import pipeline
    from tests import targets
    from tests.codegen import written

    written.record()
    targets.use(config)

    pipeline.verify = lucid.ir.verify.verify = and_read_back(lucid.ir.verify.verify)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    moving = [item.nodeid for item in items if ADDRESS in item.nodeid]
    assert not moving, f"tests have other names in each process, by which nobody can ask for them: {moving}"
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


def and_read_back(verify: Callable[[Graph, set[Node] | None], None]) -> Callable[..., None]:
    """The verifier, and after it, where the compiler calls it, a round trip of the graph as text."""
    from lucid.ir.graph import same
    from lucid.ir.text import parse, print_graph

    known: set[int] = set()

    @functools.wraps(verify)
    def verified(graph: Graph, sound: set[Node] | None = None) -> None:
        verify(graph, sound)
        if sound is None and not graph.places:
            return
        text = print_graph(graph)
        if len(text) < LONG and hash(text) not in known:
            known.add(hash(text))
            again = parse(text)
            assert same(again, graph), text
            assert print_graph(again) == text

    return verified
