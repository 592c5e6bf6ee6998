"""Fields of a form as people fill them in, read as numbers, money, hours and names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from services.core.errors import DomainError, Message
from services.gateway.adapters.pages.rendering import BEIJING, plain_yuan
from services.gateway.adapters.pages.words import for_people, in_yuan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Fields = dict[str, str]
"""Name of a field of a form -> what was filled in."""

_WHOLE = re.compile(r"[0-9]{1,12}")
_YUAN = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,6}))?")
_MILLI = re.compile(r"([0-9]{1,6})(?:\.([0-9]{1,3}))?")
_HUNDREDTHS = re.compile(r"([0-9]{1,6})(?:\.([0-9]{1,2}))?")
_HOUR = "%Y-%m-%dT%H:%M"
_SHOWN_MAX = 60


@dataclass(slots=True)
class Reader:
    """Reads fields and collects what is wrong with them.

    Attributes:
        fields: What was filled in.
        labels: Name of a field -> its label.
        faults: Name of a field -> what is wrong with it; the first thing only.
    """

    fields: Mapping[str, str]
    labels: Callable[[str], Message]
    faults: dict[str, Message] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Return what was filled in, without the spaces around it."""
        return self.fields.get(name, "").strip()

    def names(self, name: str) -> list[str]:
        """Return the choices that are ticked."""
        return [item for item in self.text(name).split(",") if item]

    def whole(self, name: str, *, needed: bool = False) -> int | None:
        """Return a whole number; thousands may be apart."""
        text = self.text(name).replace(",", "").replace(" ", "")
        if _WHOLE.fullmatch(text):
            return int(text)
        self._missing(
            name, self.text(name), needed, Message("a whole number, such as 8", "整数，如 8")
        )
        return None

    def yuan(self, name: str, *, needed: bool = False) -> int | None:
        """Return yuan as micro-yuan."""
        text = self.text(name).lstrip("¥￥").replace(",", "").strip()
        if _YUAN.fullmatch(text):
            return int(Decimal(text) * 1_000_000)
        allowed = Message("yuan, such as 12.50", "金额（元），如 12.50")
        self._missing(name, self.text(name), needed, allowed)
        return None

    def milli(self, name: str) -> int | None:
        """Return a number with at most three decimals in thousandths."""
        text = self.text(name)
        if _MILLI.fullmatch(text):
            return int(Decimal(text) * 1_000)
        allowed = Message("a number such as 0.7", "数值，如 0.7")
        self._missing(name, text, False, allowed)  # noqa: FBT003
        return None

    def hundredths(self, name: str, *, needed: bool = False) -> int | None:
        """Return a number with at most two decimals in hundredths."""
        text = self.text(name).removesuffix("%").strip()
        if _HUNDREDTHS.fullmatch(text):
            return int(Decimal(text) * 100)
        allowed = Message("percent, such as 12.5", "百分比，如 12.5")
        self._missing(name, self.text(name), needed, allowed)
        return None

    def hour(self, name: str, *, needed: bool = False) -> str | None:
        """Return a full hour of Beijing time as an instant of the contract."""
        text = self.text(name)
        try:
            found = datetime.strptime(text[:16], _HOUR).replace(tzinfo=BEIJING)
        except ValueError:
            allowed = Message("an hour, such as 2026-11-25 08:00", "整点，如 2026-11-25 08:00")
            self._missing(name, text, needed, allowed)
            return None
        return found.astimezone(UTC).isoformat().replace("+00:00", "Z")

    def fault(self, name: str, message: Message) -> None:
        """Note what is wrong with a field, unless something is known already."""
        self.faults.setdefault(name, message)

    def _missing(self, name: str, text: str, needed: bool, allowed: Message) -> None:  # noqa: FBT001
        if not text and not needed:
            return
        label = self.labels(name)
        if not text:
            said = Message(f"{label.en}: must be given", f"{label.zh}：必填")
        else:
            was = text[:_SHOWN_MAX]
            said = Message(
                f"{label.en}: must be {allowed.en}, was {was}",
                f"{label.zh}：须为{allowed.zh}，实为 {was}",
            )
        self.fault(name, said)


def hour_text(instant: datetime | None) -> str:
    """Return an instant as a form shows it."""
    return "" if instant is None else instant.astimezone(BEIJING).strftime(_HOUR)


def yuan_text(micro: int | None) -> str:
    """Return an amount as a form shows it."""
    return "" if micro is None else plain_yuan(micro)


def hours_on(instant: datetime, hours: int) -> datetime:
    """Return the full hour so many hours after the running one."""
    return instant.replace(minute=0, second=0, microsecond=0) + timedelta(hours=hours)


def moved_on(fields: Fields, first: str, last: str, now: datetime) -> Fields:
    """Return a form whose window has passed with the same window from the next hours on.

    Args:
        fields: What was filled in.
        first: Name of the field where the window begins.
        last: Name of the field where it ends.
        now: The market's instant.
    """
    soonest = hours_on(now, 1)
    try:
        start, end = (
            datetime.strptime(fields[name], _HOUR).replace(tzinfo=BEIJING) for name in (first, last)
        )
    except ValueError:
        return fields
    late = soonest - start
    if late <= timedelta():
        return fields
    return fields | {
        first: hour_text(start + late),
        last: hour_text(end + late),
        "expires_at": "",
    }


def told(
    error: DomainError,
    field_of: Callable[[str], str],
    labels: Callable[[str], Message],
    is_money: Callable[[str], bool],
) -> dict[str, Message]:
    """Return what the use cases find wrong, by the form's fields; ``""`` is the form as a whole.

    Args:
        error: The refusal.
        field_of: Path in the contract -> name of a field of the form, ``""`` if it has none.
        labels: Name of a field -> its label.
        is_money: Whether the numbers of a field are micro-yuan.
    """
    faults: Iterable[Any] = getattr(error, "faults", ()) or (error,)
    found: dict[str, Message] = {}
    for fault in faults:
        path = fault.field.removeprefix("terms.").removeprefix("body.")
        name = field_of(path)
        message = in_yuan(fault.message) if is_money(name) else for_people(fault.message)
        if name and path:
            label = labels(name)
            message = Message(
                _named(message.en, path, label.en), _named(message.zh, path, label.zh)
            )
        found.setdefault(name, message)
    return found


def _named(text: str, path: str, label: str) -> str:
    last = path.rpartition(".")[2]
    for name in (f"terms.{path}", f"body.{path}", path, last):
        if text.startswith(name):
            return label + text.removeprefix(name)
    return text
