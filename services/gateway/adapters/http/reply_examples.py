"""Examples of replies for the description of the API, by the operation or by the model.

`reply_examples.json` holds one of each model, most as an exchange gave it, with lists cut short and
secrets replaced; a test holds each against its schema.
"""

import json
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_suffix(".json")
_PAGE = "Page_"
_RECEIPT = {"$ref": "#/components/schemas/Receipt"}


def add_examples(described: dict[str, Any]) -> None:
    """Put an example to each reply of an OpenAPI description, where one is known."""
    known: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    for item in described["paths"].values():
        for operation in item.values():
            for status, reply in operation["responses"].items():
                for content in reply.get("content", {}).values() if status[0] == "2" else ():
                    schema = content.get("schema")
                    found = _of(schema, known)
                    # A receipt tells another id of each intent, and a stream has no model.
                    if found is None or schema == _RECEIPT:
                        found = known.get(operation["operationId"], found)
                    if found is not None:
                        content["example"] = found


def _of(schema: Any, known: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(schema, dict):
        return None
    if "items" in schema:
        inner = _of(schema["items"], known)
        return None if inner is None else [inner]
    name = schema.get("$ref", "").rpartition("/")[2]
    if name.startswith(_PAGE):
        inner = known.get(name.removeprefix(_PAGE).removesuffix("_"))
        return None if inner is None else {"items": [inner], "next_cursor": None}
    return known.get(name)
