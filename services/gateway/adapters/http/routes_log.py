"""Routes of the transparency log, in the C2SP formats where there are any."""

from typing import Annotated

from fastapi import Path, Query, Response

from schemas.audit import ConsistencyView, FinalityView, InclusionView, LogKeyView
from services.core.tlog.notes import NoteError
from services.core.tlog.tiles import WIDTH, TilePath
from services.gateway.adapters.http.context import (
    ApiDep,
    PrincipalDep,
    StrictRoute,
)
from services.gateway.adapters.http.routing import Routes
from services.gateway.errors import not_found

router = Routes(route_class=StrictRoute)
_FOR_EVER = "public, max-age=31536000, immutable"
_FOR_ONE = "private, no-store"
_TEXT = "text/plain; charset=utf-8"
_SIZE_MAX = 2**62

_TilePath = Annotated[str, Path(max_length=60)]
_Size = Annotated[int, Query(ge=1, le=_SIZE_MAX)]


@router.get("/v1/log/key", tags=["audit"])
async def get_log_key(api: ApiDep) -> LogKeyView:
    """Return the key that heads of the log are signed with (public)."""
    return api.log.key()


@router.get("/v1/log/finality", tags=["audit"])
async def get_finality(api: ApiDep) -> FinalityView:
    """Return which witnesses make settlements final, and how far they have (public)."""
    return await api.finality.view()


@router.get(
    "/v1/log/checkpoint",
    tags=["audit"],
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "A C2SP checkpoint"}},
)
async def get_checkpoint(api: ApiDep) -> Response:
    """Return the latest signed head of the log with its cosignatures (public)."""
    note = await api.log.checkpoint()
    return Response(str(note), media_type=_TEXT, headers={"Cache-Control": "no-cache"})


@router.get(
    "/v1/log/tile/entries/{tile:path}",
    tags=["audit"],
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "A C2SP bundle"}},
)
async def get_bundle(tile: _TilePath, api: ApiDep, principal: PrincipalDep) -> Response:
    """Return a bundle of what the log holds of its entries (regulator, operator)."""
    content = await api.log.bundle(principal, _parsed(f"entries/{tile}"))
    headers = {"Cache-Control": _FOR_ONE}
    return Response(content, media_type="application/octet-stream", headers=headers)


@router.get(
    "/v1/log/tile/{tile:path}",
    tags=["audit"],
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "A C2SP tile"}},
)
async def get_tile(tile: _TilePath, api: ApiDep) -> Response:
    """Return a tile of hashes (public)."""
    path = _parsed(tile)
    headers = {"Cache-Control": _FOR_EVER if path.width == WIDTH else "public, max-age=3600"}
    content = await api.log.tile(path)
    return Response(content, media_type="application/octet-stream", headers=headers)


@router.get(
    "/v1/log/proof/{entry}",
    tags=["audit"],
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "A C2SP tlog-proof file"}},
)
async def get_proof(
    entry: Annotated[str, Path(pattern=r"^(0|[1-9][0-9]{0,17}|[0-9a-f-]{36})$")],
    api: ApiDep,
    principal: PrincipalDep,
) -> Response:
    """Return the proof that an entry is in the log, by leaf index or entry id.

    Participants get proofs of entries on their own accounts; to regulator and operator, of all.
    """
    file = await api.log.proof(principal, entry)
    return Response(str(file), media_type=_TEXT, headers={"Cache-Control": _FOR_ONE})


@router.get("/v1/log/inclusion/{leaf_index}", tags=["audit"])
async def get_inclusion(
    leaf_index: Annotated[int, Path(ge=0, le=_SIZE_MAX)], api: ApiDep, size: _Size | None = None
) -> InclusionView:
    """Return the audit path of a leaf under a size, by default the signed head's (public)."""
    return await api.log.inclusion(leaf_index, size)


@router.get("/v1/log/consistency", tags=["audit"])
async def get_consistency(
    old_size: _Size, api: ApiDep, size: _Size | None = None
) -> ConsistencyView:
    """Return the proof that a size, by default the signed head's, extends an older (public)."""
    return await api.log.consistency(old_size, size)


def _parsed(text: str) -> TilePath:
    try:
        return TilePath.parse(text)
    except NoteError:
        raise not_found("tile", text) from None
