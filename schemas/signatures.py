"""What the exchange signs beside receipts and reports."""

from pydantic import Field

from schemas.base import Model


class ManifestSignature(Model):
    """The exchange's signature of a round's manifest.

    Ed25519 over canonical JSON (sorted keys, no spaces) of ``book_digest``, ``manifest``,
    ``market_id``, ``round_id``, ``seq`` and ``record``, which is ``suanli.round.manifest.v1``; the
    key is at ``/v1/receipt-key``.
    """

    key_id: str
    signature: str = Field(description="Base64")
