"""Dry runs of the routes that place and amend orders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Query
from starlette.responses import Response

from schemas.previews import OrderPreview

if TYPE_CHECKING:
    from schemas.base import Model

DryRunQuery = Annotated[
    bool,
    Query(
        description="Check it as the real one and tell what it would come to; nothing is stored, "
        "written to the log or claimed under the key"
    ),
]
DRY_RUN: dict[int | str, dict[str, Any]] = {
    200: {"model": OrderPreview, "description": "Of a dry run"}
}


def previewed(found: Model) -> Response:
    """Return what a dry run found, as JSON."""
    # With nulls: what a quote has none of is a field of it that must be there.
    return Response(found.model_dump_json(), media_type="application/json")
