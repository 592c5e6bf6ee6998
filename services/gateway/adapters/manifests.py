"""Signed manifests of rounds, so that nobody has to believe the one that he downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.signatures import ManifestSignature
from services.gateway.app.envelopes import canonical

if TYPE_CHECKING:
    from schemas.api import RoundView
    from services.gateway.ports import Signer

# Tells what is signed from a receipt, which the same key signs.
RECORD = "suanli.round.manifest.v1"


def with_signature(view: RoundView, signer: Signer | None) -> RoundView:
    """Return a round with its manifest signed, if it is sealed and there is a key."""
    if signer is None or view.book_digest is None:
        return view
    message = canonical(
        {
            "book_digest": view.book_digest,
            "manifest": [part.model_dump(mode="json") for part in view.manifest],
            "market_id": view.market_id,
            "record": RECORD,
            "round_id": view.round_id,
            "seq": view.seq,
        }
    )
    signed = ManifestSignature(key_id=signer.key_id, signature=signer.sign(message.encode()))
    return view.model_copy(update={"manifest_signature": signed})
