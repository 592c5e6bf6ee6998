"""The page of surveillance tells every threshold with the value that is in force."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

from schemas.surveillance import SurveillanceCaseRaised
from services.core.surveillance.cases import SENTENCES, SEVERITY, CaseKind
from services.core.surveillance.thresholds import DEFAULTS

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "surveillance.md"


def test_every_threshold_is_documented_with_its_value() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert {name: int(value.replace(",", "")) for name, value in rows} == asdict(DEFAULTS)


def test_every_kind_of_case_is_on_the_wire_documented_and_put_into_words() -> None:
    kinds = {kind.value for kind in CaseKind}
    field = SurveillanceCaseRaised.model_json_schema()["properties"]["kind"]
    assert set(field["enum"]) == kinds
    assert set(SENTENCES) == set(SEVERITY) == set(CaseKind)
    assert kinds <= set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text("utf-8"), re.MULTILINE))
