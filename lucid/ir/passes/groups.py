"""Grouping the nodes of a graph so that the groups, too, have no circle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


class Groups:
    """A partition of the numbers 0, 1, ... whose groups depend on each other without a circle.

    At first each number is a group of its own, called by that number; a merged group keeps the name of one.
    Sets of numbers are bits of an integer, which makes reachability cheap enough to keep it exact: after each merge,
    `above[g]` holds what the groups are called that group g depends on, near and far, and maybe other members of
    theirs; `below[g]` those that depend on it. A group that grows keeps its name, so that those around it need not
    hear of each new member.
    """

    def __init__(self, dependencies: Sequence[Sequence[int]]) -> None:
        """`dependencies[n]` are the numbers that n depends on, all of them below n."""
        count = len(dependencies)
        self.members = [1 << number for number in range(count)]
        self.above = [0] * count
        self.below = [0] * count
        self._leader = list(range(count))
        self._names = (1 << count) - 1  # of the groups that there are
        for number, direct in enumerate(dependencies):
            for source in direct:
                self.above[number] |= self.above[source] | 1 << source
        for number in range(count - 1, -1, -1):
            for source in dependencies[number]:
                self.below[source] |= self.below[number] | 1 << number

    def group(self, number: int) -> int:
        """The group that a number is in."""
        while self._leader[number] != number:
            self._leader[number] = self._leader[self._leader[number]]
            number = self._leader[number]
        return number

    def may_merge(self, a: int, b: int) -> bool:
        """Whether no path leads out of one group and, through a third, into the other."""
        inside = self.members[a] | self.members[b]
        between = (self.below[a] & self.above[b]) | (self.below[b] & self.above[a])
        return not between & ~inside

    def merge(self, a: int, b: int) -> int:
        """Make one group of two that may merge, and return it."""
        if self._strangers(a, b) > self._strangers(b, a):
            a, b = b, a
        inside = self.members[a] | self.members[b]
        above = (self.above[a] | self.above[b]) & ~inside
        below = (self.below[a] | self.below[b]) & ~inside
        # Only what stood on one side of one group, and not of the other, has something new to learn; and what knows
        # the name that stays learns nothing from the group that loses its name, unless that brings others along.
        lower, upper = self.below[b] & ~self.below[a], self.above[b] & ~self.above[a]
        if above & ~self.above[a] & self._names:
            lower |= self.below[a] & ~self.below[b]
        if below & ~self.below[a] & self._names:
            upper |= self.above[a] & ~self.above[b]
        self._names &= ~(1 << b)
        for group in _numbers(lower & ~inside & self._names):
            self.above[group] |= above | 1 << a
        for group in _numbers(upper & ~inside & self._names):
            self.below[group] |= below | 1 << a
        self.members[a], self.above[a], self.below[a] = inside, above, below
        self._leader[b] = a
        return a

    def _strangers(self, a: int, b: int) -> int:
        """How many groups know of b, and not of a."""
        return ((self.below[b] & ~self.below[a] | self.above[b] & ~self.above[a]) & self._names).bit_count()


def _numbers(bits: int) -> Iterator[int]:
    """The numbers in a set, ascending."""
    while bits:
        yield (bits & -bits).bit_length() - 1
        bits &= bits - 1
