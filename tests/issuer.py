"""An OpenID Connect issuer of the tests: a real server with its own keys, one person at a time.

It serves discovery, keys, authorization codes with PKCE, device codes and refresh tokens, and takes
tokens back. Whoever
the attribute ``subject`` names is the one who signs in.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

Json = dict[str, Any]
Key = RSAKey | ECKey | OKPKey
_ALG = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}
CLIENT, AUDIENCE = "suanli", "suanli-exchange"


def rsa_key(name: str) -> RSAKey:
    return RSAKey.generate_key(2048, parameters={"kid": name, "use": "sig", "alg": "RS256"})


class Issuer:
    """An issuer that listens on a port of its own while it is entered."""

    def __init__(self) -> None:
        self.subject = "li-hua"
        self.keys: list[Key] = [rsa_key("first")]
        self.asked: list[str] = []
        self.life_s = 300
        self.approved: set[str] = set()
        self.takes_back = True
        self.ends_sessions = True
        self.session: str | None = "s-1"
        self.sessions: set[str] = set()
        self._codes: dict[str, Json] = {}
        self._refreshes: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}/realms/suanli"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def token(
        self,
        *,
        key: Key | None = None,
        header: Json | None = None,
        **claims: Any,  # noqa: ANN401 - a claim may be anything
    ) -> str:
        """Return a token for the exchange; a claim that is None is left out."""
        now = int(time.time())
        told = {"iss": self.url, "sub": self.subject, "aud": [AUDIENCE, "account"]}
        told |= {"iat": now, "nbf": now, "exp": now + self.life_s} | claims
        body = json.dumps({name: value for name, value in told.items() if value is not None})
        signer = key or self.keys[-1]
        alg = _ALG[signer.key_type]
        named = {"alg": alg, "kid": signer.kid, "typ": "JWT"} | (header or {})
        with warnings.catch_warnings():
            # Issuers still say EdDSA, which the library calls an old name.
            warnings.simplefilter("ignore")
            return jws.serialize_compact(named, body.encode(), signer, algorithms=[alg])

    def logout_token(self, **claims: Any) -> str:  # noqa: ANN401 - a claim may be anything
        """Return a token that says that a session is over; a claim that is None is left out."""
        event: Json = {"http://schemas.openid.net/event/backchannel-logout": {}}
        told = {"aud": CLIENT, "jti": secrets.token_hex(8), "sid": self.session, "events": event}
        return self.token(header={"typ": "logout+jwt"}, **(told | claims))

    def get(self, path: str, query: Json) -> tuple[int, Json | str]:
        """Return the answer to a GET; a text is a redirect."""
        if path.endswith("/.well-known/openid-configuration"):
            out = {"end_session_endpoint": f"{self.url}/logout"} if self.ends_sessions else {}
            return 200, out | {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/certs",
                "authorization_endpoint": f"{self.url}/auth",
                "token_endpoint": f"{self.url}/token",
                "device_authorization_endpoint": f"{self.url}/device",
                "revocation_endpoint": f"{self.url}/revoke",
            }
        if path.endswith("/certs"):
            listed = [key.as_dict(private=False) for key in self.keys]
            return 200, {"keys": [key | {"alg": _ALG[str(key["kty"])]} for key in listed]}
        if path.endswith("/auth") and query["code_challenge_method"] == "S256":
            code = secrets.token_urlsafe(16)
            self._codes[code] = query | {"sub": self.subject}
            self.sessions.add(self.subject)
            told = {"code": code, "state": query["state"], "iss": self.url}
            return 302, f"{query['redirect_uri']}?{urlencode(told)}"
        if path.endswith("/logout"):
            return self._end(query)
        return 404, {"error": "not_found"}

    def _end(self, query: Json) -> tuple[int, Json | str]:
        """End a session as RP-Initiated Logout 1.0 says: his whom a token of ours names."""
        hint = jws.extract_compact(query["id_token_hint"].encode())
        told = json.loads(hint.payload)
        back = urlsplit(query["post_logout_redirect_uri"])
        is_ours = any(
            jws.validate_compact(hint, key, algorithms=["RS256"])
            for key in self.keys
            if isinstance(key, RSAKey)
        )
        is_known = back.path == "/sign-out/done" and query["client_id"] == told["aud"] == CLIENT
        if not (is_ours and is_known and told["iss"] == self.url):
            return 400, {"error": "invalid_request"}
        self.sessions.discard(told["sub"])
        return 302, f"{back.geturl()}?{urlencode({'state': query['state']})}"

    def post(self, path: str, form: Json) -> tuple[int, Json]:
        """Return the answer to a POST."""
        if form.get("client_id") != CLIENT:
            return 401, {"error": "invalid_client"}
        if path.endswith("/revoke"):
            if not self.takes_back:
                return 400, {"error": "unsupported_token_type"}
            # One that is none is taken back, too (RFC 7009).
            self._refreshes.pop(form["token"], None)
            return 200, {}
        if path.endswith("/device"):
            code = secrets.token_urlsafe(16)
            self._codes[code] = {"sub": self.subject}
            place = f"{self.url}/activate"
            told = {"device_code": code, "user_code": "WDJB-MJHT", "verification_uri": place}
            return 200, told | {"expires_in": 60, "interval": 0.05}
        grant = form["grant_type"].rpartition(":")[2]
        if grant == "refresh_token":
            subject = self._refreshes.pop(form["refresh_token"], None)
            return (400, {"error": "invalid_grant"}) if subject is None else self._give(subject)
        if grant == "device_code":
            if form["device_code"] not in self.approved:
                self.approved.add(form["device_code"])
                return 400, {"error": "authorization_pending"}
            return self._give(self._codes.pop(form["device_code"])["sub"])
        asked = self._codes.pop(form["code"], None)
        if asked is None or asked["redirect_uri"] != form["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        return self._give(asked["sub"], asked["nonce"])

    def _give(self, subject: str, nonce: str | None = None) -> tuple[int, Json]:
        refresh = secrets.token_urlsafe(16)
        self._refreshes[refresh] = subject
        return 200, {
            "token_type": "Bearer",
            "access_token": self.token(sub=subject),
            "id_token": self.token(sub=subject, aud=CLIENT, nonce=nonce, sid=self.session),
            "refresh_token": refresh,
            "expires_in": self.life_s,
        }


def _handler(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            issuer.asked.append(address.path.rpartition("/")[2])
            self._reply(*issuer.get(address.path, dict(parse_qsl(address.query))))

        def do_POST(self) -> None:
            issuer.asked.append(self.path.rpartition("/")[2])
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._reply(*issuer.post(self.path, dict(parse_qsl(body))))

        def _reply(self, status: int, told: Json | str) -> None:
            self.send_response(status)
            body = b"" if isinstance(told, str) or not told else json.dumps(told).encode()
            if isinstance(told, str):
                self.send_header("Location", told)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    return Handler
