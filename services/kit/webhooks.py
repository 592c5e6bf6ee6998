"""What webhooks rest on: signatures, which addresses may be called, when to try again.

Signatures follow the Standard Webhooks specification, version 1 (symmetric), so that receivers
check them with any of its libraries.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SECRET_PREFIX = "whsec_"  # noqa: S105 - a prefix, no secret
_PORT_MAX = 65_535
_PORTS = {"https": 443, "http": 80}
# The waits double from the first one up to this.
RETRY_S_MAX = 3_600.0
# IPv4 inside IPv6, which a gateway on the way unwraps.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def secret_text(secret: bytes) -> str:
    """Return a secret as its owner keeps it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def signature(secrets: Iterable[bytes], message_id: str, timestamp_s: int, body: bytes) -> str:
    """Return the header ``webhook-signature``: one signature for each secret that counts."""
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    found = (hmac.new(secret, signed, hashlib.sha256).digest() for secret in secrets)
    return " ".join(f"v1,{base64.b64encode(one).decode()}" for one in found)


def retry_s(failures: int, first_s: float, jitter: float) -> float:
    """Return how long to wait after so many failures on end, in seconds.

    Args:
        failures: How many there were, at least 1.
        first_s: The wait after the first.
        jitter: From 0 to 1; half of the wait is by chance, so that what failed together does not
            come back together.
    """
    assert failures >= 1, f"failures must be at least 1, was {failures}"
    # Beyond so many doublings any first wait has reached the longest.
    whole = min(RETRY_S_MAX, first_s * 2.0 ** min(failures - 1, 40))
    return whole * (0.5 + 0.5 * jitter)


@dataclass(frozen=True, slots=True)
class Target:
    """Where messages go.

    Attributes:
        scheme: ``https`` or ``http``.
        host: Name or address, lower case, without brackets.
        port: Port.
    """

    scheme: str
    host: str
    port: int


def target_of(url: str) -> Target | None:
    """Return where a URL leads, ``None`` if it is none that messages are sent to.

    Names are in their ASCII form. User names, passwords and fragments are refused.
    """
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in _PORTS or not host or "@" in parts.netloc or "#" in url or "%" in host:
        return None
    if port is None:
        port = _PORTS[parts.scheme]
    return Target(parts.scheme, host, port) if 1 <= port <= _PORT_MAX else None


@dataclass(frozen=True, slots=True)
class HostPattern:
    """Hosts that messages may be sent to.

    Attributes:
        name: A host, or with a leading ``*.`` every host below it.
        port: The port; ``None`` is any.
    """

    name: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> HostPattern:
        """Return the pattern of ``host``, ``*.host``, ``host:port`` or ``host:*``.

        Without a port it is 443.

        Raises:
            ValueError: if it is none.
        """
        name, colon, port = text.strip().lower().rpartition(":")
        if not colon or name.endswith(":") or port.endswith("]"):
            name, port = text.strip().lower(), str(_PORTS["https"])
        name = name.removeprefix("[").removesuffix("]")
        is_port = port == "*" or (port.isdigit() and 1 <= int(port) <= _PORT_MAX)
        bare = name.removeprefix("*.")
        if not is_port or not bare or "*" in bare or "/" in bare or " " in bare:
            raise ValueError(f"host, *.host, host:port or host:*, was {text!r}")
        return cls(name, None if port == "*" else int(port))

    def allows(self, target: Target) -> bool:
        """Return whether messages may be sent to a target."""
        if self.port not in (None, target.port):
            return False
        if self.name.startswith("*."):
            return target.host.endswith(self.name[1:])
        return target.host == self.name


def is_open(address: str, also: Sequence[Network]) -> bool:
    """Return whether messages may be sent to an address.

    Only addresses of the public internet may be called, since others lead to what is near the
    exchange and trusts it.

    Args:
        address: IPv4 or IPv6.
        also: Networks that may be called although they are not public.
    """
    found = _unwrapped(ipaddress.ip_address(address))
    if any(found.version == network.version and found in network for network in also):
        return True
    return found.is_global and not found.is_multicast and not found.is_reserved


def _unwrapped(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.teredo is not None:
        # Whom the relay passes it on to.
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour or address
