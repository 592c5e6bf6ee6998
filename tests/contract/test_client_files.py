"""The client's generated files are those of the contract, and no others."""

from __future__ import annotations

import json
from pathlib import Path

from infra.client_code import client_files
from schemas.generate import ROOT

CLIENT = ROOT.parent / "services/sdk/src/suanli"


def test_no_call_or_model_is_left_of_what_the_contract_no_longer_has() -> None:
    contract = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))
    written = {path for path, _ in client_files(ROOT.parent, contract)}
    found: set[Path] = {CLIENT / "columns.py"}
    for folder in ("api", "models"):
        found |= set((CLIENT / folder).glob("*.py"))
    assert found == written


def test_every_operation_is_a_method_of_both_clients() -> None:
    from suanli import AsyncClient, Client  # noqa: PLC0415 - after the files were looked at

    contract = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))
    names = {one["operationId"] for path in contract["paths"].values() for one in path.values()}
    for kind in (Client, AsyncClient):
        assert names <= set(dir(kind))
