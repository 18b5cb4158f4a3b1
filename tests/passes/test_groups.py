"""Groups of a graph without circles, against a search through every path."""

from __future__ import annotations

from hypothesis import given, strategies as st

from lucid.ir.passes.groups import Groups


def test_a_path_through_a_third_forbids_a_merge() -> None:
    groups = Groups([[], [0], [0, 1]])
    assert not groups.may_merge(0, 2)
    assert groups.may_merge(0, 1)
    merged = groups.merge(0, 1)
    assert groups.may_merge(merged, 2)


def test_a_merge_makes_new_paths() -> None:
    groups = Groups([[], [], [0], [1]])  # 0 -> 2, 1 -> 3
    assert groups.may_merge(0, 3)
    groups.merge(1, 2)  # 0 -> {1, 2} -> 3
    assert not groups.may_merge(0, 3)


@given(st.data(), st.integers(2, 9))
def test_reachability_stays_exact(data: st.DataObject, count: int) -> None:
    dependencies = [data.draw(st.lists(st.integers(0, n - 1), max_size=3)) if n else [] for n in range(count)]
    groups = Groups(dependencies)
    for a, b in data.draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=12)):
        first, second = groups.group(a), groups.group(b)
        if first == second:
            continue
        allowed = not _has_circle(
            dependencies, [{first: second}.get(groups.group(n), groups.group(n)) for n in range(count)]
        )
        assert groups.may_merge(first, second) == allowed
        if allowed:
            assert groups.merge(first, second) == groups.group(a) == groups.group(b)


def _has_circle(dependencies: list[list[int]], group_of: list[int]) -> bool:
    """Whether groups depend on each other in a circle: taking away groups that depend on no other gets stuck."""
    needs = {group: set[int]() for group in group_of}
    for number, sources in enumerate(dependencies):
        needs[group_of[number]] |= {group_of[source] for source in sources} - {group_of[number]}
    while free := [group for group, others in needs.items() if not others]:
        for group in free:
            del needs[group]
        for others in needs.values():
            others.difference_update(free)
    return bool(needs)
