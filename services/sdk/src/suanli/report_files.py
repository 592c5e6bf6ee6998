"""Daily reports as files: signed JSON, CSV, Parquet and a page, and checking them again.

Standard library alone, but for Parquet (the extra ``parquet``). A page and a Parquet file carry the
signed JSON in themselves and are made from it alone, so a file is genuine if the signature fits
and making it again gives the same.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import json
import re
from pathlib import Path
from typing import Any, Final

from suanli.ed25519 import verify
from suanli.report_page import page

Json = dict[str, Any]

FORMAT: Final = "suanli.report.v1"
SUFFIXES: Final = (".json", ".csv", ".parquet", ".html")
_METADATA: Final = b"suanli.report"
_EMBEDDED: Final = re.compile(
    r'<html lang="(en|zh)">.*<script type="application/json" id="report">(.*?)</script>', re.DOTALL
)
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


class ReportError(ValueError):
    """A report's file is not in order; the text says why, in English and Chinese."""

    def __init__(self, en: str, zh: str) -> None:
        """Keep both sentences."""
        super().__init__(en)
        self.en = en
        self.zh = zh


def canonical(report: Json) -> bytes:
    """Return the bytes that a report's signature covers."""
    body = {name: value for name, value in report.items() if name != "signature"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def content(report: Json, suffix: str, lang: str = "en") -> bytes:
    """Return a report as the content of a file.

    Args:
        report: As the exchange gave it.
        suffix: One of `SUFFIXES`.
        lang: Language of a page, ``en`` or ``zh``.

    Raises:
        ReportError: if Parquet is wanted and pyarrow is not installed.
    """
    if suffix == ".json":
        return (json.dumps(report, ensure_ascii=False, indent=1) + "\n").encode()
    if suffix == ".csv":
        return _csv(report)
    if suffix == ".parquet":
        return _parquet(report)
    assert suffix == ".html", suffix
    return page(report, lang).encode()


def verify_file(path: Path, public_key: str) -> Json:
    """Return the report of a file that is genuine.

    Args:
        path: JSON, Parquet or page, by its suffix.
        public_key: Base64 of the 32 bytes that the exchange publishes at ``/v1/receipt-key``.

    Raises:
        ReportError: if the file is no report, was changed, or is signed by another key.
        OSError: if it cannot be read.
    """
    raw = path.read_bytes()
    suffix = path.suffix.lower()
    if suffix == ".html":
        text = raw.decode(errors="replace")
        found = _EMBEDDED.search(text)
        if found is None:
            raise ReportError("the page must carry its report, did not", "页面须内含报告数据")
        report = _loaded(found.group(2).replace("<\\/", "</"))
        _check_signature(report, public_key)
        if page(report, found.group(1)) != text:
            raise ReportError(
                "the page must be what its report makes, was changed",
                "页面与其内含报告不符,已被改动",
            )
        return report
    if suffix == ".parquet":
        report = _loaded(_parquet_report(raw))
        _check_signature(report, public_key)
        if _parquet_rows(raw) != [list(row) for row in report["rows"]]:
            raise ReportError(
                "the table must be that of its report, was changed", "表格与其内含报告不符,已被改动"
            )
        return report
    report = _loaded(raw.decode(errors="replace"))
    _check_signature(report, public_key)
    return report


def _loaded(text: str) -> Json:
    try:
        report = json.loads(text)
    except (ValueError, RecursionError):
        report = None
    if not isinstance(report, dict) or report.get("format") != FORMAT:
        raise ReportError(f"the file must be a {FORMAT}, was not", f"文件须为 {FORMAT} 报告")
    return report


def _check_signature(report: Json, public_key: str) -> None:
    signature = report.get("signature")
    if not isinstance(signature, dict):
        raise ReportError("the report must be signed, was not", "报告未签名")
    try:
        key = base64.b64decode(public_key, validate=True)
        value = base64.b64decode(str(signature.get("value")), validate=True)
        message = canonical(report)
    except (binascii.Error, UnicodeEncodeError, RecursionError):
        key, value, message = b"", b"", b""
    if not verify(key, value, message):
        raise ReportError(
            "the signature must fit the report and the key, did not", "签名与报告或公钥不符"
        )


def _csv(report: Json) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(column["name"] for column in report["columns"])
    writer.writerows([_harmless(cell) for cell in row] for row in report["rows"])
    return out.getvalue().encode()


def _harmless(cell: object) -> object:
    # A spreadsheet runs a text that begins like this as a formula.
    if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS):
        return f"'{cell}"
    return cell


# --- Parquet --------------------------------------------------------------------------------


def _pyarrow() -> tuple[Any, Any]:
    try:
        # Here, since it is an extra of 55 MB that only these files need.
        import pyarrow  # noqa: ICN001, PLC0415
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise ReportError(
            "Parquet needs pyarrow: pip install 'suanli[parquet]'",
            "Parquet 需要 pyarrow:pip install 'suanli[parquet]'",
        ) from error
    return pyarrow, pyarrow.parquet


def _parquet(report: Json) -> bytes:
    arrow, parquet = _pyarrow()
    texts = {"text", "instant"}
    fields = [
        arrow.field(column["name"], arrow.string() if column["unit"] in texts else arrow.int64())
        for column in report["columns"]
    ]
    schema = arrow.schema(fields, metadata={_METADATA: json.dumps(report, ensure_ascii=False)})
    columns = [
        arrow.array([row[at] for row in report["rows"]], type=field.type)
        for at, field in enumerate(fields)
    ]
    table = arrow.Table.from_arrays(columns, schema=schema)
    out = io.BytesIO()
    parquet.write_table(table, out, compression="zstd")
    return out.getvalue()


def _parquet_table(raw: bytes) -> Any:  # noqa: ANN401 - of a library without types
    arrow, parquet = _pyarrow()
    try:
        return parquet.read_table(io.BytesIO(raw))
    except (arrow.ArrowException, OSError) as error:
        raise ReportError("the file must be Parquet, was not", "文件须为 Parquet 格式") from error


def _parquet_report(raw: bytes) -> str:
    metadata = _parquet_table(raw).schema.metadata or {}
    found: bytes = metadata.get(_METADATA, b"")
    return found.decode(errors="replace")


def _parquet_rows(raw: bytes) -> list[list[object]]:
    table = _parquet_table(raw)
    columns = [column.to_pylist() for column in table.columns]
    return [list(row) for row in zip(*columns, strict=True)]
