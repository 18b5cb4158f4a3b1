"""Minimum cuts, held against networkx."""

import networkx
import pytest
from hypothesis import given, settings, strategies as st

from lucid.ir.passes.flow import UNLIMITED, Network

NODES = 9
arcs = st.dictionaries(
    st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES - 1)).filter(lambda arc: arc[0] != arc[1]),
    st.one_of(st.integers(0, 5), st.just(UNLIMITED)),
    max_size=40,
)


@settings(max_examples=100)
@given(arcs)
def test_a_cut_is_that_of_networkx(arcs: dict[tuple[int, int], float]) -> None:
    source, sink = 0, NODES - 1
    network, reference = Network(), networkx.DiGraph()
    network.add_arc(source, sink, 1)
    reference.add_edge(source, sink, capacity=1)
    for (tail, head), capacity in arcs.items():
        network.add_arc(tail, head, capacity)
        reference.add_edge(tail, head, **({} if capacity == UNLIMITED else {"capacity": capacity}))
    unlimited = networkx.DiGraph([arc for arc, capacity in arcs.items() if capacity == UNLIMITED])
    unlimited.add_nodes_from([source, sink])
    if networkx.has_path(unlimited, source, sink):
        return
    _, (_, far) = networkx.minimum_cut(reference, source, sink)
    assert network.minimum_cut(source, sink) == far


@pytest.mark.parametrize("length", [1, 2000])
def test_a_long_chain_is_cut_at_its_least_arc_nearest_to_the_sink(length: int) -> None:
    network = Network()
    for number in range(length + 2):
        network.add_arc(number, number + 1, 1 if number in (0, length) else 2)
    assert network.minimum_cut(0, length + 2) == {length + 1, length + 2}
