"""What the arithmetic of surveillance holds for any input."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.core.surveillance.concentration import concentration_of, rsi_ppm
from services.core.surveillance.messages import most_within
from services.core.surveillance.tape import Allocation
from services.core.surveillance.view import PPM, median
from services.core.surveillance.wash import components, residual

VOLUMES = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(0, 10**9))
EDGES = st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=20)


@given(VOLUMES)
def test_the_index_lies_between_an_even_split_and_a_monopoly(volumes: dict[str, int]) -> None:
    found = concentration_of(volumes)
    sellers = sum(volume > 0 for volume in volumes.values())
    if not sellers:
        assert (found.total, found.hhi, found.top) == (0, 0, ())
        return
    assert 10_000 // sellers <= found.hhi <= 10_000
    assert (found.hhi == 10_000) >= (sellers == 1)
    shares = [share for _, share in found.top]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) <= PPM


@given(VOLUMES, st.integers(1, 1000))
def test_the_index_does_not_depend_on_the_unit(volumes: dict[str, int], factor: int) -> None:
    scaled = {name: volume * factor for name, volume in volumes.items()}
    assert concentration_of(scaled).hhi == concentration_of(volumes).hhi
    assert concentration_of(scaled).top == concentration_of(volumes).top


@given(VOLUMES, st.sampled_from("ghi"))
def test_merging_two_sellers_never_lowers_the_index(volumes: dict[str, int], name: str) -> None:
    before = concentration_of(volumes | {name: 500, name * 2: 700})
    after = concentration_of(volumes | {name: 1_200})
    assert after.hhi >= before.hhi


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 10**6))
def test_a_supplier_is_indispensable_exactly_if_the_others_cannot_serve(
    own: int, others: int, bought: int
) -> None:
    assert (rsi_ppm(own + others, own, bought) < PPM) == (others < bought)


@given(st.lists(st.integers(0, 10**6), min_size=1))
def test_half_of_the_values_lie_on_each_side_of_the_median(values: list[int]) -> None:
    middle = median(values)
    assert 2 * sum(value <= middle for value in values) >= len(values)
    assert 2 * sum(value >= middle for value in values) >= len(values)


@given(st.lists(st.integers(0, 1000)), st.integers(0, 300))
def test_the_densest_window_is_that_of_trying_all(times: list[int], window: int) -> None:
    times.sort()
    tried = [sum(start <= time <= start + window for time in times) for start in times]
    assert most_within(times, window) == max(tried, default=0)


@given(EDGES)
def test_two_owners_share_a_ring_exactly_if_each_reaches_the_other(
    edges: set[tuple[int, int]],
) -> None:
    named = {(str(one), str(other)) for one, other in edges}
    reach = {(one, other) for one, other in named if one != other}
    for _ in range(7):
        reach |= {(a, d) for a, b in reach for c, d in reach if b == c}
    rings = components(named)
    together = {(one, other) for ring in rings for one in ring for other in ring if one != other}
    assert together == {
        (one, other) for one, other in reach if one != other and (other, one) in reach
    }


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc"), st.integers(1, 9))))
def test_what_changes_hands_is_at_most_what_is_traded(trades: list[tuple[str, str, int]]) -> None:
    flows: dict[tuple[str, str], list[Allocation]] = {}
    for seller, buyer, chips in trades:
        made = Allocation("al", "r:1", "d", buyer, "o", 1, seller, "z/c", ((5, chips, 1),))
        flows.setdefault((seller, buyer), []).append(made)
    gross = sum(chips for seller, buyer, chips in trades if seller != buyer)
    assert 0 <= residual(flows) <= gross
    balanced = {pair: [*items, *flows.get(pair[::-1], [])] for pair, items in flows.items()}
    balanced |= {pair[::-1]: balanced[pair] for pair in flows}
    assert residual(balanced) == 0
