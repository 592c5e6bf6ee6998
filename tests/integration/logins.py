"""A login of its own for a service under test, as `suanli-exchange migrate` makes ready for it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from pydantic import SecretStr

from services.logins import homes_of, prepare

if TYPE_CHECKING:
    from services.kit.settings import KitSettings


async def login_of(service: str, settings: KitSettings, matching: str = "matching") -> SecretStr:
    """Make a login that owns nothing, let it act as a service, and return its DSN.

    Args:
        service: The service.
        settings: Its settings, with the DSN of who owns the schemas.
        matching: Name of matching's schema.
    """
    login, password = f"{settings.schema_prefix}{service}_login", secrets.token_hex(16)
    dsn = settings.postgres_dsn.get_secret_value()
    owner = await asyncpg.connect(dsn)
    try:
        await owner.execute(f"CREATE ROLE {login} LOGIN PASSWORD '{password}'")
    finally:
        await owner.close()
    for home in homes_of(service, settings.schema_of, matching):
        await prepare(settings.postgres_dsn, home, login)
    parts = urlsplit(dsn)
    place = f"{login}:{password}@{parts.hostname}:{parts.port}"
    return SecretStr(urlunsplit(parts._replace(netloc=place)))
