"""One effect per idempotency key, however often and however parallel it is asked for.

The claim is a row in Postgres, so that it holds over instances and restarts. A gateway that dies
between the log's acknowledgement and the stored reply leaves a claim that goes stale; the next
try sends the same event (same ids, derived from the key) again, which every reader of the log
takes as a duplicate.

What callers want written while others' is being written goes in one write after it, and their
replies are kept in one commit, as those of a bulk. Nobody waits for company, each has its own
outcome, and a gateway that dies in between leaves the same as if each had gone alone: claims
without a reply.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from schemas.api import Receipt
from services.core.errors import DomainError, Message
from services.gateway.app.envelopes import canonical, receipt_text
from services.gateway.errors import BusyError, Fault, FaultsError, UnavailableError
from services.gateway.ports import Done, Intent, Sent
from services.kit.batching import Batcher

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from schemas.codec import Envelope
    from schemas.events import Event
    from services.gateway.ports import Claim, Intents, Log, Signer

Outcome = Receipt | DomainError
# A receipt as it is kept and told: its canonical JSON.
Reply = str | DomainError

# Pauses between looks at a claim that another request holds: 23 s in all, longer than the 20 s
# after which an abandoned claim may be taken over, so that a retry after a crash succeeds.
_PAUSES_S = (0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.0, 2.0, 3.0, 4.0, 4.0, 4.0, 4.0)
_FAULTS_MAX = 50


def make_intent(key: str, operation: str, arguments: dict[str, Any]) -> Intent:
    """Return what is compared when a key is used again."""
    return intent_of(key, canonical({"operation": operation, **arguments}))


def intent_of(key: str, body: str) -> Intent:
    """Return what is compared when a key is used again, from its JSON."""
    return Intent(key=key, sha256=hashlib.sha256(body.encode()).digest(), body=body)


@dataclass(frozen=True, slots=True)
class _Planned:
    """What one caller claimed and wants written: a key and an event each."""

    participant_id: str
    token: str
    keys: Sequence[str]
    envelopes: Sequence[Envelope]

    def parts(self) -> list[tuple[str, str]]:
        return [(self.participant_id, key) for key in self.keys]

    def claims(self) -> list[tuple[str, str, str]]:
        return [(self.participant_id, self.token, key) for key in self.keys]


class Once:
    """Runs intents.

    Args:
        log: Where events are written.
        intents: Where claims and replies are kept.
        signer: Signs receipts; ``None`` leaves them unsigned.
        claimant: Token of a sole claimant, which takes its own claims up again at once after a
            restart; by default every run has a new one.
    """

    def __init__(
        self, log: Log, intents: Intents, signer: Signer | None, claimant: str | None = None
    ) -> None:
        self._claimant = claimant
        self._log = log
        self._intents = intents
        self._signer = signer
        # By type and market, which is by partition: one that is slow holds up no other.
        self._writes: dict[tuple[type[Event], str], Batcher[_Planned, list[Reply]]] = {}

    async def run(
        self,
        participant_id: str,
        intents: Sequence[Intent],
        plan: Callable[[int], Awaitable[Envelope]],
    ) -> list[Outcome]:
        """Do every intent that was not done before and return all outcomes in order.

        Args:
            participant_id: Whose keys these are.
            intents: What is wanted; a key that occurs twice is done once.
            plan: Returns the event of an intent by its index, or raises a `DomainError`, in
                which case nothing is kept and the key stays free.
        """
        token = self._token()
        outcomes: dict[int, Reply] = {}
        first = {intent.key: index for index, intent in reversed(list(enumerate(intents)))}
        waiting = sorted(first.values())
        for pause_s in (*_PAUSES_S, None):
            asked = [intents[index] for index in waiting]
            claims = await self._intents.claim(participant_id, token, asked)
            found = dict(zip(waiting, claims, strict=True))
            mine = [index for index, claim in found.items() if claim.mine]
            outcomes |= await self._act(participant_id, token, intents, mine, plan)
            waiting = []
            for index, claim in found.items():
                if not claim.mine:
                    known = _known(intents[index], claim)
                    if known is None:
                        waiting.append(index)
                    else:
                        outcomes[index] = known
            if not waiting:
                break
            if pause_s is not None:
                await asyncio.sleep(pause_s)
        outcomes |= {index: _busy(intents[index].key) for index in waiting}
        told = (
            outcomes[index] if index in outcomes else _repeat(intents, first, index, outcomes)
            for index in range(len(intents))
        )
        return [_outcome(one) for one in told]

    async def one(
        self, participant_id: str, intent: Intent, plan: Callable[[], Awaitable[Envelope]]
    ) -> Receipt:
        """Do one intent and return its receipt.

        Raises:
            DomainError: what ``plan`` raised, or why it could not be done.
        """
        return Receipt.model_validate_json(await self.reply(participant_id, intent, plan))

    async def reply(
        self, participant_id: str, intent: Intent, plan: Callable[[], Awaitable[Envelope]]
    ) -> str:
        """Do one intent and return its receipt as JSON, as `one` does.

        Raises:
            DomainError: what ``plan`` raised, or why it could not be done.
        """
        token = self._token()
        found: Reply | None = None
        for pause_s in (*_PAUSES_S, None):
            (claim,) = await self._intents.claim(participant_id, token, [intent])
            if claim.mine:
                try:
                    envelope = await plan()
                except DomainError:
                    await self._intents.release(participant_id, token, [intent.key])
                    raise
                wanted = _Planned(participant_id, token, [intent.key], [envelope])
                (found,) = await self._written(wanted)
            else:
                found = _known(intent, claim)
            if found is not None or pause_s is None:
                break
            await asyncio.sleep(pause_s)
        if isinstance(found, str):
            return found
        raise found or _busy(intent.key)

    def _token(self) -> str:
        return self._claimant or secrets.token_hex(16)

    async def _act(
        self,
        participant_id: str,
        token: str,
        intents: Sequence[Intent],
        mine: Sequence[int],
        plan: Callable[[int], Awaitable[Envelope]],
    ) -> dict[int, Reply]:
        outcomes: dict[int, Reply] = {}
        planned: dict[int, Envelope] = {}
        for index in mine:
            try:
                planned[index] = await plan(index)
            except DomainError as error:
                outcomes[index] = error
        if outcomes:
            refused = [intents[index].key for index in outcomes]
            await self._intents.release(participant_id, token, refused)
        if not planned:
            return outcomes
        keys = [intents[index].key for index in planned]
        wanted = _Planned(participant_id, token, keys, list(planned.values()))
        found = await self._written(wanted)
        return outcomes | dict(zip(planned, found, strict=True))

    async def _written(self, wanted: _Planned) -> list[Reply]:
        if len(wanted.keys) > 1:
            # A bulk is a group of its own; single orders need not wait for it.
            (outcomes,) = await self._write([wanted])
            if isinstance(outcomes, Exception):
                raise outcomes
            return outcomes
        data = wanted.envelopes[0].data
        place = (type(data), getattr(data, "market_id", ""))
        if place not in self._writes:
            self._writes[place] = Batcher(self._write, _Planned.parts)
        return await self._writes[place].ask(wanted)

    async def _write(self, asked: list[_Planned]) -> list[list[Reply] | Exception]:
        """Write what callers want, and keep what came of it."""
        try:
            positions = await self._log.send([item for one in asked for item in one.envelopes])
        except UnavailableError as error:
            await self._intents.expire([claim for one in asked for claim in one.claims()])
            return [[error] * len(one.keys) for one in asked]
        except DomainError as error:
            # One of them is what the log never takes. To write the others again does no harm.
            if len(asked) == 1:
                return [error]
            return [outcome for one in asked for outcome in await self._write([one])]
        place = iter(positions)
        done: list[Done] = []
        replies: list[list[Reply]] = []
        for one in asked:
            sent = [Sent(item, next(place)) for item in one.envelopes]
            texts = [receipt_text(item, self._signer) for item in sent]
            done.append(Done(one.participant_id, list(zip(one.keys, texts, strict=True)), sent))
            replies.append([*texts])
        kept = await self._intents.complete(done)
        return [
            texts if error is None else error for error, texts in zip(kept, replies, strict=True)
        ]


def _outcome(found: Reply) -> Outcome:
    return Receipt.model_validate_json(found) if isinstance(found, str) else found


def _known(intent: Intent, claim: Claim) -> Reply | None:
    if claim.body is not None and json.loads(claim.body) != json.loads(intent.body):
        return _reused(claim.body, intent.body)
    # As it was told the first time: the database keeps what it says, and not its order.
    return None if claim.reply is None else canonical(json.loads(claim.reply))


def _repeat(
    intents: Sequence[Intent], first: dict[str, int], index: int, outcomes: dict[int, Reply]
) -> Reply:
    earlier = first[intents[index].key]
    if intents[earlier].body != intents[index].body:
        return _reused(intents[earlier].body, intents[index].body)
    return outcomes[earlier]


def _busy(key: str) -> BusyError:
    return BusyError(
        "idempotency_key_in_progress",
        Message(
            f"Idempotency-Key: must be one that is not under way, was {key}; ask again",
            f"Idempotency-Key：该请求仍在处理中（{key}），请稍后重试",
        ),
        field="Idempotency-Key",
        value=key,
        allowed="a key that is not under way",
    )


def _reused(stored: str, asked: str) -> FaultsError:
    before, now = dict(_flat("", json.loads(stored))), dict(_flat("", json.loads(asked)))
    differing = sorted(
        name for name in before.keys() | now.keys() if before.get(name) != now.get(name)
    )
    faults = tuple(
        Fault(
            field=name,
            value=_text(now, name),
            allowed=_text(before, name),
            message=Message(
                f"{name}: must be {_text(before, name)} as when the key was first used, "
                f"was {_text(now, name)}",
                f"{name}：该键首次使用时为 {_text(before, name)}，本次为 {_text(now, name)}",
            ),
            code="idempotency_key_reused",
        )
        for name in differing[:_FAULTS_MAX]
    )
    names = ", ".join(differing[:10])
    return FaultsError(
        "idempotency_key_reused",
        Message(
            f"Idempotency-Key: must be a new one for another body; these differ: {names}",
            f"Idempotency-Key：不同的请求内容须使用新的键；不同之处：{names}",
        ),
        faults,
    )


def _text(values: dict[str, object], name: str) -> str:
    return json.dumps(values[name], ensure_ascii=False)[:200] if name in values else "absent"


def _flat(path: str, value: object) -> list[tuple[str, object]]:
    # The depth is that of a validated model, so the recursion is bounded.
    if isinstance(value, dict) and value:
        items = value.items()
    elif isinstance(value, list) and value:
        items = {str(index): item for index, item in enumerate(value)}.items()
    else:
        return [(path, value)]
    return [
        leaf
        for name, item in items
        for leaf in _flat(f"{path}.{name}" if path else str(name), item)
    ]
