"""Errors of the kit: each says what was found, what would do, in both languages."""

from __future__ import annotations

from services.core.errors import DomainError, Message


class KitError(DomainError):
    """Something between a service and its libraries went wrong."""


class SettingsError(KitError):
    """A setting is missing or out of range; the service must not start."""

    def __init__(self, problems: tuple[tuple[str, str, str], ...]) -> None:
        """Name every offending variable at once.

        Args:
            problems: (environment variable, value as text, what is allowed), at least one.
        """
        assert problems
        lines_en = [f"{name} must be {allowed}, was {value}" for name, value, allowed in problems]
        lines_zh = [f"{name} 须为：{allowed}，实为：{value}" for name, value, allowed in problems]
        name, value, allowed = problems[0]
        super().__init__(
            "kit.settings",
            Message("; ".join(lines_en), "；".join(lines_zh)),
            field=name,
            value=value,
            allowed=allowed,
        )
        self.problems = problems


class StaleWriterError(KitError):
    """Another writer has moved on: this one is a zombie and must stop without writing."""

    def __init__(self, what: str, found: str, expected: str) -> None:
        """Say which guard refused, what it holds now and what this writer believed."""
        super().__init__(
            "kit.stale_writer",
            Message(
                f"{what}: must be {expected}, was {found}; another writer has taken over",
                f"{what}：应为 {expected}，实为 {found}；另一写入者已接管",
            ),
            field=what,
            value=found,
            allowed=expected,
        )


class MigrationError(KitError):
    """A migration file cannot be read or does not fit the database."""

    def __init__(self, code: str, version: str, en: str, zh: str) -> None:
        """Name the migration's version."""
        super().__init__(code, Message(en, zh), field=version)


class MigrationChangedError(MigrationError):
    """An applied migration's file has another content now, or is gone."""


class LogGapError(KitError):
    """The log no longer holds the next record: it was truncated, lost or re-created."""

    def __init__(self, topic: str, partition: int, position: int, held: str) -> None:
        """Name the position that is wanted and what the log holds."""
        super().__init__(
            "kit.log_gap",
            Message(
                f"{topic}/{partition}: the next offset must be within {held}, was {position}",
                f"{topic}/{partition}：下一位点应在 {held} 之内，实为 {position}",
            ),
            field=f"{topic}/{partition}",
            value=str(position),
            allowed=held,
        )


class LogUnavailableError(KitError):
    """The broker could not be reached, or a topic is not there, within the time allowed."""

    def __init__(self, what: str, found: str, allowed_s: float) -> None:
        """Name what was waited for, the last error seen and the time allowed in seconds."""
        super().__init__(
            "kit.log_unavailable",
            Message(
                f"{what} must be available within {allowed_s:g} s, was {found}",
                f"{what} 须在 {allowed_s:g} 秒内可用，实为：{found}",
            ),
            field=what,
            value=found,
            allowed=f"{allowed_s:g} s",
        )


class SendUnknownError(KitError):
    """It is not known whether a record reached the log; send the same bytes again.

    Ids are derived from content, so that a second copy is harmless.
    """

    def __init__(self, topic: str, reason: str) -> None:
        """Name the topic and the last thing known."""
        super().__init__(
            "kit.send_unknown",
            Message(
                f"outcome of a send to {topic} must be an acknowledgement, was {reason}",
                f"发往 {topic} 的结果应为确认，实为：{reason}",
            ),
            field=topic,
            value=reason,
            allowed="acknowledged by all in-sync replicas",
        )


class SendRefusedError(KitError):
    """The record was certainly not written: too large, unknown topic or not authorized."""

    def __init__(self, topic: str, reason: str) -> None:
        """Name the topic and the refusal."""
        super().__init__(
            "kit.send_refused",
            Message(
                f"a record to {topic} must be one the log takes, was refused: {reason}",
                f"发往 {topic} 的记录被拒绝：{reason}",
            ),
            field=topic,
            value=reason,
        )
