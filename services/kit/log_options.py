"""What every client of the broker is told, taken from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka.helpers import create_ssl_context

if TYPE_CHECKING:
    from services.kit.settings import KitSettings

# A request that has no answer by then counts as lost; a local broker restarts in about 3 s.
REQUEST_TIMEOUT_MS = 8_000
# New leaders are learnt from errors; this only bounds how long a quiet client stays wrong.
_METADATA_MAX_AGE_MS = 30_000


def client_options(settings: KitSettings) -> dict[str, Any]:
    """Return the keyword arguments that aiokafka's clients have in common."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap.split(","),
        "security_protocol": settings.kafka_security.upper(),
        "request_timeout_ms": REQUEST_TIMEOUT_MS,
        "metadata_max_age_ms": _METADATA_MAX_AGE_MS,
    }
    if settings.kafka_security != "plaintext":
        options |= {
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": settings.kafka_user,
            "sasl_plain_password": settings.kafka_password.get_secret_value(),
        }
    if settings.kafka_security == "sasl_ssl":
        ca_file = settings.kafka_ca_file
        options["ssl_context"] = create_ssl_context(cafile=str(ca_file) if ca_file else None)
    return options
