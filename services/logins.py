"""Which schemas each service has, and how they are made ready for a login that owns nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from services.kit.logins import admit
from services.kit.migrations import migrate
from services.kit.settings import KitSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import SecretStr

SERVICES = ("gateway", "matching", "ledger", "auditor")
_MIGRATIONS = Path(__file__).resolve().parents[1] / "infra" / "postgres" / "migrations"
_HERE = Path(__file__).parent


class SchemaSettings(KitSettings):
    """What is to be known to make the schemas ready.

    Attributes:
        matching_schema: As in the settings of matching, which also need a market.
    """

    matching_schema: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] = "matching"


@dataclass(frozen=True, slots=True)
class Home:
    """A schema of a service.

    Attributes:
        schema: Its name, prefix included.
        migrations: Folder of its migrations.
        statements: Folder of the statements that its service runs there.
        roles: Roles that the service acts in beside its own.
    """

    schema: str
    migrations: Path
    statements: Path
    roles: tuple[str, ...] = ()


def homes_of(service: str, schema_of: Callable[[str], str], matching: str) -> Iterator[Home]:
    """Yield the schemas of a service.

    Args:
        service: One of `SERVICES`.
        schema_of: Puts the prefix before a schema's name.
        matching: Name of matching's schema, which is one per market.
    """
    schema = schema_of(matching if service == "matching" else service)
    adapters = _HERE / service / "adapters"
    lent = {
        "gateway": (f"{schema}_reader", f"{schema}_overseer"),
        "auditor": (f"{schema_of('ledger')}_regulator",),
    }
    yield Home(schema, _MIGRATIONS / service, adapters, lent.get(service, ()))
    if service == "auditor":
        watched = schema_of("surveillance")
        yield Home(watched, _MIGRATIONS / "surveillance", adapters / "watch_sql")


async def prepare(dsn: str | SecretStr, home: Home, login: str) -> list[str]:
    """Bring a schema up to date and, with a login, let it act there as the service.

    The ledger's schema has a way of its own: its migrations say what its writer may do.

    Returns:
        The versions that were applied.

    Raises:
        MigrationError: as `migrate` says.
        asyncpg.PostgresError: if there is no such login.
    """
    if login and home.migrations.name == "ledger":
        from services.ledger.adapters.login import prepare as prepare_ledger  # noqa: PLC0415

        return await prepare_ledger(dsn, home.schema, home.migrations, login)
    done = await migrate(dsn, home.schema, home.migrations)
    if login:
        await admit(dsn, home.schema, home.statements, login, home.roles)
    return done
