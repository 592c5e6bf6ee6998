"""Calls of participants, awaited; generated from the contract by `make gen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli.calling import AsyncCaller
from suanli.operations import Operation, given, place
from suanli.rows import AsyncRows

if TYPE_CHECKING:
    from typing import Literal

    from suanli.models import (
        CallerView,
        DirectLoginCreated,
        DirectLoginView,
        IssuerView,
        KeyCreated,
        KeyView,
        MemberSetStatus,
        MemberView,
        ParticipantCreated,
        ParticipantNew,
        ParticipantView,
        Receipt,
        Scope,
        SigningKeyView,
    )


class AsyncParticipantsCalls(AsyncCaller):
    """Calls of participants."""

    def list_participants(self, *, filter_: str | None = None) -> AsyncRows[ParticipantView]:
        """List all participants (operator, regulator)."""
        return AsyncRows(
            self,
            Operation("GET", "/v1/participants", params={"filter": filter_}),
            "ParticipantView",
        )

    async def register(self, body: ParticipantNew) -> ParticipantCreated:
        """Admit a participant (operator).

        The key is shown this once; the same particulars again give a further key.
        """
        reply: ParticipantCreated = await self.send(
            Operation("POST", "/v1/participants", body=body)
        )
        return reply

    async def get_me(self) -> ParticipantView:
        """Return who you are."""
        reply: ParticipantView = await self.send(Operation("GET", "/v1/participants/me"))
        return reply

    async def set_standing(
        self, participant_id: str, status: Literal["active", "suspended"], reason: str
    ) -> Receipt:
        """Suspend a participant, or let it trade again.

        Suspend a provider or an enterprise, or let it trade again (operator, regulator). Who is
        suspended may read and no more. Its open orders leave the book at the next round, with
        the reason; what is allocated stands.
        """
        reply: Receipt = await self.send(
            Operation(
                "PUT",
                f"/v1/participants/{place(participant_id)}/standing",
                body={"status": status, "reason": reason},
            )
        )
        return reply

    async def list_keys(self, participant_id: str) -> list[KeyView]:
        """List a participant's keys without their secrets (operator, or its own)."""
        reply: list[KeyView] = await self.send(
            Operation("GET", f"/v1/participants/{place(participant_id)}/keys")
        )
        return reply

    async def add_key(
        self,
        participant_id: str,
        *,
        label: str | None = None,
        scopes: list[Scope] | None = None,
        expires_in_days: int | None = None,
    ) -> KeyCreated:
        """Make a further key (operator, or its own); it is shown this once.

        It may only read unless scopes are given, and expires after a year unless days are.
        """
        reply: KeyCreated = await self.send(
            Operation(
                "POST",
                f"/v1/participants/{place(participant_id)}/keys",
                body={
                    **given({"label": label, "scopes": scopes, "expires_in_days": expires_in_days})
                },
            )
        )
        return reply

    async def revoke_key(self, participant_id: str, key_id: str) -> KeyView:
        """Revoke a key for good (operator, or its own)."""
        reply: KeyView = await self.send(
            Operation("DELETE", f"/v1/participants/{place(participant_id)}/keys/{place(key_id)}")
        )
        return reply

    async def whoami(self) -> CallerView:
        """Return who is calling.

        Return the participant, the key or member, and what it may do.
        """
        reply: CallerView = await self.send(Operation("GET", "/v1/whoami"))
        return reply

    async def list_issuers(self) -> list[IssuerView]:
        """List who vouches for members.

        List the OpenID Connect issuers whose tokens are taken, and what to ask them for
        (public). `Authorization: Bearer` takes such a token instead of a key.
        """
        reply: list[IssuerView] = await self.send(Operation("GET", "/v1/issuers"))
        return reply

    async def list_members(self, participant_id: str) -> list[MemberView]:
        """List members.

        List the people who act for a participant, those that were removed last (operator, or
        its own).
        """
        reply: list[MemberView] = await self.send(
            Operation("GET", f"/v1/participants/{place(participant_id)}/members")
        )
        return reply

    async def add_member(
        self,
        participant_id: str,
        issuer: str,
        subject: str,
        name: str,
        *,
        scopes: list[Scope] | None = None,
    ) -> MemberView:
        """Add a member.

        Let a person act for a participant with the tokens of an issuer (operator, or its own).
        He may only read unless scopes are given. A person is a member of one participant, and
        once.
        """
        reply: MemberView = await self.send(
            Operation(
                "POST",
                f"/v1/participants/{place(participant_id)}/members",
                body={
                    "issuer": issuer,
                    "subject": subject,
                    "name": name,
                    **given({"scopes": scopes}),
                },
            )
        )
        return reply

    async def change_member(
        self,
        participant_id: str,
        member_id: str,
        *,
        scopes: list[Scope] | None = None,
        status: MemberSetStatus | None = None,
    ) -> MemberView:
        """Change a member.

        Change what a member may do, suspend it, or let it act again (operator, or its own). Who
        is suspended may do nothing; it counts from the next request on.
        """
        reply: MemberView = await self.send(
            Operation(
                "PATCH",
                f"/v1/participants/{place(participant_id)}/members/{place(member_id)}",
                body={**given({"scopes": scopes, "status": status})},
            )
        )
        return reply

    async def remove_member(self, participant_id: str, member_id: str) -> MemberView:
        """Remove a member.

        Remove a member for good (operator, or its own); the keys that it made stay.
        """
        reply: MemberView = await self.send(
            Operation(
                "DELETE", f"/v1/participants/{place(participant_id)}/members/{place(member_id)}"
            )
        )
        return reply

    async def list_signing_keys(self, participant_id: str) -> list[SigningKeyView]:
        """List the keys of a participant's signed records (operator, or its own)."""
        reply: list[SigningKeyView] = await self.send(
            Operation("GET", f"/v1/participants/{place(participant_id)}/signing-keys")
        )
        return reply

    async def add_signing_key(
        self, participant_id: str, public_key: str, proof: str
    ) -> SigningKeyView:
        """Add Signing Key.

        Register a public key for signed records, by a signature that proves to have the secret
        (operator, or its own). Again, it is the same key.
        """
        reply: SigningKeyView = await self.send(
            Operation(
                "POST",
                f"/v1/participants/{place(participant_id)}/signing-keys",
                body={"public_key": public_key, "proof": proof},
            )
        )
        return reply

    async def revoke_signing_key(self, participant_id: str, key_id: str) -> SigningKeyView:
        """Revoke Signing Key.

        Revoke a key for good (operator, or its own); what it signed and was not read yet is
        refused.
        """
        reply: SigningKeyView = await self.send(
            Operation(
                "DELETE", f"/v1/participants/{place(participant_id)}/signing-keys/{place(key_id)}"
            )
        )
        return reply

    async def get_direct_login(self, participant_id: str) -> DirectLoginView:
        """Return a login at the broker.

        Return a participant's login at the broker, and where it leads (operator, or its own).
        """
        reply: DirectLoginView = await self.send(
            Operation("GET", f"/v1/participants/{place(participant_id)}/direct-login")
        )
        return reply

    async def make_direct_login(self, participant_id: str) -> DirectLoginCreated:
        """Make a login or a new password.

        Make a participant's login at the broker, or a new password for it, which is told this
        once (operator, or its own); the operator allows it first. The old password opens no
        connection more.
        """
        reply: DirectLoginCreated = await self.send(
            Operation("POST", f"/v1/participants/{place(participant_id)}/direct-login")
        )
        return reply

    async def end_direct_login(self, participant_id: str) -> DirectLoginView:
        """End a login at the broker.

        End a participant's login at the broker (operator, or its own): its rights end at once,
        on connections that are open too.
        """
        reply: DirectLoginView = await self.send(
            Operation("DELETE", f"/v1/participants/{place(participant_id)}/direct-login")
        )
        return reply

    async def allow_direct_access(
        self, participant_id: str, access: Literal["allowed", "withheld"]
    ) -> DirectLoginView:
        """Allow a login at the broker.

        Allow a provider or an enterprise to make a login at the broker for itself, or no
        longer, which ends the one that it has (operator).
        """
        reply: DirectLoginView = await self.send(
            Operation(
                "PUT",
                f"/v1/participants/{place(participant_id)}/direct-access",
                body={"access": access},
            )
        )
        return reply
