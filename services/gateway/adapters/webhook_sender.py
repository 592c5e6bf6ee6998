"""Messages to webhooks over HTTP, to addresses that were checked and no others.

A name is resolved and every address of it checked for each line to an endpoint, and the connection
goes to the address that was checked: a name that leads elsewhere a moment later leads nowhere.
Redirects are not followed and answers are not kept, so an endpoint learns nothing of what the
exchange can reach.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import TYPE_CHECKING

import httpx

from services.core.errors import Message
from services.gateway.webhook_ports import Answer
from services.kit.webhooks import HostPattern, is_open, signature, target_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from schemas.webhooks import AttemptError
    from services.gateway.webhook_ports import Outgoing
    from services.kit.webhooks import Network, Target

    Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

# Read only so that the connection can be used again.
_ANSWER_BYTES_MAX = 64 * 1024
_WAIT_S_MAX = 3_600
_AGENT = "suanli-exchange-webhooks/1"
_WAITING = frozenset({429, 502, 503, 504})


class _NotThereError(Exception):
    """A message does not go there."""

    def __init__(self, error: AttemptError) -> None:
        super().__init__(error)
        self.error: AttemptError = error


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host.

    Raises:
        OSError: if it has none, or nobody can tell.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


class HttpSender:
    """Reaches endpoints on hosts that the operator allows.

    Args:
        hosts: Those hosts, separated by commas; none: nothing is sent.
        networks: Networks that may be called although they are not public, separated by commas.
        allow_http: Whether messages may go without TLS.
        timeout_s: Longest time for a message and its answer.
        resolve: Returns the addresses of a host and port.
        tls: Whom to trust; by default whom the system trusts.

    Raises:
        ValueError: if a host or a network is none.
    """

    def __init__(
        self,
        hosts: str,
        networks: str,
        *,
        allow_http: bool,
        timeout_s: float,
        resolve: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._hosts = tuple(map(HostPattern.parse, _listed(hosts)))
        self._networks: tuple[Network, ...] = tuple(map(ip_network, _listed(networks)))
        self._schemes = ("https", "http") if allow_http else ("https",)
        self._timeout_s = timeout_s
        self._resolve = resolve
        # Made once: it reads the system's certificates.
        self._tls = tls or ssl.create_default_context()

    def fault_of(self, url: str) -> Message | None:
        """Return what a URL must be instead, ``None`` if messages may go there."""
        target = target_of(url)
        if target is None or target.scheme not in self._schemes:
            return Message(
                f"an {' or '.join(self._schemes)} address without user and fragment",
                f"{' 或 '.join(self._schemes)} 地址，不含用户与片段",
            )
        if not self._hosts:
            return Message(
                "of a host that the operator allows; none is", "运营方允许的主机；目前一个也没有"
            )
        if not self._allows(target):
            named = ", ".join(
                one.name if one.port == 443 else f"{one.name}:{one.port or '*'}"
                for one in self._hosts
            )
            return Message(
                f"of a host that the operator allows: {named}", f"运营方允许的主机：{named}"
            )
        return None

    @asynccontextmanager
    async def to(self, url: str) -> AsyncIterator[_Line]:
        """Yield a line to an endpoint."""
        async with httpx.AsyncClient(
            verify=self._tls,
            # No proxy and no credentials of the machine's.
            trust_env=False,
            follow_redirects=False,
            timeout=self._timeout_s,
            limits=httpx.Limits(max_connections=1),
        ) as http:
            yield _Line(self, http, url)

    async def address_of(self, url: str) -> tuple[Target, str]:
        """Return where a URL leads, with the address to connect to.

        Raises:
            _NotThereError: if messages do not go there.
        """
        target = target_of(url)
        if target is None or target.scheme not in self._schemes or not self._allows(target):
            # It was allowed when it was registered.
            raise _NotThereError(error="host_forbidden")
        try:
            found = await self._resolve(target.host, target.port)
        except OSError as error:
            raise _NotThereError(error="host_unknown") from error
        if not found:
            raise _NotThereError(error="host_unknown")
        # One that may not be called is no mistake of a name's owner.
        if not all(is_open(address, self._networks) for address in found):
            raise _NotThereError(error="address_forbidden")
        return target, found[0]

    def _allows(self, target: Target) -> bool:
        return any(one.allows(target) for one in self._hosts)

    @property
    def timeout_s(self) -> float:
        """Return the longest time for a message and its answer."""
        return self._timeout_s


class _Line:
    """A line to one endpoint; connected with the first message."""

    def __init__(self, sender: HttpSender, http: httpx.AsyncClient, url: str) -> None:
        self._sender = sender
        self._http = http
        self._url = url
        self._to: tuple[Target, str] | None = None

    async def send(self, message: Outgoing, secrets: Sequence[bytes]) -> Answer:
        """Send a message once; what goes wrong is told, never raised."""
        began = time.monotonic()
        status: int | None = None
        wait_s = 0
        error: AttemptError | None
        try:
            async with asyncio.timeout(self._sender.timeout_s):
                status, wait_s = await self._post(message, secrets)
        except (TimeoutError, httpx.TimeoutException):
            error = "timeout"
        except _NotThereError as refused:
            error = refused.error
        except httpx.ConnectError as lost:
            error = "tls" if _is_tls(lost) else "connect"
        except (httpx.HTTPError, httpx.InvalidURL):
            error = "protocol"
        else:
            error = _error_of(status)
        duration_ms = int((time.monotonic() - began) * 1000)
        return Answer(error is None, status, error, duration_ms, wait_s)

    async def _post(self, message: Outgoing, secrets: Sequence[bytes]) -> tuple[int, int]:
        if self._to is None:
            self._to = await self._sender.address_of(self._url)
        target, address = self._to
        url = httpx.URL(self._url)
        now_s = int(time.time())
        headers = {
            "Host": url.netloc.decode("ascii"),
            "Content-Type": "application/json",
            "User-Agent": _AGENT,
            "webhook-id": message.message_id,
            "webhook-timestamp": str(now_s),
            "webhook-signature": signature(secrets, message.message_id, now_s, message.body),
        }
        async with self._http.stream(
            "POST",
            url.copy_with(host=address),
            content=message.body,
            headers=headers,
            # The certificate must be the name's, whatever the address.
            extensions={"sni_hostname": target.host},
        ) as response:
            size = 0
            async for chunk in response.aiter_raw():
                size += len(chunk)
                if size > _ANSWER_BYTES_MAX:
                    break
            return response.status_code, _wait_s(response)


def _wait_s(response: httpx.Response) -> int:
    text = response.headers.get("retry-after", "")
    if response.status_code not in _WAITING or not (text.isascii() and text.isdigit()):
        return 0
    return min(int(text[:9]), _WAIT_S_MAX)


def _error_of(status: int) -> AttemptError | None:
    if httpx.codes.is_success(status):
        return None
    return "redirect" if httpx.codes.is_redirect(status) else "status"


def _is_tls(error: BaseException | None) -> bool:
    # httpx wraps what httpcore raised, which wraps what the TLS layer did.
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
