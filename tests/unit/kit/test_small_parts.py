from __future__ import annotations

import json
import logging
import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from services.kit import errors
from services.kit.kafka import partition_of
from services.kit.log_options import client_options
from services.kit.logging import configure, get_logger
from services.kit.outbox import headers_from_json, headers_to_json
from services.kit.pgconnect import quote_schema
from services.kit.postgres import Queries
from services.kit.retry import retry
from services.kit.settings import KitSettings
from services.kit.telemetry import (
    Metrics,
    Trace,
    child_traceparent,
    make_traceparent,
    parse_traceparent,
)


@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.binary())))
def test_headers_come_back_from_json_byte_for_byte(pairs: list[tuple[str, bytes]]) -> None:
    text = headers_to_json(tuple(pairs))
    assert headers_from_json(text) == tuple(pairs)
    # jsonb refuses this escape.
    assert "\\u0000" not in text


def test_text_headers_stay_readable_in_the_outbox() -> None:
    assert headers_to_json((("ce_type", "上架".encode()),)) == '[["ce_type", "上架"]]'


@pytest.mark.parametrize(
    ("key", "partition"),
    # From Kafka's own clients: Utils.murmur2 of these strings, UtilsTest.testMurmur2.
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)],
)
def test_partition_of_agrees_with_kafka_s_java_client(key: bytes, partition: int) -> None:
    assert partition_of(key, 12) == (partition & 0x7FFFFFFF) % 12


def test_a_client_is_told_security_by_the_settings_and_plaintext_needs_nothing() -> None:
    assert "sasl_mechanism" not in client_options(KitSettings(_env_file=None))
    options = client_options(
        KitSettings(
            kafka_bootstrap="a:1,b:2",
            kafka_security="sasl_ssl",
            kafka_user="matching",
            kafka_password=SecretStr("hush"),
            _env_file=None,
        )
    )
    assert options["bootstrap_servers"] == ["a:1", "b:2"]
    assert options["security_protocol"] == "SASL_SSL"
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("matching", "hush")
    # A broker that cannot prove who it is gets no password.
    assert options["ssl_context"].check_hostname
    assert options["ssl_context"].verify_mode is ssl.CERT_REQUIRED


def test_queries_hold_the_blocks_of_all_files_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("-- a comment\n-- name: one\nSELECT 1;\n\n-- name: two\n2\n")
    (tmp_path / "b.sql").write_text("-- name: three\n-- why\nSELECT 3;\n")
    queries = Queries.load(tmp_path)
    assert queries.one == "SELECT 1;"
    assert queries["three"] == "-- why\nSELECT 3;"
    assert queries.names() == {"one", "two", "three"}
    with pytest.raises(AttributeError, match="four"):
        queries.four  # noqa: B018


def test_queries_refuse_a_name_that_occurs_twice(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("-- name: one\nSELECT 1;\n")
    (tmp_path / "b.sql").write_text("-- name: one\nSELECT 2;\n")
    with pytest.raises(AssertionError, match="one must be one statement"):
        Queries.load(tmp_path)


@pytest.mark.parametrize("name", ["", "Ledger", "a-b", 'a"; DROP', "1a", "a" * 64])
def test_a_schema_name_that_is_not_plain_is_refused(name: str) -> None:
    with pytest.raises(AssertionError):
        quote_schema(name)


async def test_retry_tries_again_on_named_errors_and_gives_up_after_the_last_attempt() -> None:
    calls = []

    async def fails() -> None:
        calls.append(1)
        raise OSError("down")

    with pytest.raises(OSError, match="down"):
        await retry(fails, on=(OSError,), attempts=3, base_ms=1)
    assert len(calls) == 3


async def test_retry_returns_the_first_answer_and_does_not_hide_other_errors() -> None:
    answers = [OSError("down"), 7]

    async def second_time() -> int:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        assert isinstance(answer, int)
        return answer

    async def broken() -> None:
        raise ValueError("a bug")

    assert await retry(second_time, on=(OSError,), base_ms=1) == 7
    with pytest.raises(ValueError, match="a bug"):
        await retry(broken, on=(OSError,), base_ms=1)


def test_a_child_trace_keeps_the_trace_and_gets_its_own_span() -> None:
    parent = make_traceparent()
    first, second = parse_traceparent(parent), parse_traceparent(child_traceparent(parent))
    assert first is not None
    assert second is not None
    assert first.trace_id == second.trace_id
    assert first.span_id != second.span_id
    assert parse_traceparent(first.header()) == first


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00-0-0-00",
        f"00-{'0' * 32}-{'1' * 16}-01",
        f"00-{'1' * 32}-{'0' * 16}-01",
        f"ff-{'1' * 32}-{'1' * 16}-01",
        f"00-{'A' * 32}-{'1' * 16}-01",
    ],
)
def test_a_bad_traceparent_starts_a_new_trace(text: str) -> None:
    assert parse_traceparent(text) is None
    assert parse_traceparent(child_traceparent(text)) is not None


def test_an_unsampled_trace_stays_unsampled() -> None:
    trace = Trace("1" * 32, "2" * 16, sampled=False)
    child = parse_traceparent(child_traceparent(trace.header()))
    assert child is not None
    assert child.sampled is False


def test_asking_twice_for_a_metric_gives_the_same_one() -> None:
    metrics = Metrics()
    metrics.counter("sent_total", "Sent", ("topic",)).labels("a").inc(2)
    metrics.counter("sent_total", "Sent", ("topic",)).labels("a").inc()
    _, body = metrics.render()
    assert 'suanli_sent_total{topic="a"} 3.0' in body.decode()


def test_a_json_log_line_carries_the_service_and_hides_secrets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        configure("ledger", KitSettings(log_format="json", _env_file=None))
        get_logger("x").info("已启动", postgres_dsn="postgresql://u:p@h/d", port=1)
        logging.getLogger("some.library").warning("from %s", "outside")
        get_logger("x").debug("not shown")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    ours, theirs = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert ours["event"] == "已启动"
    assert ours["service"] == theirs["service"] == "ledger"
    assert ours["postgres_dsn"] == "***"
    assert ours["timestamp"].endswith("Z")
    assert (theirs["event"], theirs["level"]) == ("from outside", "warning")


@pytest.mark.parametrize(
    "error",
    [
        errors.StaleWriterError("position of a/0", "7", "5"),
        errors.LogGapError("a", 0, 5, "7..9"),
        errors.LogUnavailableError("broker", "refused", 3),
        errors.SendUnknownError("a", "timeout"),
        errors.SendRefusedError("a", "too large"),
        errors.SettingsError((("SUANLI_X", "'1'", "2"),)),
    ],
    ids=lambda error: error.code,
)
def test_every_error_speaks_both_languages_and_says_what_was_found(
    error: errors.KitError,
) -> None:
    assert ", was " in error.message.en
    assert error.message.zh != error.message.en
    assert error.field
    assert error.code.startswith("kit.")
