"""Parts of the pages that need no browser."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.market_data import BookCurvesView, CurveStep
from services.core.errors import ValidationError
from services.gateway.adapters.pages.assets import FOLDER, address_of
from services.gateway.adapters.pages.context import form_of
from services.gateway.adapters.pages.figures import Column, Figure, cells, drawn, shown
from services.gateway.adapters.pages.market_figures import depth_figure
from services.gateway.adapters.pages.remembering import Remembering
from services.gateway.adapters.pages.rendering import percent, plain_yuan, yuan
from services.gateway.app.door import Door
from services.gateway.app.keys import hash_key
from services.gateway.app.sessions import Owner, Sessions, form_token, is_form_token
from services.gateway.app.tokens import SignedOut
from services.gateway.errors import UnauthenticatedError
from tests.unit.gateway.memory import MemoryActs, MemoryDirectory
from tests.unit.gateway.memory_members import MemoryMembers, NoTokens

ROOT = Path(__file__).parents[3]
OPERATOR = "bootstrap-key-of-tests"


@pytest.mark.parametrize(
    ("micro", "text", "plain"),
    [
        (9_500_000, "¥9.50", "9.5"),
        (1_234_567_890, "¥1,234.57", "1234.56789"),
        (-2_700, "¥0.00", "-0.0027"),
        (-5_000, "−¥0.01", "-0.005"),
        (None, "–", ""),
    ],
)
def test_money_is_rounded_for_people_and_exact_for_machines(
    micro: int | None, text: str, plain: str
) -> None:
    assert (yuan(micro), plain_yuan(micro)) == (text, plain)


def test_millionths_are_shown_in_percent() -> None:
    assert [percent(ppm) for ppm in (74_074, -1, None, 1_000_000)] == [
        "7.41 %",
        "0.00 %",
        "–",
        "100.00 %",
    ]


def test_a_figures_csv_is_exact_and_runs_nothing_in_a_spreadsheet() -> None:
    figure = Figure(
        "x",
        (
            Column("Hour", "时段", "time", "period"),
            Column("Price", "价格", "price", "yuan"),
            Column("Name", "名称", "text", "name"),
        ),
        ((datetime(2026, 11, 24, 8, tzinfo=UTC), 9_500_100, "=1+1"), (None, None, None)),
    )
    assert figure.csv().splitlines() == [
        "period,yuan,name",
        "2026-11-24T08:00:00+00:00,9.5001,'=1+1",
        ",,",
    ]
    assert shown("time", figure.rows[0][0]) == "11-24 16:00"
    assert drawn("ppm", 74_074) == "7.4074"


def test_a_heat_maps_neighbours_of_one_shade_are_one_cell() -> None:
    found = cells([None, 100, 101, 900, None], 100, 900)
    assert [(cell.start, cell.hours, cell.shade) for cell in found] == [
        (0, 1, -1),
        (1, 2, 0),
        (3, 1, 8),
        (4, 1, -1),
    ]
    assert found[1].said == "¥0.0001"


def test_depth_holds_both_sides_at_every_price_of_either() -> None:
    noon = datetime(2026, 11, 24, 4, tzinfo=UTC)
    curves = BookCurvesView(
        market_id="jingjinji",
        chip="h800",
        region="beijing",
        start=noon,
        end=noon,
        supply=tuple(CurveStep(price=price, chip_hours=sold) for price, sold in ((3, 5), (6, 9))),
        demand=tuple(CurveStep(price=price, chip_hours=got) for price, got in ((7, 2), (3, 4))),
        crossing=3,
        is_whole=True,
    )
    # Dearest asks below a price offer at it, cheapest limits above it want at it.
    assert depth_figure(curves).rows == ((3, 5, 4), (6, 9, 2), (7, 9, 2))
    nothing = curves.model_copy(update={"supply": (), "demand": ()})
    assert depth_figure(nothing).rows == ()


def test_a_form_with_too_many_fields_is_refused() -> None:
    assert form_of(b"a=1&a=2&b=%E4%BA%AC") == {"a": "1,2", "b": "京"}
    for body in (b"&".join(b"a=1" for _ in range(600)), b"\xff\xfe"):
        with pytest.raises(ValidationError, match="at most 500 fields"):
            form_of(body)


@pytest.mark.parametrize("folder", [FOLDER / "vendor", ROOT / "tests" / "vendor"])
def test_files_of_others_are_those_of_their_manifest_and_have_their_licence(folder: Path) -> None:
    packages = json.loads((folder / "manifest.json").read_text())["packages"]
    known = {"manifest.json"}
    for package in packages:
        known.add(package["licence_file"])
        assert (folder / package["licence_file"]).read_text().strip()
        for name, sha256 in package["files"].items():
            known.add(name)
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256, name
    assert {path.name for path in folder.iterdir()} == known


def test_the_address_of_a_file_changes_with_it() -> None:
    name, _, version = address_of("site.css").partition("?v=")
    assert name == "/static/site.css"
    assert hashlib.sha256((FOLDER / "site.css").read_bytes()).hexdigest().startswith(version)


class MemorySessions:
    """Sessions in memory."""

    def __init__(self) -> None:
        self.rows: dict[bytes, Owner] = {}

    async def begin(self, token_sha256: bytes, owner: Owner, lives_s: int) -> None:
        assert lives_s > 0
        self.rows[token_sha256] = owner

    async def owner_of(self, token_sha256: bytes) -> Owner | None:
        return self.rows.get(token_sha256)

    async def end(self, token_sha256: bytes) -> None:
        self.rows.pop(token_sha256, None)

    async def end_at_issuer(self, told: SignedOut) -> int | None:
        ended = [key for key, row in self.rows.items() if row.issuer_session == told.session]
        for key in ended:
            del self.rows[key]
        return len(ended)


async def test_a_session_holds_no_secret_and_ends_with_its_token() -> None:
    store = MemorySessions()
    door = Door(MemoryDirectory(), MemoryActs(), hash_key(OPERATOR), MemoryMembers(), NoTokens())
    sessions = Sessions(door, store)
    with pytest.raises(UnauthenticatedError):
        await sessions.sign_in("sk_unknown")
    begun = await sessions.sign_in(OPERATOR)
    again = await sessions.sign_in(OPERATOR)
    assert begun.token != again.token
    kept = b"".join(key + (value.key_sha256 or b"") for key, value in store.rows.items())
    assert begun.token.encode() not in kept
    assert OPERATOR.encode() not in kept
    assert await sessions.principal(begun.token) == begun.principal
    assert await sessions.principal("x" * 5_000) is None
    await sessions.sign_out(begun.token)
    assert await sessions.principal(begun.token) is None
    assert await sessions.principal(again.token) == again.principal


def test_a_forms_proof_is_that_of_one_token() -> None:
    assert is_form_token("one", form_token("one"))
    assert not is_form_token("two", form_token("one"))
    assert not is_form_token("one", "京")


async def test_what_many_ask_for_at_once_is_made_once_a_second() -> None:
    now = [0.0]
    made = []
    kept = Remembering(lambda: now[0])

    async def make() -> int:
        await asyncio.sleep(0)
        made.append(1)
        return len(made)

    assert await asyncio.gather(*(kept.get(("x",), make) for _ in range(50))) == [1] * 50
    now[0] = 1.5
    assert await kept.get(("x",), make) == 2
    assert await kept.get(("y",), make) == 3
