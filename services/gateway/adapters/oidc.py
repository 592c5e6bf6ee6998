"""Tokens of OpenID Connect issuers: whose are they, checked by the keys that issuers publish.

An issuer's keys are fetched when its first token comes, again after ten minutes, and at once when
a token names a key that is not among them, so a rotated key is known with its first token. An
issuer that is down stops nobody whose token names a key that is known.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from schemas.members import IssuerView
from services.core.errors import Message
from services.gateway.app.tokens import ALGORITHMS, check_claims, check_signed_out, refused
from services.gateway.errors import UnavailableError
from services.kit.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from joserfc._rfc7515.model import JWSAlgModel
    from joserfc.jws import CompactSignature

    from services.gateway.app.tokens import SignedOut
    from services.gateway.member_ports import Holder
    from services.kit.clock import Clock

_FRESH_S = 600.0
# Whoever invents names of keys must not make the gateway ask the issuer each time.
_AGAIN_S = 10.0
_FETCH_S_MAX = 5.0
_BYTES_MAX = 256 * 1024
_KEYS_MAX = 100
_RSA_BITS_MIN = 2048
_DISCOVERY = "/.well-known/openid-configuration"
_KINDS = {"RS256": "RSA", "ES256": "EC", "EdDSA": "OKP", "Ed25519": "OKP"}
_CURVES = {"ES256": "P-256", "EdDSA": "Ed25519", "Ed25519": "Ed25519"}

Key = RSAKey | ECKey | OKPKey


class IssuerError(Exception):
    """An issuer did not answer, or not as an issuer does.

    Attributes:
        code: OAuth's word for a refusal; ``None`` if it did not answer.
    """

    def __init__(self, detail: str, code: str | None = None) -> None:
        """Keep the code."""
        super().__init__(detail)
        self.code = code


class _Registry(jws.JWSRegistry):
    """What a signature may be; issuers put more into headers than the standard names."""

    max_header_length = 8_192

    def __init__(self) -> None:
        super().__init__(algorithms=ALGORITHMS, strict_check_header=False)

    def get_alg(self, name: str) -> JWSAlgModel:
        """Return an algorithm; EdDSA, the old name of Ed25519, is taken without a warning."""
        return super().get_alg("Ed25519" if name == "EdDSA" else name)


_REGISTRY = _Registry()


@dataclass(slots=True)
class _Issuer:
    """What is known of an issuer; times are of a steady clock."""

    keys: list[Key] = field(default_factory=list)
    told: Mapping[str, Any] = field(default_factory=dict)
    fetched_s: float | None = None
    tried_s: float | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class OidcTokens:
    """Tells whose a token is.

    Args:
        issuers: Those that are trusted, and what people ask them for.
        clock: The wall clock: issuers know nothing of a market's.
    """

    def __init__(self, issuers: Sequence[IssuerView], clock: Clock) -> None:
        self.issuers = tuple(issuers)
        self._issuers = {one.issuer: _Issuer() for one in issuers}
        self._views = {one.issuer: one for one in issuers}
        self._clock = clock
        # Read once: it takes longer than a request.
        self._trust = ssl.create_default_context() if issuers else None
        self._refreshing: set[asyncio.Task[bool]] = set()
        self._log = get_logger("gateway.oidc")

    async def holder(self, token: str) -> Holder:
        """Return whom a token for this exchange was issued to.

        Raises:
            UnauthenticatedError: naming what is wrong with it.
            UnavailableError: if the issuer's keys are not known and cannot be had now.
        """
        issuer, claims = await self._claims(token)
        audience = self._views[issuer].audience
        return check_claims(claims, issuer, audience, self._clock.now().timestamp())

    async def signed_out(self, token: str) -> SignedOut:
        """Return what a logout token of an issuer says is over.

        Raises:
            UnauthenticatedError: naming what is wrong with it.
            UnavailableError: if the issuer's keys are not known and cannot be had now.
        """
        issuer, claims = await self._claims(token)
        client = self._views[issuer].client_id
        return check_signed_out(claims, issuer, client, self._clock.now().timestamp())

    async def signed_in(self, token: str, issuer: str, nonce: str) -> tuple[Holder, str]:
        """Return whom an ID token of a sign-in to the pages was issued to, and in what session.

        The issuer's name of the session is empty if it tells none.

        Raises:
            UnauthenticatedError: naming what is wrong with it.
            UnavailableError: if the issuer's keys are not known and cannot be had now.
        """
        found, claims = await self._claims(token)
        if found != issuer:
            raise refused("iss", found, issuer)
        if claims.get("nonce") != nonce:
            # It is not told: whoever knows it could end somebody's sign-in.
            raise refused("nonce", "another")
        client = self._views[issuer].client_id
        holder = check_claims(claims, issuer, client, self._clock.now().timestamp())
        session = claims.get("sid")
        return holder, session if isinstance(session, str) else ""

    async def endpoint(self, issuer: str, name: str) -> str:
        """Return one of an issuer's addresses, as its discovery tells it.

        Raises:
            UnavailableError: if it is not known and cannot be had now.
        """
        place = await self.offered(issuer, name)
        if place is None:
            raise unavailable(issuer)
        return place

    async def offered(self, issuer: str, name: str) -> str | None:
        """Return one of an issuer's addresses; ``None`` if its discovery tells none.

        Raises:
            UnavailableError: if that is not known and cannot be had now.
        """
        known = self._issuers[issuer]
        if known.fetched_s is None:
            await self._fetch(issuer, known, None)
            if known.fetched_s is None:
                raise unavailable(issuer)
        place = known.told.get(name)
        return place if isinstance(place, str) and _is_address(place, issuer) else None

    async def post(self, issuer: str, place: str, form: Mapping[str, str]) -> dict[str, Any]:
        """Send a form to an issuer; return the object that it answers.

        Raises:
            IssuerError: if it refuses, or does not answer.
        """
        return await self._json(issuer, "POST", place, form)

    async def _claims(self, token: str) -> tuple[str, dict[str, Any]]:
        """Return the issuer and the claims of a token whose signature is good."""
        try:
            parts = jws.extract_compact(token.encode(), registry=_REGISTRY)
            claims = json.loads(parts.payload)
            algorithm = parts.headers().get("alg")
        except (JoseError, ValueError, RecursionError):
            raise refused("form", "not one") from None
        if not isinstance(claims, dict):
            raise refused("form", "not one")
        if algorithm not in ALGORITHMS:
            raise refused("alg", algorithm)
        issuer = claims.get("iss")
        if not isinstance(issuer, str) or issuer not in self._issuers:
            raise refused("iss", issuer, ", ".join(self._issuers))
        await self._check_signature(parts, issuer, algorithm)
        return issuer, claims

    async def _check_signature(self, parts: CompactSignature, issuer: str, algorithm: str) -> None:
        name = parts.headers().get("kid")
        known = self._issuers[issuer]
        fetched_s = known.fetched_s
        found = _fitting(known.keys, name, algorithm)
        if not found:
            if await self._fetch(issuer, known, fetched_s):
                found = _fitting(known.keys, name, algorithm)
        elif self._is_stale(known):
            # Nobody waits for an issuer whose key is known.
            task = asyncio.ensure_future(self._fetch(issuer, known, fetched_s))
            self._refreshing.add(task)
            task.add_done_callback(self._refreshing.discard)
        if not found:
            if known.tried_s != known.fetched_s:
                # The issuer may have a new key, which cannot be learnt while it does not answer.
                raise unavailable(issuer)
            raise refused("kid", name)
        for key in found:
            try:
                if jws.validate_compact(parts, key, registry=_REGISTRY):
                    return
            except (JoseError, ValueError):
                continue
        raise refused("signature", "another's")

    def _is_stale(self, known: _Issuer) -> bool:
        now_s = self._clock.monotonic()
        if known.fetched_s is not None and now_s - known.fetched_s < _FRESH_S:
            return False
        return not self._refreshing and not self._is_too_soon(known)

    def _is_too_soon(self, known: _Issuer) -> bool:
        return known.tried_s is not None and self._clock.monotonic() - known.tried_s < _AGAIN_S

    async def _fetch(self, issuer: str, known: _Issuer, seen_s: float | None) -> bool:
        """Learn an issuer's keys; return whether they were learnt after ``seen_s``."""
        async with known.lock:
            if known.fetched_s != seen_s:
                return True
            if self._is_too_soon(known):
                return False
            known.tried_s = now_s = self._clock.monotonic()
            try:
                told, keys = await self._published(issuer)
            except IssuerError as error:
                self._log.warning("issuer not asked", issuer=issuer, error=str(error))
                return False
            known.told, known.keys, known.fetched_s = told, keys, now_s
            return True

    async def _published(self, issuer: str) -> tuple[dict[str, Any], list[Key]]:
        told = await self._json(issuer, "GET", issuer.rstrip("/") + _DISCOVERY)
        if told.get("issuer") != issuer:
            raise IssuerError(f"issuer must be {issuer}, was {told.get('issuer')!r}"[:300])
        place = told.get("jwks_uri")
        if not isinstance(place, str) or not _is_address(place, issuer):
            raise IssuerError(f"jwks_uri must be an address by https, was {place!r}"[:300])
        listed = (await self._json(issuer, "GET", place)).get("keys")
        if not isinstance(listed, list) or len(listed) > _KEYS_MAX:
            raise IssuerError(f"keys must be a list of at most {_KEYS_MAX}")
        return told, [key for one in listed for key in _keys_of(one)]

    async def _json(
        self, issuer: str, method: str, url: str, form: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        assert self._trust is not None, "only issuers are asked"
        try:
            async with (
                asyncio.timeout(_FETCH_S_MAX),
                httpx.AsyncClient(verify=self._trust) as http,
                http.stream(method, url, data=form) as reply,
            ):
                body = b""
                async for chunk in reply.aiter_bytes():
                    body += chunk
                    if len(body) > _BYTES_MAX:
                        raise IssuerError(f"{url} must have at most {_BYTES_MAX} bytes")
            told = json.loads(body)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, TimeoutError) as error:
            raise IssuerError(f"{url}: {error!r}"[:300]) from error
        if not isinstance(told, dict):
            raise IssuerError(f"{url} must be an object")
        if reply.status_code != httpx.codes.OK:
            code = str(told.get("error"))[:100]
            detail = f"{issuer} must answer 200, was {reply.status_code} {code}"
            refused_it = reply.status_code == httpx.codes.BAD_REQUEST and "error" in told
            raise IssuerError(detail, code if refused_it else None)
        return told


def _keys_of(listed: object) -> list[Key]:
    """Return a published key if it signs, of a kind that is known and not too weak."""
    if not isinstance(listed, dict) or listed.get("use", "sig") != "sig":
        return []
    if listed.get("kty") == "OKP":
        # Its curve says it all; issuers call the algorithm by its old name or its new one.
        listed = {name: value for name, value in listed.items() if name != "alg"}
    try:
        keys = KeySet.import_key_set({"keys": [listed]}).keys
    except (JoseError, ValueError, TypeError, KeyError):
        # Of a kind that nobody here signs with.
        return []
    return [
        key
        for key in keys
        if isinstance(key, ECKey | OKPKey)
        or (isinstance(key, RSAKey) and key.raw_value.key_size >= _RSA_BITS_MIN)
    ]


def _fitting(keys: Sequence[Key], name: object, algorithm: str) -> list[Key]:
    """Return the keys that may have signed: of this name, of the kind of the algorithm."""
    found: list[Key] = []
    for key in keys:
        told = key.as_dict(private=False)
        if told["kty"] != _KINDS[algorithm] or told.get("crv") != _CURVES.get(algorithm):
            continue
        if told.get("alg", algorithm) != algorithm:
            continue
        if name is None or told.get("kid") == name:
            found.append(key)
    return found


def _is_address(place: str, issuer: str) -> bool:
    plain = issuer.startswith("http://")
    return place.startswith(("https://", "http://") if plain else "https://")


def unavailable(issuer: str) -> UnavailableError:
    """Return the error of an issuer that cannot be asked now."""
    return UnavailableError(
        "auth.issuer_unavailable",
        Message(
            f"issuer: must answer to be asked, {issuer} did not; ask again, or use a key",
            f"签发方须能响应，{issuer} 未响应；请稍后重试，或改用密钥",
        ),
        field="issuer",
        value=issuer,
        allowed="one that answers",
    )
