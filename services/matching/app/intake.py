"""Taking records in: bytes become events, every record gets its verdict, bad ones are kept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from schemas import events
from schemas.codec import DecodeError, decode
from schemas.policies import MarketPolicySet
from schemas.registry import BY_MODEL
from schemas.standing import ParticipantStandingSet
from schemas.types import OrderState, Side, period_of
from services.core.intake import decide, order_id_of
from services.core.orders import noted
from services.core.reasons import why
from services.core.round_events import wire_reason
from services.core.verdicts import Decision, Story, Verdict
from services.kit.dead_letters import dead_letter_facts
from services.kit.records import OutRecord
from services.matching.app.scribe import record_of, status_record
from services.matching.ports import IntakeRow

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from schemas.codec import Envelope
    from services.core.orders import Order
    from services.kit.records import Record
    from services.matching.app.desk import Desk

TOPICS = ("policies", "offers", "demand", "holds")

# Leaves room for the headers below the megabyte that a broker takes.
_DEAD_LETTER_BYTES_MAX = 900_000
_HEADER_CHARACTERS_MAX = 512
# What can be read of a record that is no event; patterns of schemas.base.
_ORDER_ID = re.compile(rb'"order_id"\s*:\s*"((?:off|dem)_[a-z2-7]{26})"')
_PARTICIPANT_ID = re.compile(rb'"participant_id"\s*:\s*"([a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?)"')
_LOOKED_AT_BYTES_MAX = 64 * 1024


class Intake:
    """Judges records one by one against the desk.

    Args:
        desk: State of the market.
        is_stray_keeper: Whether records that no market's key leads to are dead-lettered here.
    """

    def __init__(self, desk: Desk, *, is_stray_keeper: bool) -> None:
        self._desk = desk
        self._is_stray_keeper = is_stray_keeper

    def ids_wanted(self, records: Iterable[Record]) -> set[str]:
        """Return ids that these records name and that are not in memory."""
        ids: set[str] = set()
        for record in records:
            ids |= _named(record)
        return ids - self._desk.orders.keys()

    def take(self, record: Record, now: datetime) -> Verdict | None:
        """Give a record its verdict and let it do what it does.

        Args:
            record: A record of one of `TOPICS`.
            now: Instant on the market's clock.

        Returns:
            The verdict, ``None`` if the record waits for the round that is being cleared.
        """
        judged = self._judge(record)
        if self._must_wait(record, judged):
            self._desk.put_off(record)
            return None
        if isinstance(judged, DecodeError):
            verdict, order_id = Verdict.DEAD_LETTER, self._bury(record, judged, now)
            reason = judged.code
        elif judged is None:
            verdict, reason, order_id = Verdict.NOT_YOURS, "", None
        else:
            decision = self._decide(judged, record.offset, now)
            verdict, order_id = decision.verdict, order_id_of(judged.data)
            reason = decision.why.code if decision.why is not None else ""
        self._desk.changes.intake.append(
            IntakeRow(record.topic, record.partition, record.offset, verdict, reason, order_id)
        )
        return verdict

    def remember(self, waiting: Iterable[Record]) -> None:
        """Know after a restart again what waits for the round that is being cleared."""
        for record in waiting:
            self._must_wait(record, self._judge(record))

    def _must_wait(self, record: Record, judged: Envelope | DecodeError | None) -> bool:
        in_clearing = self._desk.in_clearing
        if in_clearing is None or judged is None:
            return False
        if isinstance(judged, DecodeError):
            return any(order_id in in_clearing for order_id in _named(record))
        waits = self._desk.must_wait(judged.data)
        if waits:
            in_clearing.add(judged.data)
        return waits

    def _judge(self, record: Record) -> Envelope | DecodeError | None:
        """Return the event, what is wrong with it, or ``None`` if it is another market's."""
        key = (record.key or b"").decode(errors="replace")
        own = key == self._desk.market_id
        if not own and key in self._desk.known_markets and record.topic != "policies":
            return None
        try:
            envelope = decode(record.value, record.headers)
        except DecodeError as error:
            return error if own or self._is_stray_keeper else None
        row = BY_MODEL[type(envelope.data)]
        if row.topic != record.topic:
            # Who may write to one topic must not speak for the writers of another.
            wrong = DecodeError("wrong_topic", "ce_type", row.type, f"a type of {record.topic}")
            return wrong if own or self._is_stray_keeper else None
        market_id = _market_of(envelope.data)
        if record.topic == "policies":
            return envelope
        if own and market_id != key:
            return DecodeError("wrong_market", "market_id", market_id, f"{key}, the record's key")
        if not own and market_id == self._desk.market_id:
            return DecodeError("wrong_key", "key", key, f"{market_id}, the record's market")
        return envelope if own else None

    def _decide(self, envelope: Envelope, offset: int, now: datetime) -> Decision:
        event = envelope.data
        if isinstance(event, events.MarketDefined):
            self._desk.define(event.market)
            own = event.market.id == self._desk.market_id
            return Decision(Verdict.APPLIED if own else Verdict.NOT_YOURS)
        if _market_of(event) != self._desk.market_id:
            return Decision(Verdict.NOT_YOURS)
        if isinstance(event, ParticipantStandingSet):
            self._desk.stand(event)
            return Decision(Verdict.APPLIED)
        if self._desk.mobilise(event):
            return Decision(Verdict.APPLIED)
        if isinstance(event, MarketPolicySet):
            is_new = self._desk.set_policy(event)
            return Decision(Verdict.APPLIED if is_new else Verdict.DUPLICATE)
        if self._desk.market is None:
            return Decision(Verdict.IGNORED)
        story = Story(envelope.id, envelope.causation_id, envelope.correlation_id, offset)
        decision = decide(self._desk.view(now), event, story)
        for order in self._desk.apply(decision):
            self._tell(order, now, envelope.id)
        return decision

    def _tell(self, order: Order, now: datetime, causation_id: str) -> None:
        market = self._desk.market
        assert market is not None, "orders exist once the market is defined"
        first_period = period_of(now) + 1
        self._desk.changes.outbox.append(
            status_record(order, market, now, first_period, causation_id=causation_id)
        )

    def _bury(self, record: Record, error: DecodeError, now: datetime) -> str | None:
        """Keep a bad record in the dead letters; return its order's id if it has one."""
        value = record.value or b""
        facts = dead_letter_facts("matching", record, error)
        headers = [
            (name, text[:_HEADER_CHARACTERS_MAX].encode(errors="replace"))
            for name, text in facts.items()
        ]
        headers += [
            (f"original_{name}"[:_HEADER_CHARACTERS_MAX], raw[:_HEADER_CHARACTERS_MAX])
            for name, raw in record.headers[:32]
            if raw is not None
        ]
        self._desk.changes.outbox.append(
            OutRecord(
                topic="dead-letters",
                key=(record.key or self._desk.market_id.encode())[:_HEADER_CHARACTERS_MAX],
                value=value[:_DEAD_LETTER_BYTES_MAX],
                headers=tuple(headers),
            )
        )
        return self._tell_producer(record, error, now)

    def _tell_producer(self, record: Record, error: DecodeError, now: datetime) -> str | None:
        text = (record.value or b"")[:_LOOKED_AT_BYTES_MAX]
        found, owner = _ORDER_ID.search(text), _PARTICIPANT_ID.search(text)
        if found is None or owner is None or self._desk.market is None:
            return None
        order_id, participant_id = found.group(1).decode(), owner.group(1).decode()
        reason = why("invalid_record", field=error.field, allowed=error.allowed, value=error.value)
        known = self._desk.orders.get(order_id)
        if known is None:
            status = events.OrderStatusChanged(
                order_id=order_id,
                market_id=self._desk.market_id,
                participant_id=participant_id,
                side=Side.OFFER if order_id.startswith("off_") else Side.DEMAND,
                version=1,
                state=OrderState.REJECTED,
                reason=wire_reason(reason),
                # Below every status of an order that was taken in: a valid record with this
                # id may still come.
                sequence=0,
            )
            identity = (order_id, record.topic, str(record.partition), str(record.offset))
            self._desk.changes.outbox.append(
                record_of(status, identity, now, participant_id=participant_id)
            )
        elif known.is_live and known.participant_id == participant_id:
            following = noted(known, reason)
            self._desk.put(following)
            self._tell(following, now, "")
        return order_id


_ANY_ORDER_ID = re.compile(rb'"(?:order_id|linked_to)"\s*:\s*"((?:off|dem)_[a-z2-7]{26})"')


def _named(record: Record) -> set[str]:
    text = (record.value or b"")[:_LOOKED_AT_BYTES_MAX]
    return {found.decode() for found in _ANY_ORDER_ID.findall(text)}


def _market_of(event: events.Event) -> str:
    if isinstance(event, events.MarketDefined):
        return event.market.id
    return str(getattr(event, "market_id", ""))
