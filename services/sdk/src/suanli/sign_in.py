"""Signing in as a person: the device grant (RFC 8628), and tokens that are renewed in time.

An issuer vouches for a person, and the exchange knows which participant he acts for. The tokens
are kept in a profile beside its settings, in a file that nobody else may read.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx

from suanli import profiles
from suanli.errors import SignInError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Json = dict[str, Any]

DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
_DISCOVERY: Final = "/.well-known/openid-configuration"
_TIMEOUT_S: Final = 30.0
_INTERVAL_S: Final = 5.0
_SLOWER_S: Final = 5.0
# A request that begins with a token must end with one.
_EARLY_S: Final = 60.0
_LIFE_S: Final = 300.0
# As a profile keeps them.
_ACCESS, _REFRESH, _EXPIRES = "access_token", "refresh_token", "token_expires_at"
_PLACE, _CLIENT, _ISSUER = "token_endpoint", "client_id", "issuer"
KEPT: Final = (_ACCESS, _REFRESH, _EXPIRES, _PLACE, _CLIENT, _ISSUER)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What an issuer gave.

    Attributes:
        access: Sent to the exchange.
        refresh: Gets the next ones; empty if the issuer gives none.
        expires_at: When ``access`` ends, seconds since 1970.
        token_endpoint: Where the next ones are had.
        client_id: For which client they are.
        issuer: Who gave them.
    """

    access: str
    refresh: str
    expires_at: float
    token_endpoint: str
    client_id: str
    issuer: str

    def settings(self) -> dict[str, str]:
        """Return them as a profile keeps them."""
        return {
            _ACCESS: self.access,
            _REFRESH: self.refresh,
            _EXPIRES: str(int(self.expires_at)),
            _PLACE: self.token_endpoint,
            _CLIENT: self.client_id,
            _ISSUER: self.issuer,
        }

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> Tokens | None:
        """Return what a profile keeps; ``None`` if nobody is signed in there."""
        if not all(name in settings for name in KEPT) or not settings[_EXPIRES].isdigit():
            return None
        return cls(
            settings[_ACCESS],
            settings[_REFRESH],
            float(settings[_EXPIRES]),
            settings[_PLACE],
            settings[_CLIENT],
            settings[_ISSUER],
        )


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What a person does to sign in, on whichever device has a browser.

    Attributes:
        verification_uri: Where to go.
        user_code: What to type there.
        complete_uri: Address that has the code in it; empty if the issuer gives none.
    """

    verification_uri: str
    user_code: str
    complete_uri: str


def device_sign_in(
    issuer: str,
    client_id: str,
    scope: str,
    show: Callable[[DeviceCode], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Tokens:
    """Sign a person in; return his tokens once he has agreed.

    Args:
        issuer: Who vouches.
        client_id: For which client; both are told by ``/v1/issuers``.
        scope: What to ask for.
        show: Tells the person what to do.
        sleep: Waits between questions.

    Raises:
        SignInError: if he did not agree in time, or the issuer refused.
    """
    told = _call(issuer, "GET", issuer.rstrip("/") + _DISCOVERY)
    place, device = told.get("token_endpoint"), told.get("device_authorization_endpoint")
    if told.get("issuer") != issuer or not isinstance(place, str) or not isinstance(device, str):
        raise SignInError(issuer, "no_device_grant")
    begun = _call(issuer, "POST", device, {"client_id": client_id, "scope": scope})
    uri = begun.get("verification_uri", begun.get("verification_url", ""))
    whole = begun.get("verification_uri_complete", "")
    show(DeviceCode(str(uri), str(begun.get("user_code", "")), str(whole)))
    form = {
        "grant_type": DEVICE_GRANT,
        "device_code": str(begun.get("device_code", "")),
        "client_id": client_id,
    }
    for wait_s in _waits(begun):
        sleep(wait_s)
        try:
            given = _call(issuer, "POST", place, form)
        except SignInError as error:
            if error.code == "slow_down":
                sleep(_SLOWER_S)
            elif error.code not in {"authorization_pending", "silent"}:
                raise
            continue
        return _tokens(issuer, place, client_id, given)
    raise SignInError(issuer, "expired_token")


def sign_out(tokens: Tokens) -> None:
    """Tell the issuer to take its tokens back, if it does that.

    Raises:
        SignInError: if it refused, or did not answer.
    """
    told = _call(tokens.issuer, "GET", tokens.issuer.rstrip("/") + _DISCOVERY)
    place = told.get("revocation_endpoint")
    if isinstance(place, str):
        kind = "refresh_token" if tokens.refresh else "access_token"
        form = {"token": tokens.refresh or tokens.access, "token_type_hint": kind}
        reply = _send(tokens.issuer, "POST", place, form | {"client_id": tokens.client_id})
        # RFC 7009: what else it says of tokens that it took back is nothing to read.
        if not reply.is_success:
            _told(tokens.issuer, reply)


def renewed(tokens: Tokens) -> Tokens:
    """Return the next tokens.

    Raises:
        SignInError: if the issuer gives none any more: sign in again.
    """
    if not tokens.refresh:
        raise SignInError(tokens.issuer, "invalid_grant")
    form = {
        "grant_type": "refresh_token",
        "refresh_token": tokens.refresh,
        "client_id": tokens.client_id,
    }
    given = _call(tokens.issuer, "POST", tokens.token_endpoint, form)
    # An issuer that gives no next one lets the old one be used again.
    given.setdefault("refresh_token", tokens.refresh)
    return _tokens(tokens.issuer, tokens.token_endpoint, tokens.client_id, given)


class ProfileToken:
    """The access token of a profile, renewed when it is about to end.

    Args:
        name: The profile.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._tokens = Tokens.of(profiles.load().of(name))

    def __call__(self) -> str:
        """Return a token that is good for a while.

        Raises:
            SignInError: if there is none any more: sign in again.
        """
        if self._tokens is None or self._is_ending(self._tokens):
            # Another command may have renewed it meanwhile.
            self._tokens = Tokens.of(profiles.load().of(self._name))
        if self._tokens is None:
            raise SignInError("-", "invalid_grant")
        if self._is_ending(self._tokens):
            self._tokens = renewed(self._tokens)
            keep(self._name, self._tokens)
        return self._tokens.access

    @staticmethod
    def _is_ending(tokens: Tokens) -> bool:
        return tokens.expires_at - _EARLY_S < time.time()


def keep(name: str, tokens: Tokens | None) -> None:
    """Put tokens into a profile, or take them out of it."""
    found = profiles.load()
    given = {} if tokens is None else tokens.settings()
    for setting in KEPT:
        found = found.with_setting(name, setting, given.get(setting))
    profiles.save(found)


def _waits(begun: Json) -> Iterator[float]:
    interval = begun.get("interval", _INTERVAL_S)
    wait_s = float(interval) if isinstance(interval, int | float) else _INTERVAL_S
    life = begun.get("expires_in", _LIFE_S)
    end_s = time.monotonic() + (float(life) if isinstance(life, int | float) else _LIFE_S)
    while time.monotonic() < end_s:
        yield max(wait_s, 0.01)


def _tokens(issuer: str, place: str, client_id: str, given: Json) -> Tokens:
    access, life = given.get("access_token"), given.get("expires_in", _LIFE_S)
    if not isinstance(access, str) or not access:
        raise SignInError(issuer, "no_access_token")
    life_s = float(life) if isinstance(life, int | float) else _LIFE_S
    refresh = str(given.get("refresh_token") or "")
    return Tokens(access, refresh, time.time() + life_s, place, client_id, issuer)


def _call(issuer: str, method: str, url: str, form: Json | None = None) -> Json:
    return _told(issuer, _send(issuer, method, url, form))


def _send(issuer: str, method: str, url: str, form: Json | None) -> httpx.Response:
    try:
        return httpx.request(method, url, data=form, timeout=_TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SignInError(issuer, "silent", str(error)) from error


def _told(issuer: str, reply: httpx.Response) -> Json:
    try:
        told = reply.json()
    except ValueError as error:
        raise SignInError(issuer, "silent", str(error)) from error
    if not isinstance(told, dict):
        raise SignInError(issuer, "silent", "no object")
    if not reply.is_success:
        code = str(told.get("error", reply.status_code))
        raise SignInError(issuer, code, str(told.get("error_description", "")))
    return told
