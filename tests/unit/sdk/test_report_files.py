"""Files of daily reports: each says what was signed, and any change shows."""

from __future__ import annotations

import base64
import copy
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from suanli.report_files import ReportError, canonical, content, verify_file
from suanli.report_page import cell, page

Json = dict[str, Any]
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = base64.b64encode(KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
FILES = (".json", ".html", ".parquet")


def column(name: str, unit: str = "text") -> Json:
    return {"name": name, "en": name, "zh": "列", "unit": unit}


def report(**changes: object) -> Json:
    made: Json = {
        "format": "suanli.report.v1",
        "kind": "domestic-share",
        "market_id": "jjj",
        "day": "2026-11-24",
        "title_en": "Share of domestic chips",
        "title_zh": "国产芯片占比",
        "about_en": "By region </script><b>",
        "about_zh": "按地区",
        "made_at": "2026-11-25T00:10:00.123456Z",
        "is_final": True,
        "rounds": 96,
        "figures": [column("domestic_ppm", "ppm") | {"value": 431_200}],
        "columns": [
            column("region"),
            column("chip"),
            column("origin"),
            column("tflops_hours", "tflops-hours"),
            column("value", "micro-yuan"),
            column("region_share_ppm", "ppm"),
        ],
        "rows": [
            ["beijing", "a910b", "domestic", 4_000, 12_345_678_900, 400_000],
            ["beijing", "=h800", "imported", 6_000, 5, None],
        ],
        "is_whole": True,
    }
    made |= changes
    value = base64.b64encode(KEY.sign(canonical(made))).decode()
    return made | {"signature": {"key_id": "rk_test", "value": value}}


@pytest.mark.parametrize("suffix", FILES)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_file_is_genuine_and_gives_the_report_back(
    tmp_path: Path, suffix: str, lang: str
) -> None:
    path = tmp_path / f"report{suffix}"
    path.write_bytes(content(report(), suffix, lang))
    assert verify_file(path, PUBLIC) == report()


@pytest.mark.parametrize("suffix", FILES)
def test_another_key_and_no_signature_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"report{suffix}"
    path.write_bytes(content(report(), suffix))
    other = base64.b64encode(b"\x01" * 32).decode()
    for key in (other, "not base64", ""):
        with pytest.raises(ReportError, match="signature must fit"):
            verify_file(path, key)
    unsigned = {name: value for name, value in report().items() if name != "signature"}
    path.write_bytes(content(unsigned, suffix))
    with pytest.raises(ReportError, match="must be signed"):
        verify_file(path, PUBLIC)


@pytest.mark.parametrize("suffix", FILES)
def test_a_changed_number_is_refused(tmp_path: Path, suffix: str) -> None:
    changed = copy.deepcopy(report())
    changed["rows"][0][3] += 1
    path = tmp_path / f"report{suffix}"
    path.write_bytes(content(changed, suffix))
    with pytest.raises(ReportError, match="signature must fit"):
        verify_file(path, PUBLIC)


def test_a_page_that_shows_something_else_than_was_signed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    shown = content(report(), ".html").decode()
    path.write_text(shown.replace('<td class="n">4,000</td>', '<td class="n">9,000</td>'), "utf-8")
    with pytest.raises(ReportError, match="page must be what its report makes"):
        verify_file(path, PUBLIC)


def test_a_table_that_holds_something_else_than_was_signed_is_refused(tmp_path: Path) -> None:
    from pyarrow import parquet  # noqa: PLC0415 - slow to import

    path = tmp_path / "report.parquet"
    path.write_bytes(content(report(), ".parquet"))
    table = parquet.read_table(path)
    parquet.write_table(table.slice(0, 1), path)
    with pytest.raises(ReportError, match="table must be that of its report"):
        verify_file(path, PUBLIC)


@pytest.mark.parametrize("suffix", FILES)
@pytest.mark.parametrize("raw", [b"", b"{}", b"[[[", b"\xff\xfe", b'<html lang="en"></html>'])
def test_what_is_no_report_is_refused_in_both_languages(
    tmp_path: Path, suffix: str, raw: bytes
) -> None:
    path = tmp_path / f"report{suffix}"
    path.write_bytes(raw)
    with pytest.raises(ReportError) as refused:
        verify_file(path, PUBLIC)
    assert refused.value.en
    assert any("\u4e00" <= char <= "\u9fff" for char in refused.value.zh)


def test_a_page_runs_nothing_and_loads_nothing() -> None:
    text = page(report(), "en")
    assert text.count("<script") == 1
    assert "</script><b>" not in text
    assert "default-src 'none'" in text
    for address in ("http:", "https:", "src=", "url("):
        assert address not in text


def test_the_picture_of_shares_counts_what_was_allocated_and_not_what_rounds_were_asked() -> None:
    (beijing, *others) = report()["rows"]
    asked = ["beijing", None, None, 10_000, None, None]
    shown = page(report(rows=[beijing, *others, asked, ["all", *asked[1:]]]), "en")
    chart = shown[shown.index("<svg") : shown.index("</svg>")]
    assert "40" in chart[chart.index('class="soft"') :]
    assert chart.count("<text") == 2
    assert ">all<" not in chart


def test_csv_is_harmless_in_a_spreadsheet_and_exact() -> None:
    head, first, second = content(report(), ".csv").decode().splitlines()
    assert head == "region,chip,origin,tflops_hours,value,region_share_ppm"
    assert first == "beijing,a910b,domestic,4000,12345678900,400000"
    assert second == "beijing,'=h800,imported,6000,5,"


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (431_250, "ppm", "43.12 %"),
        (12_345_678_900, "micro-yuan", "12,345.67"),
        (1_234, "chip-hours", "1,234"),
        (None, "ppm", "–"),
        ("2026-11-25T00:10:00.123456Z", "instant", "2026-11-25 00:10:00"),
        ("text", "text", "text"),
    ],
)
def test_a_value_is_written_for_people(value: object, unit: str, said: str) -> None:
    assert cell(value, unit) == said


def test_the_canonical_form_does_not_depend_on_the_order_of_names() -> None:
    made = report()
    turned = json.loads(json.dumps(dict(reversed(made.items()))))
    assert canonical(turned) == canonical(made)
