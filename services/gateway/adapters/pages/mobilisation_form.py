"""The form of an urgent need: what people fill in, and the mobilisation that it stands for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import ValidationError as ModelError

from schemas.mobilisation import MobilisationNew
from services.core.errors import DomainError, Message
from services.gateway.adapters.http.translate import faults_of
from services.gateway.adapters.pages.fields import Fields, Reader, hour_text, hours_on, told

if TYPE_CHECKING:
    from datetime import datetime

_LABELS = {
    "": Message("The need", "紧急需求"),
    "participants": Message("Enterprises that may mark demand urgent", "可提交紧急需求的企业"),
    "regions": Message("Regions", "地区"),
    "chips": Message("Chip classes", "芯片型号"),
    "price_cap": Message("Price cap", "价格上限"),
    "rank": Message("Rank", "优先级"),
    "start": Message("From", "起始"),
    "end": Message("Until", "截止"),
    "reason": Message("Why; everybody with a key can read it", "理由（对持密钥者公开）"),
}
_MONEY = frozenset({"price_cap"})
_HOURS = 12


def label_of(name: str) -> Message:
    """Return the label of a field."""
    return _LABELS.get(name, _LABELS[""])


def blank(now: datetime) -> Fields:
    """Return the form of a need that nobody has filled in yet."""
    start = hours_on(now, 1)
    return {
        "rank": "5",
        "start": hour_text(start),
        "end": hour_text(start + timedelta(hours=_HOURS)),
    }


def read(fields: Fields, market_id: str) -> tuple[MobilisationNew | None, dict[str, Message]]:
    """Return the need that a form stands for, or what is wrong by field.

    Args:
        fields: What was filled in; participants are apart by spaces, commas or lines.
        market_id: The market.
    """
    reader = Reader(fields, label_of)
    names = reader.text("participants").replace(",", " ").split()
    terms = {
        "participants": tuple(dict.fromkeys(names)),
        "regions": tuple(reader.names("regions")),
        "chips": tuple(reader.names("chips")),
        "price_cap": reader.yuan("price_cap", needed=True),
        "rank": reader.whole("rank", needed=True),
        "start": reader.hour("start", needed=True),
        "end": reader.hour("end", needed=True),
        "reason": reader.text("reason"),
    }
    if reader.faults:
        return None, reader.faults
    try:
        return MobilisationNew.model_validate({"market_id": market_id, "terms": terms}), {}
    except ModelError as error:
        return None, faults(faults_of(error.errors()))


def faults(error: DomainError) -> dict[str, Message]:
    """Return what is wrong by field; ``""`` is the form as a whole."""

    def field_of(path: str) -> str:
        first = path.partition(".")[0]
        return first if first in _LABELS else ""

    return told(error, field_of, label_of, lambda name: name in _MONEY)
