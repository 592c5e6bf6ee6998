"""What streams need of the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

Stream = Literal["orders", "rounds", "prices"]


@dataclass(frozen=True, slots=True)
class FeedState:
    """Where the feed stands.

    Attributes:
        feed: Which numbering it is.
        last_seq: The last number that was given out.
        kept_from: The lowest number that is not deleted.
    """

    feed: str
    last_seq: int
    kept_from: int


@dataclass(frozen=True, slots=True)
class FeedItem:
    """Something that streams tell.

    Attributes:
        seq: Its number; whoever sees it can see all below it.
        stream: The stream that it belongs to.
        kind: What kind of event it is.
        market_id: Its market.
        participant_id: Whose it is; ``None`` if it is public.
        subject: The order, the round or the pool.
        body: Its data as JSON.
    """

    seq: int
    stream: Stream
    kind: str
    market_id: str
    participant_id: str | None
    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Watch:
    """What somebody wants to be told.

    Attributes:
        stream: The stream.
        participant_id: Whose events; ``None`` for everybody's and for public streams.
        market_id: Only of this market, if given.
        subject: Only about this order or pool, if given.
    """

    stream: Stream
    participant_id: str | None = None
    market_id: str | None = None
    subject: str | None = None

    def wants(self, item: FeedItem) -> bool:
        """Return whether an item is to be told."""
        return (
            item.stream == self.stream
            and self.participant_id in (None, item.participant_id)
            and self.market_id in (None, item.market_id)
            and self.subject in (None, item.subject)
        )


class Feed(Protocol):
    """What streams tell, numbered."""

    async def state(self) -> FeedState:
        """Return where it stands."""
        ...

    async def after(self, seq: int, limit: int) -> Sequence[FeedItem]:
        """Return what follows a number, whoever it is for."""
        ...

    async def page(self, watch: Watch, seq: int, limit: int) -> Sequence[FeedItem]:
        """Return what follows a number and is wanted, read with the caller's eyes."""
        ...

    async def prune(self, days: int) -> None:
        """Delete some of what is older than so many days."""
        ...
