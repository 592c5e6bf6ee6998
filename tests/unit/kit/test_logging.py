"""What must never reach a log, whatever goes wrong."""

from __future__ import annotations

import logging
from typing import Literal

import pytest

from services.kit.logging import configure, get_logger
from services.kit.settings import KitSettings


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_logged_exception_shows_no_local_variable(
    log_format: Literal["json", "console"], capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        configure("gateway", KitSettings(log_format=log_format, _env_file=None))
        try:
            _refuse("sk_" + "7" * 52)
        except ValueError:
            get_logger("x").exception("refused")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    said = capsys.readouterr().err
    assert "_refuse" in said
    assert "ValueError" in said
    assert "777" not in said


def _refuse(api_key: str) -> None:
    assert api_key
    raise ValueError("no such key")
