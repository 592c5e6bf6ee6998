"""Bodies of the API about the keys that participants sign their own records with."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from schemas.base import Instant, Model, ParticipantId
from schemas.direct import signed_bytes
from schemas.events import Event

POSSESSION_TYPE = "suanli.signing-key.v1"

PublicKeyText = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$"),
    Field(description="Base64 of the 32 bytes of an Ed25519 public key"),
]
SignatureText = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9+/]{86}==$"),
    Field(
        description="Base64 of the signature by that key of the DSSE encoding of type "
        "`suanli.signing-key.v1` and value `PARTICIPANT_ID PUBLIC_KEY`"
    ),
]
SigningKeyId = Annotated[str, StringConstraints(pattern=r"^dk_[0-9a-f]{32}$")]


def possession_bytes(participant_id: str, public_key: str) -> bytes:
    """Return what a proof of possession covers.

    It names the participant, so that a proof seen elsewhere registers the key for nobody else.
    """
    return signed_bytes(POSSESSION_TYPE, f"{participant_id} {public_key}".encode())


class SigningKeySet(Event):
    """A participant's records count by this key from here on, or no more.

    So whoever has the log can check signed records without asking the exchange.
    """

    participant_id: ParticipantId
    key_id: SigningKeyId
    public_key: PublicKeyText
    state: Literal["active", "revoked"]


EXAMPLES: dict[type[Event], Any] = {
    SigningKeySet: {
        "participant_id": "north-cloud",
        "key_id": "dk_56475aa75463474c0285df5dbf2bcab7",
        "public_key": "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
        "state": "active",
    }
}


class SigningKeyNew(Model):
    """A public key, and the proof that whoever registers it has the secret."""

    public_key: PublicKeyText
    proof: SignatureText


class SigningKeyView(Model):
    """A key that signs a participant's own records."""

    key_id: SigningKeyId
    participant_id: ParticipantId
    public_key: PublicKeyText
    registered_at: Instant
    revoked_at: Instant | None = None
