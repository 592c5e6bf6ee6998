"""Write the generated files of the contract, or check that they are fresh.

``python -m schemas.generate`` writes ``schemas/json/``, ``schemas/asyncapi.yaml``,
``docs/reference/events.md`` and the golden vectors that are missing; with ``--check`` it
writes nothing and fails when a file differs. A vector that exists is never rewritten: it is
what consumers of that version were promised.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from schemas.codec import Envelope, encode
from schemas.examples import examples
from schemas.registry import BY_MODEL, REGISTRY, TOPICS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.events import Event
    from schemas.registry import EventType

ROOT = Path(__file__).resolve().parent
DOCS = ROOT.parent / "docs" / "reference" / "events.md"
VECTORS = ROOT / "vectors"
_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_INSTANT = datetime(2026, 11, 24, 7, 30, tzinfo=UTC)
_HEADERS = {
    "ce_specversion": "Always 1.0",
    "ce_id": "Unique per source; derived, so a repeat has the same id",
    "ce_type": "Event type with version",
    "ce_source": "/suanli/<service>",
    "ce_time": "When it happened, on the market's clock",
    "ce_recordedtime": "When it was written, on the wall clock",
    "ce_participantid": "Whose act it is",
    "ce_correlationid": "The whole story it belongs to",
    "ce_causationid": "The event that caused it (absent if a person did)",
    "ce_traceparent": "W3C trace context (absent if none)",
}


def vector_of(event: Event) -> dict[str, object]:
    """Return the golden vector of an event: key, headers and value as on the topic."""
    row = BY_MODEL[type(event)]
    key, value, headers = encode(
        Envelope(
            id=f"vector-{row.type}",
            source="/suanli/vectors",
            occurred_at=_INSTANT,
            recorded_at=_INSTANT,
            participant_id="exchange",
            correlation_id="vector",
            causation_id="vector-cause",
            traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            data=event,
        )
    )
    return {
        "topic": row.topic,
        "key": key.decode(),
        "headers": {name: text.decode() for name, text in headers},
        "value": value.decode(),
    }


def generated_files() -> Iterator[tuple[Path, str]]:
    """Yield each generated file and the text that it must hold."""
    for row in REGISTRY:
        yield ROOT / "json" / f"{row.type}.json", _json(_schema(row))
    for name, schema in _format_schemas():
        yield ROOT / "json" / f"{name}.json", _json(schema)
    yield ROOT / "asyncapi.yaml", _asyncapi()
    yield DOCS, _events_page()


def missing_vectors() -> Iterator[tuple[Path, str]]:
    """Yield each golden vector that has not been written yet, with its text."""
    for event in examples():
        path = VECTORS / f"{BY_MODEL[type(event)].type}.json"
        if not path.exists():
            yield path, _json(vector_of(event))


def main() -> int:
    """Write or check; return 1 if a check finds a stale file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if stale")
    check = parser.parse_args().check
    stale = [
        (path, text)
        for path, text in (*generated_files(), *missing_vectors())
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path, text in stale:
        name = path.relative_to(ROOT.parent)
        if check:
            sys.stderr.write(f"{name} is stale: run `make gen` and commit it\n")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {name}\n")
    return int(check and bool(stale))


def _schema(row: EventType) -> dict[str, object]:
    schema = row.model.model_json_schema(mode="validation")
    return {"$schema": _DRAFT, "$id": f"urn:{row.type.replace('.', ':')}", **schema}


def _format_schemas() -> Iterator[tuple[str, dict[str, object]]]:
    from schemas import formats  # noqa: PLC0415 - formats need no registry, only this writer

    for name, model in formats.FORMATS.items():
        schema = model.model_json_schema(mode="validation")
        yield name, {"$schema": _DRAFT, "$id": f"urn:{name.replace('.', ':')}", **schema}


def _asyncapi() -> str:
    messages = {
        row.type: {
            "name": row.type,
            "title": row.model.__name__,
            "summary": (row.model.__doc__ or "").strip().splitlines()[0],
            "contentType": "application/json",
            "headers": {"$ref": "#/components/schemas/CloudEventsHeaders"},
            "payload": {
                "schemaFormat": "application/schema+json;version=draft-2020-12",
                "schema": {"$ref": f"./json/{row.type}.json"},
            },
            "bindings": {"kafka": {"key": {"type": "string", "description": f"body.{row.key}"}}},
        }
        for row in REGISTRY
    }
    channels = {
        topic: {
            "address": topic,
            "description": purpose,
            "messages": {
                row.type: {"$ref": f"#/components/messages/{row.type}"}
                for row in REGISTRY
                if row.topic == topic
            },
        }
        for topic, purpose in TOPICS.items()
    }
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Suanli Exchange events",
            "version": "1.0.0",
            "description": "CloudEvents 1.0 in Kafka binary mode; closed JSON bodies.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": {
            f"publish-{topic}": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{topic}"},
                "summary": purpose,
            }
            for topic, purpose in TOPICS.items()
        },
        "components": {
            "messages": messages,
            "schemas": {
                "CloudEventsHeaders": {
                    "type": "object",
                    "properties": {
                        name: {"type": "string", "description": text}
                        for name, text in _HEADERS.items()
                    },
                    "required": ["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time"],
                }
            },
        },
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)


def _events_page() -> str:
    lines = [
        "# Events",
        "",
        "Generated from `schemas/registry.py` by `make gen`; do not edit.",
        "",
        "Every record is a CloudEvent 1.0 in Kafka binary mode: attributes in headers, the",
        "body alone in the value, as closed JSON of at most 64 KiB. The JSON Schemas are in",
        "`schemas/json/`, golden examples in `schemas/vectors/`, the AsyncAPI document in",
        "`schemas/asyncapi.yaml`.",
        "",
        "| header | meaning |",
        "| --- | --- |",
        *(f"| `{name}` | {text} |" for name, text in _HEADERS.items()),
        "",
    ]
    for topic, purpose in TOPICS.items():
        lines += [f"## `{topic}`", "", f"{purpose}.", ""]
        rows = [row for row in REGISTRY if row.topic == topic]
        if not rows:
            lines += [
                "Values are the refused bytes as they came; `dlq_*` headers say where they came",
                "from, which field was wrong, what it held and what is allowed. `dlq_consumer`",
                "is who refused it: `matching` what is no event on `offers`, `demand`, `policies`",
                "and `holds`, for all that read them; `ledger` what is no event on its other",
                "topics, or cannot be booked; `gateway` what is no signed record on",
                "`offers.direct` and `demand.direct`.",
                "",
            ]
            continue
        lines += ["| type | key | meaning |", "| --- | --- | --- |"]
        for row in rows:
            meaning = (row.model.__doc__ or "").strip().splitlines()[0]
            lines.append(f"| `{row.type}` | `{row.key}` | {meaning} |")
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"


def _json(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    sys.exit(main())
