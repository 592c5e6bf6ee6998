"""What the page about webhooks shows a receiver to do, run on messages true and changed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from suanli.webhooks import WebhookError
from tests.e2e import snippets

PAGE = "docs/reference/webhooks.md"
KEY = b"k" * 32
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
BODY = json.dumps({"type": "orders.status", "data": {"state": "open"}}).encode()
# The programs of the other pages are run by these.
RUN_ELSEWHERE = {
    "docs/guides/enterprise.md": "tests/e2e/test_sandbox.py",
    "docs/guides/high-volume.md": "tests/integration/gateway/test_direct_client.py",
    "docs/guides/provider.md": "tests/e2e/test_sandbox.py",
    "docs/reference/direct.md": "tests/contract/test_direct_format.py",
    "services/sdk/README.md": "tests/e2e/test_sandbox.py",
}


def request(signed: bytes, body: bytes) -> SimpleNamespace:
    """Return a request as frameworks give it: its signature is of one body, it has another."""
    sent = str(int(time.time()))
    mac = hmac.new(KEY, f"msg_1.{sent}.".encode() + signed, hashlib.sha256).digest()
    return SimpleNamespace(
        headers={
            "webhook-id": "msg_1",
            "webhook-timestamp": sent,
            "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
        },
        body=body,
    )


def received(signed: bytes, body: bytes) -> dict[str, Any]:
    """Run the page's program on a request; return its names."""
    (block,) = [one for one in snippets.blocks(PAGE) if one.kind == "python"]
    names: dict[str, Any] = {"request": request(signed, body)}
    text = block.text.replace("whsec_...", SECRET)
    exec(compile(text, PAGE, "exec"), names)  # noqa: S102 - our own page
    return names


def test_the_program_of_the_page_takes_a_message_that_the_exchange_signed() -> None:
    assert received(BODY, BODY)["message"]["data"] == {"state": "open"}


def test_the_program_of_the_page_takes_no_message_that_was_changed_on_its_way() -> None:
    with pytest.raises(WebhookError):
        received(BODY, BODY.replace(b"open", b"filled"))


def test_every_page_with_a_program_has_a_test_that_runs_it() -> None:
    pages = {
        str(path.relative_to(snippets.ROOT))
        for folder in ("docs", "services/sdk")
        for path in (snippets.ROOT / folder).rglob("*.md")
        if "```python" in path.read_text(encoding="utf-8")
    }
    assert pages == {PAGE, *RUN_ELSEWHERE}
    for page, test in RUN_ELSEWHERE.items():
        text = (snippets.ROOT / test).read_text(encoding="utf-8")
        assert Path(page).name in text or page in text, test
