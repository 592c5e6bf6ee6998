"""Terms of orders from flags and from files, as the API takes them."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar, cast

from suanli.cli import files
from suanli.cli.errors import UsageProblem, readable
from suanli.cli.units import iso, micro_of_yuan, parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

Json = dict[str, Any]
_Terms = TypeVar("_Terms", bound="Json | list[Json]")

_YUAN_SUFFIX = "_yuan"
_PRICED = ("ask", "limit", "budget", "mobilisation_price")
_INSTANTS = frozenset({"start", "end", "earliest", "deadline", "expires_at"})
_ABSENT = ("absent", "缺失")


def load(path: Path, model: Any = None) -> Json | list[Json]:  # noqa: ANN401 - a type
    """Return the terms in a file, one order or a list.

    Amounts are micro-yuan, as in the API (``ask: 9500000``), or yuan under a name with ``_yuan``
    (``ask_yuan: 9.50``), which become micro-yuan exactly.

    Args:
        path: JSON, or by the end of its name YAML (``.yaml``, ``.yml``), CSV (``.csv``) or JSON
            line by line (``.ndjson``, ``.jsonl``).
        model: Type of `suanli.models` that each order of a list must fit.

    Raises:
        UsageProblem: if it cannot be read, or holds something else; of a list, with every fault
            of every row.
    """
    found, wrong = _load(path)
    if model is not None and isinstance(found, list):
        files.check(found, model, wrong)
    else:
        files.refuse(wrong)
    return found


def load_many(path: Path) -> tuple[list[Json], list[UsageProblem]]:
    """Return the orders of a file, one or a list, and its wrong amounts, for `files.check`.

    Raises:
        UsageProblem: if it cannot be read.
    """
    found, wrong = _load(path)
    return (found if isinstance(found, list) else [found]), wrong


def timed(found: _Terms, instant: Callable[[str, str], str]) -> _Terms:
    """Return the terms of a file with what counts from now, such as ``+2h``, as instants.

    Args:
        found: One order's, or a list.
        instant: As `Session.instant`.

    Raises:
        UsageProblem: if one counts in another way than ``+3h`` or ``+1d``.
    """
    rows = cast("list[Json]", found if isinstance(found, list) else [found])
    for index, order in enumerate(rows):
        for name in _INSTANTS & order.keys():
            if str(order[name]).startswith("+"):
                field = f"items.{index}.{name}" if rows is found else name
                order[name] = instant(field, str(order[name]))
    return found


def _load(path: Path) -> tuple[Json | list[Json], list[UsageProblem]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem("--file", str(path), readable(error)) from error
    if path.suffix.lower() in {".yaml", ".yml"}:
        found = _load_yaml(path, text)
    elif path.suffix.lower() == ".csv":
        found = files.rows_of_csv(text)
    elif path.suffix.lower() in {".ndjson", ".jsonl"}:
        found = files.rows_of_lines(text)
    else:
        try:
            found = json.loads(text, parse_float=Decimal)
        except ValueError as error:
            raise UsageProblem("--file", str(path), readable(error)) from error
    wrong: list[UsageProblem] = []
    if isinstance(found, dict):
        return _exact(found, "", wrong), wrong
    if isinstance(found, list) and found and all(isinstance(item, dict) for item in found):
        rows = [_exact(item, f"items.{index}", wrong) for index, item in enumerate(found)]
        return rows, wrong
    raise UsageProblem(
        "--file",
        f"{path}: {type(found).__name__}",
        ("terms of an order, or a list of them", "一个订单的条款,或其列表"),
    )


def _load_yaml(path: Path, text: str) -> object:
    try:
        import yaml
    except ImportError as error:
        raise UsageProblem(
            "--file",
            str(path),
            ("JSON, or PyYAML installed", "JSON 文件,或先安装 PyYAML"),
        ) from error

    class Loader(yaml.SafeLoader):
        """Keeps instants as text and decimals exact."""

    Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: str(node.value))
    Loader.add_constructor("tag:yaml.org,2002:float", lambda _, node: Decimal(node.value))
    try:
        return yaml.load(text, Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ArithmeticError) as error:
        raise UsageProblem("--file", str(path), readable(error)) from error


def _exact(value: Json, path: str, wrong: list[UsageProblem]) -> Json:
    found: Json = {}
    for name, item in value.items():
        where = f"{path}.{name}" if path else str(name)
        base = str(name).removesuffix(_YUAN_SUFFIX)
        if base not in _PRICED or base == name:
            found[str(name)] = _exact_item(item, where, wrong)
        elif base in value:
            left_out = (f"left out, since {base} is given", f"去掉:已有 {base}")
            wrong.append(UsageProblem(where, str(item), left_out))
        else:
            try:
                found[base] = micro_of_yuan(where, _number_text(item))
            except UsageProblem as problem:
                wrong.append(problem)
                # Something of the right kind, so that it is not called missing as well.
                found[base] = 0
    return found


def _number_text(item: object) -> str:
    # Written out, since Decimal prints 0.0000001 with an exponent.
    return f"{item:f}" if isinstance(item, Decimal) else str(item)


def _exact_item(item: object, where: str, wrong: list[UsageProblem]) -> object:
    if isinstance(item, dict):
        return _exact(item, where, wrong)
    if isinstance(item, list):
        return [_exact_item(part, f"{where}.{index}", wrong) for index, part in enumerate(item)]
    # Any other number with a point is refused by the exchange, which must see it to say so.
    return float(item) if isinstance(item, Decimal) else item


def given(**values: object) -> Json:
    """Return the terms that were stated: what is ``None``, empty or unset is left out."""
    return {name: value for name, value in values.items() if value not in (None, [], ())}


def split_pool(pool: str | None, zone: str | None, chip: str | None) -> tuple[str, str]:
    """Return zone and chip class of ``--pool zone/chip`` or ``--zone`` with ``--chip``.

    Raises:
        UsageProblem: if neither is given, or the pool has no slash.
    """
    if pool is not None:
        first, slash, second = pool.partition("/")
        if not (first and slash and second):
            raise UsageProblem(
                "--pool",
                pool,
                ("zone/chip, such as bj-haidian/ascend-910b", "形如 bj-haidian/ascend-910b"),
            )
        return first, second
    need("--pool", zone and chip)
    return str(zone), str(chip)


def need(field: str, value: object) -> None:
    """Insist on an option.

    Raises:
        UsageProblem: if it is missing.
    """
    if value in (None, "", [], ()):
        raise UsageProblem(field, _ABSENT[0], ("given, or --file FILE", "给出,或使用 --file 文件"))


def need_each(**values: object) -> None:
    """Insist on options by their names.

    Raises:
        UsageProblem: if one is missing.
    """
    for name, value in values.items():
        need(f"--{name}", value)


def resold(allocation: Json, now: datetime) -> Json:
    """Return the terms of an offer of what an allocation gave in hours that are to come."""
    periods = [item for item in allocation["periods"] if parse(item["start"]) > now]
    periods = periods or allocation["periods"]
    zone, _, chip = allocation["pool"].partition("/")
    return {
        "zone": zone,
        "chip": chip,
        "chips": min(item["chips"] for item in periods),
        "start": periods[0]["start"],
        "end": iso(parse(periods[-1]["start"]) + timedelta(hours=1)),
        "resale_of": allocation["allocation_id"],
    }


def amended_offer(terms: Json, changes: Json) -> Json:
    """Return an offer's terms with changes."""
    return {**terms, **changes}


def amended_demand(terms: Json, changes: Json, shape: Json, alternative: Json) -> Json:
    """Return a demand's terms with changes to itself, its shape and its one alternative.

    Raises:
        UsageProblem: if an alternative is to be changed and there are several.
    """
    alternatives = list(terms["alternatives"])
    if alternative:
        if len(alternatives) > 1:
            raise UsageProblem(
                "--" + next(iter(alternative)).replace("_", "-"),
                f"{len(alternatives)} alternatives",
                (
                    "used on a demand with one alternative; for this one use --file",
                    "仅用于只有一个备选的需求;此需求请使用 --file",
                ),
            )
        alternatives = [{**alternatives[0], **alternative}]
    changed = {**terms, **changes, "alternatives": alternatives}
    changed["shape"] = {**terms["shape"], **shape}
    return changed
