"""Wrong usage, told before anything is sent."""

from __future__ import annotations

from suanli.errors import SuanliError


class UsageProblem(SuanliError):  # noqa: N818 - the exchange may be asked again: a problem
    """What was typed cannot be meant.

    Attributes:
        field: The option or the field of a file.
        value: What was found.
        allowed: What would do, in English and Chinese.
        more: Further ones of the same file.
    """

    def __init__(self, field: str, value: str, allowed: tuple[str, str]) -> None:
        """Keep the parts; the text says ", was ..."."""
        super().__init__(f"{field}: must be {allowed[0]}, was {value}")
        self.field = field
        self.value = value
        self.allowed = allowed
        self.more: tuple[UsageProblem, ...] = ()
