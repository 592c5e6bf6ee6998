"""Events onto the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.codec import encode
from schemas.registry import BY_MODEL
from services.core.errors import Message
from services.gateway.errors import TooLargeError, UnavailableError
from services.gateway.ports import Position
from services.kit.errors import LogUnavailableError, SendRefusedError, SendUnknownError
from services.kit.kafka import OutRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.codec import Envelope
    from services.kit.kafka import LogWriter, Receipt


class KafkaLog:
    """The log, written through the kit's idempotent producer.

    Args:
        writer: A started writer.
    """

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    async def send(self, envelopes: Sequence[Envelope]) -> list[Position]:
        """Write events in order; return when all in-sync replicas have them.

        Raises:
            UnavailableError: if it is not known whether all were written.
            TooLargeError: if the broker takes no record of this size.
        """
        receipts = await sent(self._writer, [_record(item) for item in envelopes])
        return [Position(one.topic, one.partition, one.offset, one.sha256) for one in receipts]


async def sent(writer: LogWriter, records: Sequence[OutRecord]) -> list[Receipt]:
    """Write records in order; return when all in-sync replicas have them.

    Raises:
        UnavailableError: if it is not known whether all were written.
        TooLargeError: if the broker takes no record of this size.
    """
    try:
        return await writer.send_many(records)
    except (SendUnknownError, LogUnavailableError) as error:
        raise UnavailableError(
            "log_unavailable",
            Message(
                "log: must acknowledge within its time, was silent; send the same again, "
                "it has one effect",
                "日志未能及时确认；请原样重发，只会生效一次",
            ),
            field="log",
            value=error.value,
            allowed="an acknowledgement",
        ) from error
    except SendRefusedError as error:
        raise TooLargeError(
            "log_refused", error.message, field="body", value=error.value
        ) from error


def _record(envelope: Envelope) -> OutRecord:
    key, value, headers = encode(envelope)
    return OutRecord(
        topic=BY_MODEL[type(envelope.data)].topic, key=key, value=value, headers=headers
    )
