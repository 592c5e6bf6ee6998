"""Models of participants; generated from the contract by `make gen`."""

from typing import Literal, NotRequired, TypeAlias, TypedDict

from suanli.models.offers import Receipt

# Who a participant is on the exchange.
Role: TypeAlias = Literal["provider", "enterprise", "regulator", "operator"]


class ParticipantView(TypedDict):
    """A participant."""

    participant_id: str
    role: Role
    name: str
    resource_code: NotRequired[str | None]
    beneficial_owner: NotRequired[str | None]
    status: str

    registered_at: str | None
    """Null for the operator's bootstrap key, which nobody registered."""


class ParticipantNew(TypedDict):
    """Admission of a participant."""

    participant_id: str
    role: Role
    name: str
    resource_code: NotRequired[str | None]

    beneficial_owner: NotRequired[str | None]
    """Who owns it in the end; one name for all that it owns."""


class ParticipantCreated(TypedDict):
    """A new participant with its first key; the secret is shown this once."""

    participant: ParticipantView
    api_key: str

    receipt: NotRequired[Receipt | None]
    """Null if it was a participant already: this is a further key."""


class StandingNew(TypedDict):
    """Whether a participant may trade."""

    status: Literal["active", "suspended"]

    reason: str
    """Its orders leave with this sentence."""


# What a key may do, of what the role of its participant may.
Scope: TypeAlias = Literal["read", "trade", "money", "govern", "admin"]


class KeyView(TypedDict):
    """An API key without the secret."""

    key_id: str
    participant_id: str
    label: str
    scopes: list[Scope]

    created_at: str
    """UTC instant, ISO 8601."""

    created_by: NotRequired[str | None]
    """Key or member that made it; null before that was recorded."""

    expires_at: NotRequired[str | None]
    """Refused from then on; null for keys from before keys expired."""
    last_used_at: NotRequired[str | None]
    revoked_at: NotRequired[str | None]


class KeyNew(TypedDict):
    """A further API key."""

    label: NotRequired[str]

    scopes: NotRequired[list[Scope]]
    """What it may do; `read` if left out."""
    expires_in_days: NotRequired[int]


class KeyCreated(TypedDict):
    """A new API key; the secret is shown this once."""

    key: KeyView
    api_key: str


# Whether a member may do what its scopes say.
MemberStatus: TypeAlias = Literal["active", "suspended", "removed"]


class MemberView(TypedDict):
    """A member of a participant."""

    member_id: str
    participant_id: str
    name: str

    issuer: str
    """OpenID Connect issuer, as its tokens name it in `iss`."""

    subject: str
    """Who it is, as the issuer's tokens name him in `sub`."""
    scopes: list[Scope]
    status: MemberStatus

    created_at: str
    """UTC instant, ISO 8601."""

    created_by: str
    """Key or member that added it."""
    last_seen_at: NotRequired[str | None]
    removed_at: NotRequired[str | None]


class CallerView(TypedDict):
    """Who is calling, with what, and what it may do."""

    participant_id: str
    role: Role
    status: str

    credential_id: str
    """`key_...`, `mbr_...` or `bootstrap`."""
    scopes: list[Scope]

    member: NotRequired[MemberView | None]
    """Null for keys."""


class IssuerView(TypedDict):
    """An issuer whose tokens are taken, and what to ask it for."""

    issuer: str
    """OpenID Connect issuer, as its tokens name it in `iss`."""

    client_id: str
    """Public client for `suanli login` and the pages."""

    audience: str
    """What `aud` of an access token must include."""

    scope: str
    """OAuth scope to ask for."""


class MemberNew(TypedDict):
    """A person who may act for a participant when an issuer vouches for him."""

    issuer: str
    """OpenID Connect issuer, as its tokens name it in `iss`."""

    subject: str
    """Who it is, as the issuer's tokens name him in `sub`."""
    name: str

    scopes: NotRequired[list[Scope]]
    """What it may do; `read` if left out."""


# What a member's status may be set to; to remove one is another act.
MemberSetStatus: TypeAlias = Literal["active", "suspended"]


class MemberChange(TypedDict):
    """What is to be different about a member; the rest stays."""

    scopes: NotRequired[list[Scope] | None]
    status: NotRequired[MemberSetStatus | None]


class SigningKeyView(TypedDict):
    """A key that signs a participant's own records."""

    key_id: str
    participant_id: str

    public_key: str
    """Base64 of the 32 bytes of an Ed25519 public key."""

    registered_at: str
    """UTC instant, ISO 8601."""
    revoked_at: NotRequired[str | None]


class SigningKeyNew(TypedDict):
    """A public key, and the proof that whoever registers it has the secret."""

    public_key: str
    """Base64 of the 32 bytes of an Ed25519 public key."""

    proof: str
    # Base64 of the signature by that key of the DSSE encoding of type `suanli.signing-key.v1`
    # and value `PARTICIPANT_ID PUBLIC_KEY`.


class DirectLoginView(TypedDict):
    """A participant's login at the broker, and where it leads."""

    participant_id: str

    allowed: bool
    """Whether the operator allows it to have a login."""

    self_service: bool
    """Whether a login can be made here; else the operator grants it at the server."""

    state: Literal["none", "active", "unfinished", "unknown"]
    # `unfinished`: one was being made when something broke, and nobody may know its password;
    # `unknown`: the broker does not say.

    changed_at: NotRequired[str | None]
    """When its password was made, if it was made here."""

    changed_by: NotRequired[str | None]
    """Key or member that made it."""

    brokers: str
    """`host:port`, several separated by commas; empty: not told."""
    user: str
    write_topic: str
    status_topic: str
    mechanism: NotRequired[Literal["SCRAM-SHA-512"]]


class DirectLoginCreated(TypedDict):
    """A login with its password, which is told this once."""

    login: DirectLoginView
    password: str


class DirectAccessSet(TypedDict):
    """Whether a participant may have a login at the broker."""

    access: Literal["allowed", "withheld"]
    """`withheld` ends the login that there is."""
