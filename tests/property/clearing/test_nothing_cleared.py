"""A round that neither solver nor fallback could clear still has a certificate that holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.book import Rules
from services.core.codec import book_digest, book_from_dict, book_to_dict, rules_digest
from services.matching.adapters.stand_in import nothing_cleared, nothing_cleared_and_bounded
from tests.property.clearing.books import check_files, linked_book, small_book
from tests.property.clearing.test_largest_share import under_both

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.core.book import Book

RULES = Rules(effort=1)


@pytest.mark.parametrize("kind", [small_book, linked_book])
@given(seed=st.integers(0, 10**6))
def test_a_result_that_allocates_nothing_is_verified_with_all_policies(
    kind: Callable[[int], Book], seed: int
) -> None:
    # As matching reads it: in the order of a file.
    book = book_from_dict(book_to_dict(under_both(kind(seed), seed)))
    digests = book_digest(book), rules_digest(RULES)
    result = nothing_cleared_and_bounded(book, *digests)
    check_files(book, result, RULES)
    assert not result.allocations
    # What is told when the checker cannot be asked claims no smaller bound.
    assert nothing_cleared(book, *digests).certificate.bound >= result.certificate.bound
