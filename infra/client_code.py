"""The client's typed calls and models, written from the contract (`schemas/openapi.json`).

Replies are `TypedDict`s: they cost nothing to import, are what JSON gave, and a type checker knows
their fields. Each operation becomes a method of the same name, once as it is and once awaited.
"""

from __future__ import annotations

import builtins
import keyword
import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from infra.client_models import Models, is_instant, sentence

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Json = dict[str, Any]
HEAD = '"""{title}; generated from the contract by `make gen`."""\n\n'
_METHODS = ("get", "post", "put", "patch", "delete")
_KEY = "Idempotency-Key"
_DRY_RUN = "dry_run"
# What a dry run answers, beside the answer to what is done.
_TOLD = "200"
# A body of so many fields becomes parameters; a larger one is passed as it is.
_FIELDS_MAX = 4
_TEXT_MAX = 88
_PAGED = {"limit", "cursor"}
_PACKAGE = "services/sdk/src/suanli"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a method: its name, its type, where it goes on the wire."""

    name: str
    wire: str
    kind: str
    required: bool

    @property
    def declared(self) -> str:
        """The parameter as a method declares it."""
        if self.required:
            return f"{self.name}: {self.kind}"
        return f"{self.name}: {_optional(self.kind)} = None"


@dataclass(slots=True)
class Call:
    """One operation of the contract as a method."""

    name: str
    method: str
    path: str
    doc: str
    places: list[Parameter] = field(default_factory=list)
    query: list[Parameter] = field(default_factory=list)
    fields: list[Parameter] = field(default_factory=list)
    body: Parameter | None = None
    has_key: bool = False
    reply: str = "Any"
    rows_of: str | None = None
    is_stream: bool = False

    def signature(self) -> str:
        """Return the parameters in the order of a call: places, body, then what may be left out."""
        body = [self.body] if self.body else self.fields
        needed = [item.declared for item in [*self.places, *body] if item.required]
        asked = [item for item in self.query if item.name != "True"]
        rest = [item.declared for item in [*body, *asked] if not item.required]
        named = [item.declared for item in asked if item.required] + rest
        if self.has_key:
            named.append("key: str | None = None")
        return ", ".join(["self", *needed, *(["*", *named] if named else [])])

    def operation(self) -> str:
        """Return the expression of the `Operation` that the method sends."""
        parts = [f'"{self.method}"', _path(self.path, self.places)]
        if self.query:
            parts.append("params={" + _pairs(self.query) + "}")
        if self.body:
            parts.append(f"body={self.body.name}")
        elif self.fields:
            # What was left out is absent: null would be a value.
            needed = _pairs([item for item in self.fields if item.required])
            rest = _pairs([item for item in self.fields if not item.required])
            found = "{" + needed + (f", **given({{{rest}}})" if rest else "") + "}"
            parts.append("body=" + found.replace("{, ", "{"))
        if self.has_key:
            parts.append("idempotency_key=key or new_key()")
        return f"Operation({', '.join(parts)})"

    def code(self, *, awaited: bool) -> str:
        """Return the method's source."""
        if self.rows_of:
            kind = "AsyncRows" if awaited else "Rows"
            head = f"    def {self.name}({self.signature()}) -> {kind}[{self.rows_of}]:\n"
            return (
                head
                + self.doc
                + f'        return {kind}(self, {self.operation()}, "{self.rows_of}")\n'
            )
        if self.is_stream:
            kind = "AsyncIterator" if awaited else "Iterator"
            head = f"    def {self.name}({self.signature()}) -> {kind}[StreamEvent]:\n"
            return head + self.doc + f"        return self.events({self.operation()})\n"
        start, wait = ("async def", "await ") if awaited else ("def", "")
        head = f"    {start} {self.name}({self.signature()}) -> {self.reply}:\n"
        body = f"        reply: {self.reply} = {wait}self.send({self.operation()})\n"
        return head + self.doc + body + "        return reply\n"


def client_files(root: Path, document: Json) -> Iterator[tuple[Path, str]]:
    """Yield each generated file of the client and the text that it must hold."""
    models = Models(document["components"]["schemas"])
    groups: dict[str, list[Call]] = {}
    for path, operations in document["paths"].items():
        for method in _METHODS:
            if method in operations:
                tag = operations[method]["tags"][0]
                found = _calls(method.upper(), path, operations[method], models)
                groups.setdefault(tag, []).extend(found)
                models.assign(tag, operations[method])
    package = root / _PACKAGE
    texts = {package / "models" / f"{name}.py": text for name, text in models.modules().items()}
    for tag, calls in groups.items():
        for awaited in (False, True):
            name = f"async_{tag}" if awaited else tag
            texts[package / "api" / f"{name}.py"] = _module(tag, calls, models, awaited=awaited)
    texts[package / "api" / "__init__.py"] = _everything(list(groups))
    texts[package / "columns.py"] = models.columns()
    for path, text in texts.items():
        yield path, _formatted(text, path)


def _calls(method: str, path: str, operation: Json, models: Models) -> Iterator[Call]:
    """Yield the method of an operation, and a second one if it can be tried without effect."""
    wet = _call(method, path, operation, models)
    flag = next((item for item in wet.query if item.wire == _DRY_RUN), None)
    if flag is None:
        yield wet
        return
    wet.query.remove(flag)
    yield wet
    dry = _call(method, path, operation, models)
    dry.query = [replace(item, name="True") if item == flag else item for item in dry.query]
    dry.name += "_dry_run"
    told = operation["responses"].get(_TOLD, {}).get("content", {}).get("application/json")
    if told is not None:
        dry.reply = models.kind(told["schema"])
    dry.doc = f'        """Tell what `{wet.name}` would come to; nothing is done."""\n'
    yield dry


def _call(method: str, path: str, operation: Json, models: Models) -> Call:
    call = Call(operation["operationId"], method, path, _doc(operation))
    for item in operation.get("parameters", []):
        if item["in"] == "header":
            call.has_key = call.has_key or item["name"] == _KEY
            continue
        name = item["name"]
        kind = models.kind(item["schema"])
        if is_instant(item["schema"]):
            kind = _optional("str | datetime") if "None" in kind else "str | datetime"
        needed = item.get("required", False)
        found = Parameter(_python(name), name, kind, needed or item["in"] == "path")
        (call.places if item["in"] == "path" else call.query).append(found)
    _take_body(call, operation, models)
    _take_reply(call, operation, models)
    return call


def _take_body(call: Call, operation: Json, models: Models) -> None:
    if "requestBody" not in operation:
        return
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    target = models.schemas.get(schema.get("$ref", "").rpartition("/")[2], {})
    properties = target.get("properties", {})
    taken = {item.name for item in call.places}
    if properties and len(properties) <= _FIELDS_MAX and not taken & set(properties):
        needed = target.get("required", [])
        call.fields = [
            Parameter(_python(name), name, models.kind(item), name in needed)
            for name, item in properties.items()
        ]
        return
    call.body = Parameter("body", "body", models.kind(schema), required=True)


def _take_reply(call: Call, operation: Json, models: Models) -> None:
    # A part of a file (206) is no other answer than the file; a dry run has a method of its own.
    is_tried = any(item.wire == _DRY_RUN for item in call.query)
    (reply,) = (
        text
        for status, text in operation["responses"].items()
        if status[0] == "2" and status != "206" and not (is_tried and status == _TOLD)
    )
    content = reply.get("content", {})
    if "text/event-stream" in content:
        call.is_stream = True
    elif "application/json" in content:
        schema = content["application/json"].get("schema", {})
        call.rows_of = models.item_of_page(schema)
        call.reply = models.kind(schema) if schema and not call.rows_of else "dict[str, Any]"
        if call.rows_of:
            call.query = [item for item in call.query if item.wire not in _PAGED]
    else:
        call.reply = "str" if any(kind.startswith("text/") for kind in content) else "bytes"


def _doc(operation: Json) -> str:
    summary = operation.get("summary", "").rstrip(".")
    more = sentence(operation.get("description") or "")
    if summary.lower() == operation["operationId"].replace("_", " ") and more:
        # Made of the name, so it says nothing; the first sentence of the description does.
        first, _, rest = more.partition(". ")
        if len(first) <= _TEXT_MAX:
            summary, more = first.rstrip("."), rest
    if not more or more.rstrip(".") == summary:
        return f'        """{sentence(summary)}"""\n'
    lines = "\n".join(f"        {line}" for line in textwrap.wrap(more, _TEXT_MAX))
    return f'        """{sentence(summary)}\n\n{lines}\n        """\n'


def _module(tag: str, calls: list[Call], models: Models, *, awaited: bool) -> str:
    base, rows = ("AsyncCaller", "AsyncRows") if awaited else ("Caller", "Rows")
    text = "\n".join(call.code(awaited=awaited) for call in calls)
    code = re.sub(r'""".*?"""', "", text, flags=re.DOTALL)
    used = [name for name in models.schemas if re.search(rf"\b{name}\b", code)]
    tools = [name for name in ("given", "new_key", "place") if f"{name}(" in code]
    lines = [f"from suanli.calling import {base}"]
    lines.append(f"from suanli.operations import {', '.join(['Operation', *tools])}")
    if f"{rows}(" in code:
        lines.append(f"from suanli.rows import {rows}")
    hints = [f"from typing import {name}" for name in ("Any", "Literal") if f"{name}[" in code]
    hints += ["from typing import Any"] if re.search(r"\bAny\b", code) else []
    if "StreamEvent" in code:
        hints.append(f"from collections.abc import {'AsyncIterator' if awaited else 'Iterator'}")
        hints.append("from suanli.streams import StreamEvent")
    if "datetime" in code:
        hints.append("from datetime import datetime")
    if used:
        hints.append(f"from suanli.models import {', '.join(used)}")
    if hints:
        lines.insert(0, "from typing import TYPE_CHECKING")
        lines += ["if TYPE_CHECKING:", *(f"    {line}" for line in dict.fromkeys(hints))]
    title = f"Calls of {tag}{', awaited' if awaited else ''}"
    return (
        HEAD.format(title=title)
        + "from __future__ import annotations\n\n"
        + "\n".join(lines)
        + f"\n\n\nclass {_class(tag, awaited=awaited)}({base}):\n"
        + f'    """Calls of {tag}."""\n\n{text}'
    )


def _everything(tags: list[str]) -> str:
    lines = [
        HEAD.format(title="Every call of the exchange"),
        "from __future__ import annotations\n\n",
    ]
    for awaited in (False, True):
        for tag in tags:
            module = f"async_{tag}" if awaited else tag
            lines.append(f"from suanli.api.{module} import {_class(tag, awaited=awaited)}\n")
    for awaited in (False, True):
        classes = ", ".join(_class(tag, awaited=awaited) for tag in tags)
        name = "AsyncCalls" if awaited else "Calls"
        told = "awaited" if awaited else "as methods"
        lines.append(f'\n\nclass {name}({classes}):\n    """Every call, {told}."""\n')
    return "".join(lines)


def _class(tag: str, *, awaited: bool) -> str:
    name = "".join(part.title() for part in re.split(r"[^a-z0-9]+", tag)) + "Calls"
    return f"Async{name}" if awaited else name


def _path(path: str, places: list[Parameter]) -> str:
    if not places:
        return f'"{path}"'
    text = path
    for item in places:
        text = text.replace(f"{{{item.wire}}}", f"{{place({item.name})}}")
    return f'f"{text}"'


def _pairs(items: list[Parameter]) -> str:
    return ", ".join(f'"{item.wire}": {item.name}' for item in items)


def _python(name: str) -> str:
    plain = re.sub(r"\W", "_", name)
    return f"{plain}_" if keyword.iskeyword(plain) or hasattr(builtins, plain) else plain


def _optional(kind: str) -> str:
    return kind if kind.endswith("| None") or kind == "Any" else f"{kind} | None"


def _formatted(text: str, path: Path) -> str:
    """Return the text as the project's formatter leaves it, imports sorted."""
    for command in (["check", "--fix-only", "--select", "I", "--quiet"], ["format", "--quiet"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(path), "-"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        )
        text = done.stdout
    return text
