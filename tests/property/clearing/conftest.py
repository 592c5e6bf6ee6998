"""Sizes of the clearing's property tests.

The normal run tries 2,000 books against the oracle; ``--hypothesis-profile=dev`` tries 160.
"""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("dev", max_examples=20, deadline=None)
