"""Logs: one JSON object a line for machines, coloured lines on a terminal."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

    from services.kit.settings import KitSettings

Logger = structlog.stdlib.BoundLogger

_HIDDEN = "***"
# Parts of key names whose values never reach a log.
_SECRET_PARTS = ("password", "passwd", "secret", "token", "dsn", "authorization", "api_key")
# Local variables in tracebacks would show keys and passwords under any name.
_without_locals = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
# Libraries that report every reconnect at INFO or DEBUG.
_QUIET = ("aiokafka", "asyncio", "httpx", "httpcore", "uvicorn.access")


def only_warnings() -> None:
    """Leave out what is no warning: for programs that tell people what they do in other words."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


def configure(service: str, settings: KitSettings) -> None:
    """Send this process's logs, ours and the libraries', to standard error in one format.

    Args:
        service: Name that every line carries.
        settings: Format and lowest level.
    """
    as_json = settings.log_format == "json" or (
        settings.log_format == "auto" and not sys.stderr.isatty()
    )
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _stamp(service),
        hide_secrets,
    ]
    if as_json:
        shared.append(structlog.processors.ExceptionRenderer(_without_locals))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=Logger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        # A test configures anew; a cached logger would keep the old chain.
        cache_logger_on_first_use=False,
    )
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def get_logger(name: str) -> Logger:
    """Return a logger; bind facts with ``log.bind(partition=...)``, pass them as keywords."""
    logger: Logger = structlog.stdlib.get_logger(name)
    return logger


def hide_secrets(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace the value of every key that names a secret."""
    for key in event:
        if any(part in key.lower() for part in _SECRET_PARTS):
            event[key] = _HIDDEN
    return event


def _stamp(service: str) -> structlog.types.Processor:
    def add(
        _logger: object, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        event.setdefault("service", service)
        return event

    return add
