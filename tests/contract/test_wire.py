"""The wire contract: generated files are fresh, every published version still decodes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import jsonschema
import pytest
import yaml
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st

from schemas import registry
from schemas.codec import DecodeError, decode, encode
from schemas.examples import examples
from schemas.generate import ROOT, VECTORS, generated_files, missing_vectors
from schemas.types import MESSAGE_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from schemas.codec import Headers
    from schemas.events import Event

VECTOR_FILES = sorted(VECTORS.glob("*.json"))
SAMPLES = {registry.BY_MODEL[type(event)].type: event for event in examples()}


def record_of(path: Path) -> tuple[bytes, Headers]:
    """Return value and headers of a golden vector."""
    vector = json.loads(path.read_text(encoding="utf-8"))
    headers = tuple((name, text.encode()) for name, text in vector["headers"].items())
    return vector["value"].encode(), headers


def sample() -> tuple[bytes, Headers]:
    """Return the golden vector of a submitted demand."""
    return record_of(VECTORS / "suanli.demand.submitted.v1.json")


def test_generated_files_are_fresh() -> None:
    stale = [
        path.name
        for path, text in (*generated_files(), *missing_vectors())
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    assert stale == [], "run `make gen` and commit what it writes"


def test_no_schema_or_vector_is_left_of_a_type_that_is_not_registered() -> None:
    formats = {path.stem for path, _ in generated_files()}
    assert {path.stem for path in (ROOT / "json").glob("*.json")} <= formats
    assert {path.stem for path in VECTOR_FILES} == set(registry.BY_TYPE)


@pytest.mark.parametrize("path", VECTOR_FILES, ids=lambda path: path.stem)
def test_every_version_ever_published_decodes_and_encodes_to_the_same_bytes(path: Path) -> None:
    value, headers = record_of(path)
    envelope = decode(value, headers)
    vector = json.loads(path.read_text(encoding="utf-8"))
    assert encode(envelope) == (vector["key"].encode(), value, headers)


@pytest.mark.parametrize("path", VECTOR_FILES, ids=lambda path: path.stem)
def test_every_vector_fits_its_committed_closed_schema(path: Path) -> None:
    schema = json.loads((ROOT / "json" / path.name).read_text(encoding="utf-8"))
    body = json.loads(record_of(path)[0])
    jsonschema.Draft202012Validator(schema).validate(body)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(body | {"surprise": 1})


def test_a_consumer_of_a_later_version_still_reads_the_old_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = registry.BY_TYPE["suanli.demand.submitted.v1"]
    later = replace(old, version=2)
    monkeypatch.setitem(registry.BY_TYPE, later.type, later)
    value, headers = sample()
    assert decode(value, headers).data == SAMPLES[old.type]
    newer = tuple(
        (name, later.type.encode() if name == "ce_type" else text) for name, text in headers
    )
    assert decode(value, newer).data == SAMPLES[old.type]


def test_the_cloudevents_library_reads_our_records() -> None:
    value, headers = sample()
    message = KafkaMessage(headers=dict(headers), key=b"jjj-spot", value=value)
    event = from_binary(message, JSONFormat())
    assert event.get_type() == "suanli.demand.submitted.v1"
    assert event.get_extension("participantid") == "exchange"
    assert event.get_data() == json.loads(value)


def _limits(schema: object, path: str = "") -> list[str]:
    """Return the paths of numbers, texts, lists and maps that have no upper bound."""
    if isinstance(schema, list):
        return [hit for item in schema for hit in _limits(item, path)]
    if not isinstance(schema, dict):
        return []
    bounded = {
        "integer": ("maximum",),
        "string": ("maxLength", "pattern", "enum", "const", "format"),
        "array": ("maxItems",),
        "object": ("additionalProperties", "maxProperties"),
    }
    kind = schema.get("type")
    kind = kind if isinstance(kind, str) else None  # a property may be called "type"
    own = [path] if kind in bounded and not any(key in schema for key in bounded[kind]) else []
    return own + [hit for key, item in schema.items() for hit in _limits(item, f"{path}/{key}")]


@pytest.mark.parametrize("row", registry.REGISTRY, ids=lambda row: row.type)
def test_every_field_of_every_event_has_a_limit(row: registry.EventType) -> None:
    schema = json.loads((ROOT / "json" / f"{row.type}.json").read_text(encoding="utf-8"))
    assert [hit for hit in _limits(schema) if "discriminator" not in hit] == []


def test_every_message_of_the_asyncapi_document_has_its_schema_file() -> None:
    document = yaml.safe_load((ROOT / "asyncapi.yaml").read_text(encoding="utf-8"))
    assert set(document["channels"]) == set(registry.TOPICS)
    for name, message in document["components"]["messages"].items():
        assert (ROOT / message["payload"]["schema"]["$ref"]).exists(), name


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        (lambda text: text[:-1], "not_json", "value"),
        (lambda _: "[1]", "invalid_body", "value"),
        (lambda text: text.replace('"chips":64', '"chips":"64"', 1), "invalid_body", "chips"),
        (lambda text: text.replace('"chips":64', '"chips":true', 1), "invalid_body", "chips"),
        (lambda text: text.replace('"chips":64', '"chips":1e99', 1), "invalid_body", "chips"),
        (lambda text: text.replace('"chips":64', '"chips":64,"x":1', 1), "invalid_body", "x"),
        (lambda text: text.replace("T08:00:00Z", "T08:30:00Z", 1), "invalid_body", "earliest"),
        (lambda text: text.replace("T08:00:00Z", "T08:00:00", 1), "invalid_body", "earliest"),
        (lambda _: "[" * 5000, "not_json", "value"),
        (lambda _: " " * MESSAGE_BYTES_MAX + "{", "too_large", "value"),
    ],
)
def test_a_bad_body_is_refused_with_field_value_and_what_is_allowed(
    change: Callable[[str], str], code: str, field: str
) -> None:
    value, headers = sample()
    with pytest.raises(DecodeError) as caught:
        decode(change(value.decode()).encode(), headers)
    assert caught.value.code == code
    assert field in caught.value.field
    assert caught.value.allowed
    assert caught.value.value


@pytest.mark.parametrize("name", ["ce_type", "ce_id", "ce_time", "ce_specversion"])
def test_a_record_without_an_attribute_is_refused_by_its_name(name: str) -> None:
    value, headers = sample()
    kept = tuple(item for item in headers if item[0] != name)
    with pytest.raises(DecodeError, match=name):
        decode(value, kept)


@pytest.mark.parametrize("name", ["ce_id", "ce_type", "ce_correlationid", "ce_\0"])
def test_an_attribute_that_postgres_cannot_hold_is_refused_in_words_that_it_can(name: str) -> None:
    value, headers = sample()
    kept = tuple(item for item in headers if item[0] != name)
    with pytest.raises(DecodeError) as caught:
        decode(value, (*kept, (name, b"a\0b")))
    error = caught.value
    assert "\0" not in f"{error}{error.field}{error.value}{error.allowed}"


def test_a_text_that_postgres_cannot_hold_is_refused() -> None:
    value, headers = record_of(VECTORS / "suanli.participant.registered.v1.json")
    body = json.loads(value) | {"name": "a\0b"}
    with pytest.raises(DecodeError, match="U\\+0000") as caught:
        decode(json.dumps(body).encode(), headers)
    assert caught.value.field == "name"


def test_an_unknown_type_is_refused() -> None:
    value, headers = sample()
    other = tuple((name, b"x.y.v9" if name == "ce_type" else text) for name, text in headers)
    with pytest.raises(DecodeError) as caught:
        decode(value, other)
    assert caught.value.code == "unknown_type"


@given(st.binary(max_size=300), st.dictionaries(st.text(max_size=20), st.binary(max_size=60)))
def test_random_bytes_never_raise_anything_but_a_decode_error(
    value: bytes, extra: dict[str, bytes]
) -> None:
    _, headers = sample()
    for attempt in (headers, tuple(extra.items()), headers + tuple(extra.items())):
        try:
            decode(value, attempt)
        except DecodeError as error:
            assert error.field  # noqa: PT017 - most inputs raise, and that is the point


def test_every_event_has_a_worked_example() -> None:
    assert set(SAMPLES) == set(registry.BY_TYPE)
    assert all(isinstance(event.model_dump(), dict) for event in SAMPLES.values())


def keys(event: Event) -> bytes:
    """Return the partition key of an event."""
    return registry.key_of(event)


def test_orders_of_a_market_share_its_partition_key() -> None:
    offers = keys(SAMPLES["suanli.offer.submitted.v1"])
    demand = keys(SAMPLES["suanli.demand.submitted.v1"])
    assert offers == demand == keys(SAMPLES["suanli.market.defined.v1"]) == b"jjj-spot"
