"""Signing in to the pages by an issuer, and out there too.

In by the authorization code with PKCE, state and nonce; out by OpenID Connect RP-Initiated Logout
1.0, where the issuer offers it. What either needs until the person comes back is derived from one
secret in his own browser's cookie, so that any gateway can finish what another one began.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from services.core.errors import Message
from services.gateway.adapters.oidc import IssuerError, unavailable
from services.gateway.errors import ForbiddenError, not_found

if TYPE_CHECKING:
    from pydantic import SecretStr

    from services.gateway.adapters.oidc import OidcTokens
    from services.gateway.app.tokens import SignedOut
    from services.gateway.member_ports import Holder

_SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class Vouched:
    """What an issuer says at the end of a sign-in.

    Attributes:
        holder: Whom it vouches for.
        id_token: Its word, which it takes as a hint of whose session is to end.
        session: Its own name of the session, by which it may tell its end; empty if it has none.
    """

    holder: Holder
    id_token: str
    session: str


class PageSignIns:
    """Sends people to issuers, and takes them back.

    Args:
        tokens: Issuers, and their tokens.
        secret: Of the client, if the issuers want one.
    """

    def __init__(self, tokens: OidcTokens, secret: SecretStr | None) -> None:
        self._tokens = tokens
        self._secret = secret
        # As people know them.
        self.hosts = tuple(urlsplit(one.issuer).netloc for one in tokens.issuers)

    async def begin(self, number: int, seed: str, back: str) -> str:
        """Return the address of an issuer at which a person signs in.

        Args:
            number: The issuer's place in the list.
            seed: Secret of the browser.
            back: Where the issuer sends him back to.

        Raises:
            NotFoundError: if there is no such issuer.
            UnavailableError: if it does not answer.
        """
        if not 0 <= number < len(self._tokens.issuers):
            raise not_found("issuer", str(number))
        issuer = self._tokens.issuers[number]
        place = await self._tokens.endpoint(issuer.issuer, "authorization_endpoint")
        verifier = _derived(seed, "verifier")
        digest = hashlib.sha256(verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": issuer.client_id,
            "redirect_uri": back,
            "scope": "openid",
            "state": _derived(seed, "state"),
            "nonce": _derived(seed, "nonce"),
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        return f"{place}{'&' if '?' in place else '?'}{urlencode(asked)}"

    async def finish(self, number: int, seed: str, back: str, told: dict[str, str]) -> Vouched:
        """Return whom an issuer vouches for who comes back.

        Args:
            number: The issuer's place in the list.
            seed: Secret of the browser.
            back: Where the issuer sent him back to.
            told: What the issuer said in the address.

        Raises:
            ForbiddenError: if he did not come from a sign-in of this browser, or was refused.
            UnauthenticatedError: if the issuer's token is not as it must be.
            UnavailableError: if the issuer does not answer.
        """
        if not 0 <= number < len(self._tokens.issuers):
            raise _astray()
        issuer = self._tokens.issuers[number]
        state = told.get("state", "").encode()
        if not seed or not hmac.compare_digest(state, _derived(seed, "state").encode()):
            raise _astray()
        # An answer that names its issuer (RFC 9207) must not be another one's.
        if told.get("iss", issuer.issuer) != issuer.issuer or "code" not in told:
            raise _refused(told.get("error", "no code"))
        form = {
            "grant_type": "authorization_code",
            "code": told["code"],
            "redirect_uri": back,
            "client_id": issuer.client_id,
            "code_verifier": _derived(seed, "verifier"),
        }
        if self._secret is not None:
            form["client_secret"] = self._secret.get_secret_value()
        place = await self._tokens.endpoint(issuer.issuer, "token_endpoint")
        try:
            given = await self._tokens.post(issuer.issuer, place, form)
        except IssuerError as error:
            if error.code is None:
                raise unavailable(issuer.issuer) from error
            raise _refused(error.code) from error
        token = given.get("id_token")
        if not isinstance(token, str):
            raise _refused("no id_token")
        nonce = _derived(seed, "nonce")
        holder, session = await self._tokens.signed_in(token, issuer.issuer, nonce)
        return Vouched(holder, token, session)

    async def signed_out(self, token: str) -> SignedOut:
        """Return what a logout token of an issuer says is over.

        Raises:
            UnauthenticatedError: naming what is wrong with it.
            UnavailableError: if the issuer's keys are not known and cannot be had now.
        """
        return await self._tokens.signed_out(token)

    async def end(self, number: int, id_token: str, seed: str, back: str) -> str | None:
        """Return the address at which a person's session at an issuer ends.

        Args:
            number: The issuer's place in the list.
            id_token: What it said at the sign-in; empty if that is not known.
            seed: Secret of the browser.
            back: Where the issuer sends him back to.

        Returns:
            ``None`` if there is no such issuer any more, or it does not offer that.

        Raises:
            UnavailableError: if the issuer is not known yet and does not answer.
        """
        if not 0 <= number < len(self._tokens.issuers):
            return None
        issuer = self._tokens.issuers[number]
        place = await self._tokens.offered(issuer.issuer, "end_session_endpoint")
        if place is None:
            return None
        asked = {
            "client_id": issuer.client_id,
            "post_logout_redirect_uri": back,
            "state": _derived(seed, "sign-out"),
        }
        if id_token:
            asked["id_token_hint"] = id_token
        return f"{place}{'&' if '?' in place else '?'}{urlencode(asked)}"


def is_end(seed: str, state: str) -> bool:
    """Return whether an issuer sends somebody back from a sign-out that his browser began."""
    expected = _derived(seed, "sign-out")
    return bool(seed) and hmac.compare_digest(state.encode(), expected.encode())


def new_seed() -> str:
    """Return a secret for one sign-in."""
    return secrets.token_urlsafe(_SEED_BYTES)


def _derived(seed: str, purpose: str) -> str:
    digest = hmac.new(seed.encode(), f"suanli sign-in {purpose}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _astray() -> ForbiddenError:
    return ForbiddenError(
        "auth.sign_in_state",
        Message(
            "state: must be of a sign-in that this browser began a few minutes ago, was another; "
            "sign in again",
            "state：须为本浏览器几分钟内发起的登录，实为其他；请重新登录",
        ),
        field="state",
        value="another",
        allowed="of a sign-in that this browser began",
    )


def _refused(code: str) -> ForbiddenError:
    found = code[:100]
    return ForbiddenError(
        "auth.issuer_refused",
        Message(
            f"issuer: must let you in, was {found}; sign in again",
            f"签发方：须允许登录，实为 {found}；请重新登录",
        ),
        field="issuer",
        value=found,
        allowed="let you in",
    )
