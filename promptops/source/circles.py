"""Finds circles of names that refer to each other, in linear time (Tarjan 1972, without recursion)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence


def in_circles(refers: Mapping[str, Sequence[str]]) -> list[set[str]]:
    """Returns the groups of names in which each name leads to every other one and back to itself."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_: list[str] = []
    is_open: set[str] = set()
    groups: list[set[str]] = []
    for start in refers:
        walk: list[tuple[str, Iterator[str]]] = [] if start in order else [(start, iter(refers[start]))]
        while walk:
            name, following = walk[-1]
            if name not in order:
                order[name] = lowest[name] = len(order)
                open_.append(name)
                is_open.add(name)
            for other in following:
                if other in refers and other not in order:
                    walk.append((other, iter(refers[other])))
                    break
                if other in is_open:
                    lowest[name] = min(lowest[name], order[other])
            else:
                walk.pop()
                if walk:
                    lowest[walk[-1][0]] = min(lowest[walk[-1][0]], lowest[name])
                if lowest[name] == order[name]:
                    groups.append(_close(open_, is_open, name))
    return [group for group in groups if len(group) > 1 or any(name in refers[name] for name in group)]


def way_round(start: str, refers: Mapping[str, Sequence[str]], group: set[str]) -> list[str]:
    """Returns a shortest way from a name of a group back to itself."""
    came_from: dict[str, str] = {}
    level = [start]
    while level and start not in came_from:
        following = []
        for name in level:
            for other in refers[name]:
                if other in group and other not in came_from:
                    came_from[other] = name
                    following.append(other)
        level = following
    way = [start, came_from[start]]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    return way[::-1]


def _close(open_: list[str], is_open: set[str], last: str) -> set[str]:
    group: set[str] = set()
    while last not in group:
        group.add(open_.pop())
    is_open -= group
    return group
