from __future__ import annotations

import pytest

from tests.unit.ledger import world as w


@pytest.fixture
def topics() -> w.Topics:
    return w.Topics()
