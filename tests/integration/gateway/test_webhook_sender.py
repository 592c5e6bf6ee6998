"""Where messages go: to the address that was checked, under the name's certificate."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.gateway.adapters.webhook_sender import HttpSender
from services.gateway.webhook_ports import Answer, Outgoing
from tests.integration.gateway.receiving import receiving

MESSAGE = Outgoing("msg_00000000-1", "orders.status", 1, b'{"type":"x"}')
SECRETS = [b"0123456789abcdef01234567"]


def sender(addresses: Sequence[str] | Exception, **changes: object) -> HttpSender:
    async def resolve(host: str, port: int) -> Sequence[str]:
        assert (host, port) != ("", 0)
        if isinstance(addresses, Exception):
            raise addresses
        return addresses

    settings: dict[str, object] = {
        "hosts": "*.lab.example:*, 127.0.0.1:*",
        "networks": "127.0.0.1/32",
        "allow_http": True,
        "timeout_s": 5.0,
    }
    return HttpSender(**(settings | changes), resolve=resolve)  # type: ignore[arg-type]


async def sent(by: HttpSender, url: str) -> Answer:
    async with by.to(url) as line:
        return await line.send(MESSAGE, SECRETS)


async def test_a_name_that_leads_inside_is_not_called_even_if_it_led_outside_before() -> None:
    async with receiving() as receiver:
        url = receiver.url(host="hooks.lab.example")
        found = ["127.0.0.1"]
        by = sender(found)
        async with by.to(url) as line:
            assert (await line.send(MESSAGE, SECRETS)).is_taken
            # It leads elsewhere now; the line stays with what was checked.
            found[:] = ["10.0.0.1"]
            assert (await line.send(MESSAGE, SECRETS)).is_taken
        assert receiver.taken[0][0]["host"] == f"hooks.lab.example:{receiver.port}"
        for addresses in (
            ["10.0.0.1"],
            ["169.254.169.254"],
            ["::1"],
            ["::ffff:127.0.0.2"],
            # One that is fine does not make up for one that is not.
            ["127.0.0.1", "10.0.0.1"],
        ):
            assert (await sent(sender(addresses), url)).error == "address_forbidden"
        assert (await sent(sender([]), url)).error == "host_unknown"
        assert (await sent(sender(OSError("no such name")), url)).error == "host_unknown"
        # The operator changed its mind after it was registered.
        for other in ({"hosts": ""}, {"hosts": "lab.example"}, {"allow_http": False}):
            assert (await sent(sender(["127.0.0.1"], **other), url)).error == "host_forbidden"
        assert len(receiver.got) == 2


async def test_redirects_silence_and_refused_connections_are_told_apart() -> None:
    async with receiving() as receiver:
        receiver.answers.extend([302, 307, 404, "hang"])
        by = sender(["127.0.0.1"], timeout_s=1.0)
        found = [await sent(by, receiver.url()) for _ in range(4)]
        assert [one.error for one in found] == ["redirect", "redirect", "status", "timeout"]
        assert [one.status for one in found] == [302, 307, 404, None]
        # Nobody followed the redirects.
        assert len(receiver.got) == 4
        port = receiver.port
    assert (await sent(by, f"http://127.0.0.1:{port}/")).error == "connect"


def certified(folder: Path, *names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return what a server of these names shows, and what trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    alternatives: list[x509.GeneralName] = [x509.DNSName(one) for one in names]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    pem = serialization.Encoding.PEM
    file.write_bytes(
        certificate.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    trusting = ssl.create_default_context(cadata=certificate.public_bytes(pem).decode())
    return server, trusting


async def test_the_certificate_must_be_the_names_though_the_address_is_called(
    tmp_path: Path,
) -> None:
    server, trusting = certified(tmp_path, "hooks.lab.example")
    async with receiving(server) as receiver:
        named, other = (
            receiver.url(host=f"{host}.lab.example", scheme="https") for host in ("hooks", "other")
        )
        by = sender(["127.0.0.1"], tls=trusting)
        assert (await sent(by, named)).is_taken
        assert (await sent(by, other)).error == "tls"
        # The system does not know who signed it.
        assert (await sent(sender(["127.0.0.1"]), named)).error == "tls"
        assert len(receiver.got) == 1


def test_a_wrong_host_or_network_in_the_settings_is_named() -> None:
    for changes in ({"hosts": "a*.example"}, {"networks": "10.0.0.0/99"}):
        with pytest.raises(ValueError, match=r"10\.0\.0\.0/99|a\*\.example"):
            sender(["127.0.0.1"], **changes)
