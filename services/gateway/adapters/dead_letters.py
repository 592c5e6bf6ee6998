"""The register of dead letters in the gateway's schema, and the topics that they came from."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError

from schemas.dead_letters import DeadLetterView
from services.core.errors import Message
from services.gateway.adapters.kafka import sent
from services.gateway.adapters.queries import SQL
from services.gateway.errors import UnavailableError
from services.kit.errors import LogGapError, LogUnavailableError
from services.kit.kafka import LogReader, OutRecord

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from typing import Literal

    import asyncpg

    from schemas.dead_letters import LetterState
    from services.gateway.dead_letter_ports import Note, Place
    from services.kit.kafka import LogWriter, Record
    from services.kit.postgres import Conn, Pool
    from services.kit.settings import KitSettings

# The far end of the calendar, in milliseconds: what a producer claims may be no instant at all.
_MS_MAX = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp() * 1000)
_CHARACTERS_MAX = 500
# Of 32 and 64 bits.
_DIGITS_MAX = {"dlq_partition": 9, "dlq_offset": 18, "dlq_bytes": 18}
_FOUND_S_MAX = 5.0
_LOOK_MS = 1000
_LOOKS = 3
_REDRIVEN = "redriven_from"


async def put_dead_letters(conn: Conn, records: Sequence[Record]) -> None:
    """Keep what is told of records that nobody could take."""
    await conn.executemany(SQL.put_dead_letter, [_letter(record) for record in records])


def _letter(record: Record) -> tuple[Any, ...]:
    told = {
        name: raw.decode(errors="replace").replace("\0", "\\0")[:_CHARACTERS_MAX]
        for name, raw in record.headers
        if name.startswith("dlq_") and raw is not None
    }

    def number(name: str) -> int:
        text = told.get(name, "")
        # A stranger may have written it: only what fits the column is taken for a number.
        fits = text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX[name]
        return int(text) if fits else 0

    return (
        record.partition,
        record.offset,
        told.get("dlq_reason", ""),
        told.get("dlq_field", ""),
        told.get("dlq_value", ""),
        told.get("dlq_allowed", ""),
        told.get("dlq_topic", ""),
        number("dlq_partition"),
        number("dlq_offset"),
        number("dlq_bytes"),
        datetime.fromtimestamp(min(max(record.timestamp_ms, 0), _MS_MAX) / 1000, UTC),
        told.get("dlq_consumer", ""),
    )


class PostgresDeadLetters:
    """`services.gateway.dead_letter_ports.DeadLetters` on the gateway's schema."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def listed(
        self, *, before: int | None, state: LetterState | None, topic: str | None, limit: int
    ) -> list[tuple[int, DeadLetterView]]:
        """Return (sequence, letter), latest first."""
        found = await self._pool.fetch(SQL.dead_letters, before, state, topic, limit)
        return [(row["seq"], _view(row)) for row in found]

    async def one(self, place: Place) -> DeadLetterView | None:
        """Return a letter."""
        row = await self._pool.fetchrow(SQL.dead_letter, *place)
        return None if row is None else _view(row)

    async def decide(
        self,
        place: Place,
        act: Literal["redriven", "discarded"],
        reason: str,
        decided_by: str,
        at: datetime,
    ) -> None:
        """Put on record what is done about a letter, unless something is on record already."""
        await self._pool.execute(SQL.decide_dead_letter, *place, act, reason, decided_by, at)

    @asynccontextmanager
    async def copying(self, place: Place) -> AsyncIterator[Note | None]:
        """Let one at a time send the copy of a letter's record, within the block."""
        async with self._pool.acquire() as conn, conn.transaction():
            # Sending takes at most eight seconds; those who wait hold a connection meanwhile.
            uncopied = await conn.fetchrow(SQL.uncopied_dead_letter, *place)

            async def note(to: str) -> None:
                await conn.execute(SQL.sent_dead_letter, *place, to)

            yield None if uncopied is None else note


class KafkaSourceTopics:
    """`services.gateway.dead_letter_ports.SourceTopics` on the log.

    Args:
        settings: Where the broker is.
        writer: A started writer.
        topics: Topics that records may be sent to again: those of the exchange.
    """

    def __init__(self, settings: KitSettings, writer: LogWriter, topics: Sequence[str]) -> None:
        self._settings = settings
        self._writer = writer
        self._topics = frozenset(topics)

    async def record(self, topic: str, partition: int, offset: int) -> Record | None:
        """Return a record; ``None`` if its topic does not hold it, or there is no such topic.

        Raises:
            UnavailableError: if the broker does not answer.
        """
        if topic not in self._topics:
            return None
        reader = LogReader(self._settings, [topic], {topic: [partition]})
        try:
            await reader.start({(topic, partition): offset}, _FOUND_S_MAX)
            for _ in range(_LOOKS):
                found = await reader.read(1, _LOOK_MS)
                if found:
                    return found[0] if found[0].offset == offset else None
        except LogGapError:
            return None
        except (LogUnavailableError, KafkaError) as error:
            raise UnavailableError(
                "log_unavailable",
                Message(
                    "log: must answer within its time, was silent; try again in a moment",
                    "日志未能及时应答；请稍后重试",
                ),
                field="log",
                value=str(error)[:200],
                allowed="an answer",
            ) from error
        finally:
            await reader.stop()
        return None

    async def send_again(self, record: Record, letter_id: str) -> str:
        """Send a copy of a record to its topic; return where it went.

        Raises:
            UnavailableError: if it is not known whether it was written.
            TooLargeError: if the broker takes no record of this size.
        """
        headers = tuple((name, raw) for name, raw in record.headers if raw is not None)
        copy = OutRecord(
            record.topic,
            record.key or b"",
            record.value or b"",
            (*headers, (_REDRIVEN, letter_id.encode())),
        )
        (receipt,) = await sent(self._writer, [copy])
        return f"{receipt.topic}/{receipt.partition}@{receipt.offset}"


def _view(row: asyncpg.Record) -> DeadLetterView:
    return DeadLetterView(
        letter_id=f"{row['log_partition']}-{row['log_offset']}",
        topic=row["source_topic"],
        partition=row["source_partition"],
        offset=row["source_offset"],
        consumer=row["consumer"],
        reason=row["reason"],
        field=row["field"],
        value=row["value"],
        allowed=row["allowed"],
        bytes=row["bytes"],
        buried_at=row["buried_at"],
        state=row["act"] or "open",
        decided_by=row["decided_by"],
        decided_at=row["decided_at"],
        decided_reason=row["decided_reason"] or None,
        sent_to=row["sent_to"],
    )
