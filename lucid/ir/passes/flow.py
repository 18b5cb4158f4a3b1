"""Minimum cuts of networks with capacities, by Dinic's algorithm (E. A. Dinic, 1970)."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import pairwise

UNLIMITED = float("inf")


class Network:
    """Arcs with capacities between nodes of any kind. networkx has the same, but its import alone takes longer than to
    compile a small program."""

    def __init__(self) -> None:
        self._capacity: dict[Hashable, dict[Hashable, float]] = {}  # what an arc can still take, both ways

    def add_arc(self, tail: Hashable, head: Hashable, capacity: float = UNLIMITED) -> None:
        """Add an arc, once between two nodes in a direction."""
        self._capacity.setdefault(tail, {})[head] = capacity
        self._capacity.setdefault(head, {}).setdefault(tail, 0)

    def minimum_cut(self, source: Hashable, sink: Hashable) -> set[Hashable]:
        """The nodes on the sink's side of a cut of the least capacity between source and sink: as few as there are in
        any such cut. The arcs are used up. There must be no way from source to sink without a limit."""
        while source in (levels := self._levels(sink)):
            self._saturate(source, sink, levels)
        return set(levels)

    def _levels(self, sink: Hashable) -> dict[Hashable, int]:
        """How many arcs each node is from the sink, for those from which something can still flow there."""
        levels = {sink: 0}
        queue = [sink]
        for head in queue:  # which grows on the way
            for tail in self._capacity[head]:
                if tail not in levels and self._capacity[tail][head] > 0:
                    levels[tail] = levels[head] + 1
                    queue.append(tail)
        return levels

    def _saturate(self, source: Hashable, sink: Hashable, levels: dict[Hashable, int]) -> None:
        """Send what can flow along paths that come one arc closer to the sink at each step."""
        heads = {
            node: [head for head in self._capacity[node] if levels.get(head) == level - 1]
            for node, level in levels.items()
        }
        path = [source]
        while path:
            node = path[-1]
            if node == sink:
                self._send_along(path)
                path = [source]
                continue
            while heads[node] and self._capacity[node][heads[node][-1]] == 0:
                heads[node].pop()
            if heads[node]:
                path.append(heads[node][-1])
                continue
            path.pop()
            if path:
                heads[path[-1]].pop()  # it leads nowhere any more

    def _send_along(self, path: list[Hashable]) -> None:
        arcs = list(pairwise(path))
        amount = min(self._capacity[tail][head] for tail, head in arcs)
        for tail, head in arcs:
            self._capacity[tail][head] -= amount
            self._capacity[head][tail] += amount
