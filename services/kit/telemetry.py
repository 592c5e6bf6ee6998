"""Metrics of this process, and the W3C trace context that events carry.

Source: W3C Trace Context, section 3.2 (traceparent header, version 00).
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

METRIC_PREFIX = "suanli_"

# From a database statement to a long solve, in seconds.
SECONDS_BUCKETS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180)

# Ids of traces are to be unlike any other, not secret; to ask the system for each takes ten times
# as long as all else that a trace needs.
_CHANCE = random.Random(random.SystemRandom().getrandbits(256))  # noqa: S311 - no secrets

MetricT = TypeVar("MetricT", Counter, Gauge, Histogram)


class Metrics:
    """A registry; asking twice for a name gives the same metric.

    Names get the prefix ``suanli_`` and end in their unit (``_seconds``, ``_bytes``,
    ``_total``).
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        self._known: dict[str, Counter | Gauge | Histogram] = {}

    def counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        """Return a number that only grows."""
        return self._get(name, lambda full: Counter(full, text, labels, registry=self.registry))

    def gauge(self, name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
        """Return a number that goes up and down."""
        return self._get(name, lambda full: Gauge(full, text, labels, registry=self.registry))

    def histogram(
        self,
        name: str,
        text: str,
        labels: Sequence[str] = (),
        buckets: Sequence[float] = SECONDS_BUCKETS,
    ) -> Histogram:
        """Return a distribution, by default of seconds."""
        return self._get(
            name,
            lambda full: Histogram(full, text, labels, registry=self.registry, buckets=buckets),
        )

    def render(self) -> tuple[str, bytes]:
        """Return (content type, body) in the Prometheus text format."""
        return CONTENT_TYPE_PLAIN_0_0_4, generate_latest(self.registry)

    def _get(self, name: str, make: Callable[[str], MetricT]) -> MetricT:
        known = self._known.get(name)
        if known is None:
            made = make(f"{METRIC_PREFIX}{name}")
            self._known[name] = made
            return made
        return cast("MetricT", known)


METRICS = Metrics()
"""The registry of this process, which ``/metrics`` shows."""

_TRACEPARENT = re.compile(r"^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$")


@dataclass(frozen=True, slots=True)
class Trace:
    """A position in a trace.

    Attributes:
        trace_id: 32 hexadecimal digits, the whole story.
        span_id: 16 hexadecimal digits, one step of it.
        sampled: Whether the caller records it.
    """

    trace_id: str
    span_id: str
    sampled: bool

    def header(self) -> str:
        """Return the ``traceparent`` header."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def make_traceparent() -> str:
    """Return the header of a new trace."""
    # Never zero, which a trace must not be.
    return f"00-{_CHANCE.getrandbits(128) or 1:032x}-{_CHANCE.getrandbits(64) or 1:016x}-01"


def parse_traceparent(text: str) -> Trace | None:
    """Return what a header says; ``None`` if it is not a valid one, which starts a new trace."""
    found = _TRACEPARENT.match(text.strip()) if text else None
    if found is None:
        return None
    version, trace_id, span_id, flags = found.groups()
    if version == "ff" or set(trace_id) == {"0"} or set(span_id) == {"0"}:
        return None
    return Trace(trace_id, span_id, sampled=bool(int(flags, 16) & 1))


def child_traceparent(text: str) -> str:
    """Return the header of the next step of a trace; of a new trace if ``text`` is none."""
    trace = parse_traceparent(text)
    if trace is None:
        return make_traceparent()
    return Trace(trace.trace_id, f"{_CHANCE.getrandbits(64) or 1:016x}", trace.sampled).header()
