"""A feed of streams in memory, with the behaviour of the one in the database."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.gateway.adapters.http.sse import frame, keep_alive
from services.gateway.app.streams import Streams
from services.gateway.stream_ports import FeedItem, FeedState, Watch

FEED = "0123abcd"


@dataclass
class MemoryFeed:
    items: list[FeedItem] = field(default_factory=list)
    kept_from: int = 1

    def add(self, participant_id: str | None, stream: str = "orders", body: str = "{}") -> None:
        seq = len(self.items) + 1
        kind = "status" if stream == "orders" else "closed"
        item = FeedItem(seq, stream, kind, "jingjinji", participant_id, f"s{seq}", body)  # type: ignore[arg-type]
        self.items.append(item)

    async def state(self) -> FeedState:
        return FeedState(FEED, len(self.items), self.kept_from)

    async def after(self, seq: int, limit: int) -> list[FeedItem]:
        return self.items[seq : seq + limit]

    async def page(self, watch: Watch, seq: int, limit: int) -> list[FeedItem]:
        return [item for item in self.items[seq:] if watch.wants(item)][:limit]

    async def prune(self, days: int) -> None:
        return


def streams_of(feed: MemoryFeed) -> Streams:
    return Streams(
        feed, frame, keep_alive=keep_alive, store_errors=(OSError,), listeners_max=2, kept_days=7
    )
