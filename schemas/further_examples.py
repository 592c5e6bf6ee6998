"""Examples of events that are kept beside their subjects, in one table for `schemas.examples`."""

from __future__ import annotations

from schemas.capacity import CAPACITIES
from schemas.link_examples import LINKS
from schemas.mobilisation_examples import BODIES
from schemas.policy_examples import POLICIES
from schemas.share_examples import SHARES
from schemas.signing_keys import EXAMPLES

FURTHER = BODIES | CAPACITIES | LINKS | POLICIES | SHARES | EXAMPLES
