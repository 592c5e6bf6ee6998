"""The AsyncAPI document is one, by the specification's own schema, and leads to what it names."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from schemas.generate import ROOT
from schemas.registry import REGISTRY

HERE = Path(__file__).parent
SCHEMA = HERE / "asyncapi-3.0.0.json"


def document() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "asyncapi.yaml").read_text(encoding="utf-8"))
    return found


def validator() -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def references(part: object) -> list[str]:
    if isinstance(part, list):
        return [found for item in part for found in references(item)]
    if not isinstance(part, dict):
        return []
    own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
    return own + [found for item in part.values() for found in references(item)]


def test_the_document_fits_the_schema_of_asyncapi() -> None:
    validator().validate(document())


def test_the_schema_of_asyncapi_is_the_one_that_its_page_names() -> None:
    page = (HERE / "asyncapi-3.0.0.md").read_text(encoding="utf-8")
    assert hashlib.sha256(SCHEMA.read_bytes()).hexdigest() in page


def test_a_document_with_an_unknown_action_does_not_fit() -> None:
    spoilt = document()
    next(iter(spoilt["operations"].values()))["action"] = "shout"
    with pytest.raises(jsonschema.ValidationError):
        validator().validate(spoilt)


def test_every_reference_leads_somewhere_and_every_event_is_on_a_channel() -> None:
    whole = document()
    for found in references(whole):
        if not found.startswith("#"):
            assert (ROOT / found).is_file(), found
            continue
        part: Any = whole
        for key in found.removeprefix("#/").split("/"):
            part = part[key]
    told = {name for channel in whole["channels"].values() for name in channel["messages"]}
    assert told == {row.type for row in REGISTRY}
