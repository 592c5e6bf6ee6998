"""Calls of audit, awaited; generated from the contract by `make gen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli.calling import AsyncCaller
from suanli.operations import Operation, new_key, place
from suanli.rows import AsyncRows

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Literal

    from suanli.models import (
        AdminActView,
        AuditView,
        BookThenView,
        ConsistencyView,
        DeadLetterContent,
        DeadLetterView,
        ErasureView,
        FinalityView,
        InclusionView,
        JournalEntryView,
        LogHeadView,
        LogKeyView,
        Receipt,
        TermsVersionView,
    )


class AsyncAuditCalls(AsyncCaller):
    """Calls of audit."""

    def list_admin_acts(
        self, *, participant_id: str | None = None, since: str | datetime | None = None
    ) -> AsyncRows[AdminActView]:
        """List Admin Acts.

        List what was asked for under `money`, `govern` or `admin`, latest first: who, with
        which key, what, when, and the outcome (regulator, operator; else your own).
        """
        return AsyncRows(
            self,
            Operation(
                "GET", "/v1/admin-acts", params={"participant_id": participant_id, "since": since}
            ),
            "AdminActView",
        )

    def list_journal(self) -> AsyncRows[JournalEntryView]:
        """List the journal in the order of the log, byte for byte (regulator, operator)."""
        return AsyncRows(self, Operation("GET", "/v1/journal"), "JournalEntryView")

    async def get_audit(self) -> AuditView:
        """Return how far the exchange's own auditor is, and how much it found (public)."""
        reply: AuditView = await self.send(Operation("GET", "/v1/audit"))
        return reply

    def list_log_heads(self) -> AsyncRows[LogHeadView]:
        """List the heads of the transparency log, latest first (public)."""
        return AsyncRows(self, Operation("GET", "/v1/log/heads"), "LogHeadView")

    async def list_versions(self, order_id: str) -> list[TermsVersionView]:
        """List all terms that were sent for an order, oldest first, refused ones too."""
        reply: list[TermsVersionView] = await self.send(
            Operation("GET", f"/v1/orders/{place(order_id)}/versions")
        )
        return reply

    async def get_book_at(
        self,
        *,
        market_id: str,
        time: str | datetime | None = None,
        round_: int | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> BookThenView:
        """Get Book At.

        Return the book as it stood at a time, or as a round sealed it, rebuilt from the log
        alone (regulator, operator). As CSV or NDJSON: its orders, all of them.
        """
        reply: BookThenView = await self.send(
            Operation(
                "GET",
                "/v1/book/at",
                params={
                    "market_id": market_id,
                    "time": time,
                    "round": round_,
                    "limit": limit,
                    "cursor": cursor,
                },
            )
        )
        return reply

    async def get_log_key(self) -> LogKeyView:
        """Return the key that heads of the log are signed with (public)."""
        reply: LogKeyView = await self.send(Operation("GET", "/v1/log/key"))
        return reply

    async def get_finality(self) -> FinalityView:
        """Return which witnesses make settlements final, and how far they have (public)."""
        reply: FinalityView = await self.send(Operation("GET", "/v1/log/finality"))
        return reply

    async def get_checkpoint(self) -> str:
        """Return the latest signed head of the log with its cosignatures (public)."""
        reply: str = await self.send(Operation("GET", "/v1/log/checkpoint"))
        return reply

    async def get_bundle(self, tile: str) -> bytes:
        """Return a bundle of what the log holds of its entries (regulator, operator)."""
        reply: bytes = await self.send(Operation("GET", f"/v1/log/tile/entries/{place(tile)}"))
        return reply

    async def get_tile(self, tile: str) -> bytes:
        """Return a tile of hashes (public)."""
        reply: bytes = await self.send(Operation("GET", f"/v1/log/tile/{place(tile)}"))
        return reply

    async def get_proof(self, entry: str) -> str:
        """Return the proof that an entry is in the log, by leaf index or entry id.

        Participants get proofs of entries on their own accounts; to regulator and operator, of
        all.
        """
        reply: str = await self.send(Operation("GET", f"/v1/log/proof/{place(entry)}"))
        return reply

    async def get_inclusion(self, leaf_index: int, *, size: int | None = None) -> InclusionView:
        """Return the audit path of a leaf under a size, by default the signed head's (public)."""
        reply: InclusionView = await self.send(
            Operation("GET", f"/v1/log/inclusion/{place(leaf_index)}", params={"size": size})
        )
        return reply

    async def get_consistency(self, *, old_size: int, size: int | None = None) -> ConsistencyView:
        """Return the proof that a size, by default the signed head's, extends an older (public)."""
        reply: ConsistencyView = await self.send(
            Operation("GET", "/v1/log/consistency", params={"old_size": old_size, "size": size})
        )
        return reply

    def list_erasures(self) -> AsyncRows[ErasureView]:
        """List Erasures.

        List orders to erase entries and what became of them, latest first (regulator,
        operator).
        """
        return AsyncRows(self, Operation("GET", "/v1/erasures"), "ErasureView")

    async def erase(
        self, entry_id: str, confirm: str, reason: str, *, key: str | None = None
    ) -> Receipt:
        """Erase what an entry says, its leaf and all sums stay (operator); done or refused."""
        reply: Receipt = await self.send(
            Operation(
                "POST",
                "/v1/erasures",
                body={"entry_id": entry_id, "confirm": confirm, "reason": reason},
                idempotency_key=key or new_key(),
            )
        )
        return reply

    async def get_erasure(self, erasure_id: str) -> ErasureView:
        """Return an order to erase an entry and what became of it (regulator, operator)."""
        reply: ErasureView = await self.send(Operation("GET", f"/v1/erasures/{place(erasure_id)}"))
        return reply

    def list_dead_letters(
        self,
        *,
        state: Literal["open", "redriven", "discarded"] | None = None,
        topic: str | None = None,
    ) -> AsyncRows[DeadLetterView]:
        """List records that nobody could take, latest first (regulator, operator)."""
        return AsyncRows(
            self,
            Operation("GET", "/v1/dead-letters", params={"state": state, "topic": topic}),
            "DeadLetterView",
        )

    async def get_dead_letter(self, letter_id: str) -> DeadLetterContent:
        """Return a dead letter with its record, if it is still there (regulator, operator)."""
        reply: DeadLetterContent = await self.send(
            Operation("GET", f"/v1/dead-letters/{place(letter_id)}")
        )
        return reply

    async def redrive_dead_letter(self, letter_id: str) -> DeadLetterView:
        """Send a letter's record to its topic again, as it was; twice is once (operator)."""
        reply: DeadLetterView = await self.send(
            Operation("POST", f"/v1/dead-letters/{place(letter_id)}/redrive")
        )
        return reply

    async def discard_dead_letter(self, letter_id: str, reason: str) -> DeadLetterView:
        """Put a dead letter aside with the reason (operator)."""
        reply: DeadLetterView = await self.send(
            Operation(
                "POST", f"/v1/dead-letters/{place(letter_id)}/discard", body={"reason": reason}
            )
        )
        return reply
