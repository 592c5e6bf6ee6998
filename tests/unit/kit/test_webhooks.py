"""Signatures against the specification's vector, and whom the exchange calls and whom never."""

from __future__ import annotations

import base64
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.webhooks import (
    RETRY_S_MAX,
    HostPattern,
    Target,
    is_open,
    retry_s,
    secret_text,
    signature,
    target_of,
)
from suanli import webhooks as client

# The example that libraries of Standard Webhooks test themselves with.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE_ID, SENT_S = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330
BODY = b'{"test": 2432232314}'
SIGNED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
KEY = base64.b64decode(SECRET.removeprefix("whsec_"))
HEADERS = {
    "Webhook-Id": MESSAGE_ID,
    "webhook-timestamp": str(SENT_S),
    "WEBHOOK-SIGNATURE": SIGNED,
}


def test_signatures_are_those_of_the_specification() -> None:
    assert secret_text(KEY) == SECRET
    assert signature([KEY], MESSAGE_ID, SENT_S, BODY) == SIGNED
    both = signature([b"another secret of its own", KEY], MESSAGE_ID, SENT_S, BODY)
    assert (len(both.split(" ")), both.split(" ")[1]) == (2, SIGNED)
    for signed in (SIGNED, both, f"v1a,AAAA {SIGNED}", f"v1,AAAA {SIGNED}"):
        headers = HEADERS | {"WEBHOOK-SIGNATURE": signed}
        message: object = client.verify(SECRET, headers, BODY, now_s=SENT_S + 299)
        assert message == {"test": 2_432_232_314}


@pytest.mark.parametrize(
    ("changes", "body", "now_s", "named"),
    [
        ({}, BODY + b" ", SENT_S, "webhook-signature"),
        ({"Webhook-Id": "msg_other"}, BODY, SENT_S, "webhook-signature"),
        ({"webhook-timestamp": str(SENT_S + 1)}, BODY, SENT_S, "webhook-signature"),
        ({"WEBHOOK-SIGNATURE": SIGNED.replace("v1,", "v2,")}, BODY, SENT_S, "webhook-signature"),
        ({"WEBHOOK-SIGNATURE": "v1,é"}, BODY, SENT_S, "webhook-signature"),
        ({"WEBHOOK-SIGNATURE": ""}, BODY, SENT_S, "webhook-signature"),
        ({}, BODY, SENT_S + 301, "webhook-timestamp"),
        ({}, BODY, SENT_S - 301, "webhook-timestamp"),
        ({"webhook-timestamp": "1e9"}, BODY, SENT_S, "webhook-timestamp"),
    ],
)
def test_a_message_that_is_changed_foreign_or_old_is_not_trusted(
    changes: dict[str, str], body: bytes, now_s: int, named: str
) -> None:
    with pytest.raises(client.WebhookError, match=f"^{named}: must be .*was"):
        client.verify(SECRET, HEADERS | changes, body, now_s=now_s)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://Hooks.Lab.example/a?b=c", Target("https", "hooks.lab.example", 443)),
        ("http://10.0.0.1:8080/", Target("http", "10.0.0.1", 8080)),
        ("https://[2001:db8::1]:8443", Target("https", "2001:db8::1", 8443)),
        ("https://hooks.lab.example.", Target("https", "hooks.lab.example", 443)),
        ("ftp://hooks.lab.example", None),
        ("https://user@hooks.lab.example", None),
        ("https://hooks.lab.example#a", None),
        ("https://hooks.lab.example:0", None),
        ("https://hooks.lab.example:99999", None),
        ("https://hooks.lab.example\\@evil.example", None),
        ("https://hooks.lab.example\n", None),
        ("https://[fe80::1%25eth0]/", None),
        ("https:///a", None),
        ("https://钩.example", None),
        ("hooks.lab.example", None),
    ],
)
def test_a_url_leads_to_a_host_and_port_or_is_none(url: str, target: Target | None) -> None:
    assert target_of(url) == target


@pytest.mark.parametrize(
    ("pattern", "url", "allowed"),
    [
        ("hooks.lab.example", "https://hooks.lab.example/x", True),
        ("HOOKS.lab.example", "https://hooks.lab.example:443/x", True),
        ("hooks.lab.example", "https://hooks.lab.example:8443/x", False),
        ("hooks.lab.example:*", "https://hooks.lab.example:8443/x", True),
        ("*.lab.example", "https://a.b.lab.example/", True),
        ("*.lab.example", "https://lab.example/", False),
        ("*.lab.example", "https://evil-lab.example/", False),
        ("hooks.lab.example", "https://hooks.lab.example.evil.example/", False),
        ("10.0.0.1:80", "http://10.0.0.1/", True),
        ("[2001:db8::1]", "https://[2001:db8::1]/", True),
        ("[2001:db8::1]:8443", "https://[2001:db8::1]:8443/", True),
    ],
)
def test_a_pattern_allows_its_host_and_port_alone(pattern: str, url: str, allowed: bool) -> None:
    target = target_of(url)
    assert target is not None
    assert HostPattern.parse(pattern).allows(target) is allowed


@pytest.mark.parametrize("text", ["", "*", "*.", "a*b.example", "a.example:x", "https://a/", "a:0"])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="was"):
        HostPattern.parse(text)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "0.0.0.1"),
        *("100.64.0.1", "192.0.2.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "198.18.0.1"),
        *("::1", "::", "fe80::1", "fc00::1", "ff02::1", "2001:db8::1"),
        *("::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "2002:7f00:1::1"),
    ],
)
def test_addresses_that_are_not_of_the_public_internet_are_never_called(address: str) -> None:
    assert not is_open(address, ())


def test_public_addresses_may_be_called_and_a_network_that_is_named() -> None:
    for address in ("93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"):
        assert is_open(address, ())
    own = [ipaddress.ip_network("10.20.0.0/16"), ipaddress.ip_network("fd00:1::/32")]
    assert is_open("10.20.3.4", own)
    assert is_open("::ffff:10.20.3.4", own)
    assert is_open("fd00:1::5", own)
    assert not is_open("10.21.0.1", own)
    assert not is_open("fd00:2::5", own)


@given(st.integers(1, 10_000), st.floats(0.01, 3600), st.floats(0, 1))
def test_waits_double_up_to_an_hour_and_half_of_each_is_by_chance(
    failures: int, first_s: float, jitter: float
) -> None:
    wait_s = retry_s(failures, first_s, jitter)
    whole = retry_s(failures, first_s, 1.0)
    assert whole / 2 <= wait_s <= whole <= RETRY_S_MAX
    assert retry_s(failures + 1, first_s, 1.0) == pytest.approx(min(RETRY_S_MAX, 2 * whole))
