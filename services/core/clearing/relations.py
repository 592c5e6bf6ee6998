"""Exclusive groups and links between demands, as positions."""

from __future__ import annotations

from services.core.book import Book


def parents_first_of(parent_of: list[int]) -> tuple[int, ...]:
    """Return all positions, each after the one that it is linked to, -1 for none."""
    # Links form a forest of any depth (the codec refuses loops); should a loop come in all the
    # same, each of its members still gets exactly one place.
    placed: list[int] = []
    done = [False] * len(parent_of)
    for d in range(len(parent_of)):
        chain: list[int] = []
        node = d
        while node >= 0 and not done[node]:
            done[node] = True
            chain.append(node)
            node = parent_of[node]
        placed.extend(reversed(chain))
    return tuple(placed)


def groups_of(book: Book) -> tuple[tuple[tuple[int, ...], ...], list[int]]:
    """Return the members of each exclusive group, and the group of each demand, -1 for none."""
    names: dict[str, list[int]] = {}
    for d, demand in enumerate(book.demands):
        if demand.exclusive_group is not None:
            # A group is one participant's own: two enterprises may use the same word.
            names.setdefault(f"{demand.participant}\n{demand.exclusive_group}", []).append(d)
    group_of = [-1] * len(book.demands)
    groups = []
    for g, name in enumerate(sorted(names)):
        groups.append(tuple(names[name]))
        for d in names[name]:
            group_of[d] = g
    return tuple(groups), group_of
