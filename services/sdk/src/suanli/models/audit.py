"""Models of audit; generated from the contract by `make gen`."""

from typing import Literal, NotRequired, TypedDict

from suanli.models.demand import DemandTerms
from suanli.models.offers import OfferTerms, OrderState, Reason, Side
from suanli.models.participants import Scope


class AdminActView(TypedDict):
    """Something asked for under scope `money`, `govern` or `admin`, and what became of it."""

    act_id: int
    """Rises with time."""

    at: str
    """Wall clock of the exchange, UTC."""
    participant_id: str
    role: str

    credential_id: str
    """`key_...`, `mbr_...` or `bootstrap`."""
    scope: Scope

    act: str
    """Operation, as the API's description names it."""

    object: str
    """Path that it was asked of."""

    body_sha256: NotRequired[str | None]
    """Of the request's body."""

    outcome: Literal["done", "refused", "failed", "unknown"]
    """`unknown`: the exchange stopped before it could tell."""

    status: NotRequired[int | None]
    """HTTP status of the answer."""


class JournalEntryView(TypedDict):
    """A journal entry, byte for byte."""

    leaf_index: int

    entry: str
    """Its canonical bytes as UTF-8, the leaf of the log."""


class AuditView(TypedDict):
    """How far the exchange's auditor is, all markets together."""

    told_at: str
    """When the auditor said so, by the market's clock."""

    rounds_verified: int
    """Rounds whose file was found right."""
    rounds_refuted: int

    rounds_booked: int
    """Of those, rounds whose money in the journal fits."""

    entries_checked: int
    """Entries of the journal that were checked, from 0."""

    entries_published: int
    """Entries that there are, by the heads."""

    head_size: int
    """Entries under the last head that fits; 0: none yet."""
    head_root: NotRequired[str | None]
    head_told_at: NotRequired[str | None]

    cosignatures: int
    """Witnesses that cosigned that head."""

    findings: int
    """Faults found, refuted rounds among them."""


class LogHeadView(TypedDict):
    """A head of the transparency log."""

    size: int
    origin: str
    root: str

    told_at: str
    """UTC instant, ISO 8601."""

    note: NotRequired[str | None]
    """The signed note, if it was signed."""


class TermsVersionView(TypedDict):
    """Terms that an order had, or that were proposed for it."""

    version: int
    """Version of the order's terms."""
    terms: OfferTerms | DemandTerms

    recorded_at: str
    """UTC instant, ISO 8601."""


class BookOrderView(TypedDict):
    """A live order as it stood at a moment."""

    order_id: str
    participant_id: str
    side: Side
    state: OrderState

    version: int
    """Version of the order's terms."""

    in_book: bool
    """Whether a round could give it something then."""
    rounds_waited: int

    price: int
    """The ask, or the highest limit."""

    chip_hours_allocated: int
    """Chip-hours."""

    chip_hours_left: int
    """Chip-hours."""

    held: int
    """Micro-yuan."""
    terms: OfferTerms | DemandTerms


class BookThenView(TypedDict):
    """The book of a market at a moment, rebuilt from the log alone."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    at: str
    """On the market's clock."""

    round_id: str
    """The round that sealed it, or the one to come."""

    book_digest: str
    """SHA-256 of the rebuilt book's canonical JSON."""

    sealed_digest: str | None
    """What the round's seal says; null if none."""

    differing: list[str]
    # Events whose status does not follow from the log, and rounds up to this one that sealed
    # another book; empty if the log agrees with itself.
    offers: int
    demands: int

    orders: list[BookOrderView]
    """Live orders, in the book or not, by id."""


class LogKeyView(TypedDict):
    """The key that heads of the log are signed with."""

    origin: str

    key: str
    """Verifier key `name+id+base64`, as C2SP signed-note and Go write it."""


class FinalityView(TypedDict):
    """What makes settlements, statements and invoices final, and how far that is."""

    needed: int
    """Witnesses that must have cosigned; 0: none is asked for."""
    witnesses: list[str]

    witnessed_size: int | None
    """Entries under the last head that enough cosigned; null: none is asked for."""
    log_size: int


class InclusionView(TypedDict):
    """The audit path of a leaf (RFC 6962 2.1.1), its neighbour first."""

    leaf_index: int
    size: int
    proof: list[str]


class ConsistencyView(TypedDict):
    """The proof that a tree extends an older one (RFC 6962 2.1.2)."""

    old_size: int
    size: int
    proof: list[str]


class ErasureView(TypedDict):
    """An order to erase an entry, and what became of it."""

    erasure_id: str

    entry_id: str
    """Id of a journal entry."""
    state: Literal["ordered", "erased", "refused"]

    reason: NotRequired[str | None]
    """Why it was ordered."""
    ordered_by: NotRequired[str | None]
    ordered_at: NotRequired[str | None]

    leaf_index: NotRequired[int | None]
    """Place in the log, once erased."""

    commitment: NotRequired[str | None]
    """SHA-256 of the bytes that were erased, once they are."""
    erased_at: NotRequired[str | None]

    refusal: NotRequired[Reason | None]
    """Why it was refused."""


class ErasureNew(TypedDict):
    """An entry that is to be erased."""

    entry_id: str
    """Id of a journal entry."""

    confirm: str
    """Leaf hash of the entry, so that no other one is erased by mistake."""

    reason: str
    """Why; it stays on the log, so no names."""


class DeadLetterView(TypedDict):
    """A record that nobody could take: where it was, why, and what was done about it."""

    letter_id: str
    """Partition and offset among the dead letters."""

    topic: str
    """Where the record was."""
    partition: int
    offset: int

    consumer: str
    """Who refused it; empty for what was buried long ago."""

    reason: str
    """Code of what is wrong with it."""
    field: str
    value: str
    allowed: str
    bytes: int

    buried_at: str
    """UTC instant, ISO 8601."""
    state: NotRequired[Literal["open", "redriven", "discarded"]]
    decided_by: NotRequired[str | None]
    decided_at: NotRequired[str | None]
    decided_reason: NotRequired[str | None]

    sent_to: NotRequired[str | None]
    """Topic, partition and offset of the copy that was sent."""


class DeadLetterHeader(TypedDict):
    """A header of a record."""

    name: str
    value: str


class DeadLetterContent(TypedDict):
    """A dead letter with the record as it still stands in its topic."""

    letter: DeadLetterView

    is_there: bool
    """False once its topic no longer holds it."""
    key: NotRequired[str]
    headers: NotRequired[list[DeadLetterHeader]]

    text: NotRequired[str]
    """Its bytes as UTF-8; what is none is replaced."""

    is_whole: NotRequired[bool]
    """False if the text was cut."""


class DeadLetterDiscard(TypedDict):
    """Why a dead letter needs nothing more."""

    reason: str
