"""What docs/start.md shows, on a real exchange: every service a process, every command too."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.exchange import Exchange
from infra.local.seed import seed
from tests.e2e.opening import FIRST_ROUND_S_MAX, first_round, set_terms
from tests.e2e.reselling import sell_on_once
from tests.e2e.shell import Cli
from tests.e2e.theft import taken_with

Json = dict[str, Any]

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]
ROOT = Path(__file__).resolve().parents[2]
ENV = {**os.environ, "PYTHONPATH": str(ROOT / "services/sdk/src"), "LANG": "C.UTF-8"}
# Rounds are a minute of market time; so they come every twelve seconds.
CLOCK_SPEED = 5.0


def _audited(cli: Cli) -> Any:  # noqa: ANN401 - JSON
    """Return the status of the exchange's auditor once it has held a booking against its round."""
    until = time.monotonic() + FIRST_ROUND_S_MAX
    while True:
        status = cli.json("regulator", "audit", "status")
        if status["rounds_booked"] and status["entries_checked"] == status["entries_published"]:
            return status
        assert time.monotonic() < until, status
        time.sleep(0.5)


@pytest.fixture(scope="module")
def cli() -> Iterator[Cli]:
    """A seeded exchange of its own and the command line on it."""
    # A short path: the database's socket lies in it.
    with tempfile.TemporaryDirectory(prefix="suanli-cli-") as folder:
        # The database runs under another account, which must be able to enter.
        Path(folder).chmod(0o711)
        exchange = Exchange(Path(folder) / "state", durable=False)
        exchange.configure(clock_speed=CLOCK_SPEED)
        try:
            exchange.up(quiet=True)
            clients = Path(folder) / "clients"
            seed(exchange, clients)
            seeded = Cli(clients)
            seeded.ledger_dsn = exchange.stack.login_dsn("ledger") or ""
            # Tests come in any order, and lists need something to show.
            first_round(seeded)
            set_terms(seeded)
            yield seeded
        finally:
            exchange.wipe()


def _check_export(cli: Cli, folder: str, round_id: str, key: str) -> None:
    """Audit an export offline, and ask how far the exchange's own auditor is."""
    cli.run("regulator", "log", "export", folder)
    offline = cli.json("enterprise", "audit", "--offline", folder, "--log-key", key)
    assert round_id in {verdict["round_id"] for verdict in offline["rounds"]}
    assert all(item["ok"] for item in (*offline["rounds"], *offline["ledger"])), offline
    booked = next(item for item in offline["ledger"] if item["check"] == "rounds")
    assert booked["checked"] >= 1
    status = _audited(cli)
    assert (status["findings"], status["rounds_refuted"]) == (0, 0)
    assert status["entries_checked"] > 0
    assert "as of" in cli.run("enterprise", "audit", "status").stdout


def test_a_quote_is_for_all_of_the_window_or_nothing(cli: Cli) -> None:
    asked = "quote --chip ascend-910b --chips 1 --from +8h --to +10h"
    found = cli.json("enterprise", *asked.split())
    assert found["chip_hours"] in (0, 2)
    assert "依据轮次" in cli.run("enterprise", *asked.split(), "--lang", "zh").stdout


def test_a_demand_is_placed_watched_filled_paid_and_verified(cli: Cli, tmp_path: Path) -> None:
    prices = cli.run("enterprise", "prices", "-o", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(prices)))
    assert {row["pool"] for row in rows if row["price_yuan_per_chip_hour"]}

    create = (
        "demand create --chip ascend-910b --chips 4 --chips-min 1 --hours 2 --limit 190 "
        "--earliest +6h --deadline +20h"
    )
    quoted = cli.json("enterprise", *create.split(), "--quote")
    assert quoted["state"] == "filled"
    assert 0 < quoted["cost"] <= quoted["hold"] == 1_520_000_000
    assert "预计状态" in cli.run("enterprise", *create.split(), "--quote", "--lang", "zh").stdout
    placed = cli.json("enterprise", *create.split())
    order_id = placed["order"]["order_id"]
    assert placed["order"]["state"] == "open"
    # 4 chips x 2 hours x 190 yuan.
    assert placed["order"]["hold"]["amount"] == 1_520_000_000

    watched = cli.run("enterprise", "orders", "watch", order_id, "--timeout", "90", "-o", "json")
    states = [json.loads(line).get("state") for line in watched.stdout.splitlines()]
    assert [state for state in states if state] == ["accepted", "open", "filled"]

    check_its_life(cli, placed, tmp_path)
    shown = cli.json("enterprise", "demand", "show", order_id)
    paid = sum(item["payment"] for item in shown["allocations"])
    assert 0 < paid <= 1_520_000_000
    entries = cli.json("enterprise", "account", "--entries")
    captured = [item for item in entries if item["order_id"] == order_id]
    assert -paid in [item["amount"] for item in captured if item["layer"] == "posted"]

    proof = str(tmp_path / "hold.tlog-proof")
    hold = next(item for item in captured if item["purpose"] == "hold_placed")
    proved = cli.json("enterprise", "log", "proof", hold["entry_id"], "--out", proof)
    assert proved["entry"]["amount"] == 1_520_000_000
    key = cli.json("enterprise", "log", "key")["key"]
    again = cli.json("enterprise", "log", "verify", proof, "--log-key", key)
    assert again["index"] == hold["leaf_index"]

    round_id = shown["allocations"][0]["round_id"]
    file = str(tmp_path / "round.json")
    verified = cli.run("enterprise", "rounds", "file", round_id, "--verify", "--out", file)
    assert "VERIFIED" in verified.stdout
    subprocess.run([sys.executable, "-m", "suanli.checker", file], check=True, env=ENV)
    audit = cli.json("regulator", "audit")
    assert round_id in {verdict["round_id"] for verdict in audit["rounds"]}
    assert all(verdict["ok"] for verdict in audit["rounds"])
    ledger = {item["check"]: item for item in audit["ledger"]}
    # Others of this module have entries erased, or not yet.
    del ledger["erased"]
    sums = {"log", "heads", "sums", "balances", "free", "holds", "capacity"}
    assert set(ledger) == sums | {"shared", "resales"}
    for check, item in ledger.items():
        assert item["ok"], item
        # Nothing need be shared or sold on in this exchange.
        assert item["checked"] > 0 or check not in sums
    _check_export(cli, str(tmp_path / "export"), round_id, key)
    shown = cli.run("operator", "audit", "--only", "ledger", "--lang", "zh").stdout
    assert "没有超卖的时段" in shown
    assert "ledger" not in cli.json("enterprise", "audit")
    assert cli.run("enterprise", "audit", "--only", "ledger", expect=1).stdout == ""


def check_its_life(cli: Cli, placed: Json, tmp_path: Path) -> None:
    """Check that a filled demand's life is told, its book rebuilt, its receipt found taken in."""
    order_id = placed["order"]["order_id"]
    life = cli.json("enterprise", "orders", "life", order_id)
    assert [step["code"] for step in life if step["code"]] == ["NEWO", "FILL"]
    assert {"submitted", "status", "hold_placed", "allocated", "booked"} <= {
        step["kind"] for step in life
    }
    assert (life[-1]["state"], life[-1]["chip_hours_left"]) == ("filled", 0)
    cli.run("provider", "orders", "life", order_id, expect=1)
    seq = next(step["round_id"] for step in life if step["kind"] == "allocated").partition(":")[2]
    book = cli.json("regulator", "book", "--round", seq)
    assert (book["book_digest"], book["differing"]) == (book["sealed_digest"], [])
    assert order_id in {item["order_id"] for item in book["orders"] if item["in_book"]}
    receipt = tmp_path / "receipt.json"
    receipt.write_text(json.dumps(placed["receipt"]), "utf-8")
    found = cli.json("enterprise", "receipt", "verify", str(receipt))
    assert (found["state"], found["signed"]) == ("taken", True)
    receipt.write_text(json.dumps(placed["receipt"] | {"offset": 0}), "utf-8")
    forged = cli.run("enterprise", "receipt", "verify", str(receipt), "-o", "json", expect=1)
    assert json.loads(forged.stdout)["signed"] is False


def test_hours_that_were_bought_are_sold_on_once_and_free_again_once_withdrawn(cli: Cli) -> None:
    sell_on_once(cli)
    assert _audited(cli)["findings"] == 0


def test_money_is_paid_out_made_collateral_taken_back_and_stated(cli: Cli) -> None:
    who = cli.json("provider", "participants", "me")["participant_id"]
    cli.run("operator", *f"participants deposit {who} --amount 90 --reference e2e".split())
    lock = ["account", "collateral", "in", "--amount", "40", "--key", "e2e"]
    locked = cli.json("provider", *lock)
    assert locked["order"]["state"] == "booked"
    assert cli.json("provider", *lock) == locked
    paid = f"participants withdraw {who} --amount 12.5 --reference e2e".split()
    assert cli.json("operator", *paid)["order"]["state"] == "booked"
    too_much = f"participants withdraw {who} --amount 99999999 --reference far".split()
    refused = cli.run("operator", *too_much, "--lang", "zh", expect=1)
    assert "已拒绝" in refused.stdout
    assert cli.json("provider", "account", "refusals")[0]["amount"] == 99_999_999_000_000

    entry = cli.json("provider", "account", "--entries")[0]
    assert (entry["purpose"], entry["amount"]) == ("withdrawal", -12_500_000)
    back = ["participants", "reverse", entry["entry_id"], "--reason", "bounced"]
    assert cli.json("operator", *back)["order"]["state"] == "booked"
    assert cli.run("operator", *back[:-1], "twice", expect=1)
    assert cli.run("provider", *back, expect=1).stderr.startswith("refused [auth.wrong_role]")

    view = cli.json("provider", "account")
    told = cli.json("provider", "account", "statement")
    closing = {one["account"]: one["closing"] for one in told["statement"]["accounts"]}
    assert closing[f"cny:{who}"] == view["posted"]
    assert closing[f"collateral:{who}"] == view["collateral"] >= 40_000_000
    sums = dict.fromkeys(closing, 0)
    for line in told["entries"]:
        sums[line["account"]] += line["amount"]
    assert sums == closing
    purposes = [line["purpose"] for line in told["entries"] if line["account"] == f"cny:{who}"]
    assert purposes[-3:] == ["collateral_in", "withdrawal", "reversal"]
    assert cli.json("provider", "account", "invoice") == []
    other = cli.run("provider", "account", "statement", "--participant", "nobody", expect=1)
    assert "not_found" in other.stderr


def test_whoever_has_the_running_ledgers_credential_changes_nothing(cli: Cli) -> None:
    assert asyncio.run(taken_with(cli.ledger_dsn)) == []


def test_what_an_entry_says_is_erased_and_the_export_still_verifies(
    cli: Cli, tmp_path: Path
) -> None:
    who = cli.json("provider", "participants", "me")["participant_id"]
    for name in ("private", "next"):
        cli.run("operator", *f"participants deposit {who} --amount 7 --reference {name}".split())
    # Until the gateway has read both; the test has a limit in time.
    while len(mine := _booked(cli, "amount", 7_000_000)) < 2:
        time.sleep(0.2)
    balance = cli.json("provider", "account")["posted"]
    words = ["erasures", "order", mine[-1]["entry_id"], "--reason", "case 7"]
    preview = _previewed(cli, words)
    assert preview["entry"]["amount"] == 7_000_000
    assert cli.run("provider", *words, "--confirm", preview["leaf_hash"], expect=1)
    wrong = cli.run("operator", *words, "--confirm", "5f" * 32, expect=1)
    assert "erasure.not_confirmed" in wrong.stderr
    done = cli.json("operator", *words, "--confirm", preview["leaf_hash"])
    assert (done["state"], done["leaf_index"]) == ("erased", preview["index"])
    assert cli.json("regulator", "erasures", "list")[0]["erasure_id"] == done["erasure_id"]
    assert "已抹除" in cli.run("regulator", "erasures", "list", "--lang", "zh").stdout

    assert cli.json("provider", "account")["posted"] == balance
    assert _booked(cli, "purpose", "erased")[0]["entry_id"] == mine[-1]["entry_id"]
    key = cli.run("enterprise", "log", "key").stdout.strip()
    folder = str(tmp_path / "export")
    cli.run("regulator", "log", "export", folder)
    offline = cli.json("enterprise", "audit", "--offline", folder, "--log-key", key)
    assert all(item["ok"] for item in offline["ledger"]), offline["ledger"]
    assert next(i for i in offline["ledger"] if i["check"] == "erased")["checked"] == 1


def _booked(cli: Cli, name: str, value: object) -> list[Json]:
    return [e for e in cli.json("provider", "account", "--entries") if e[name] == value]


def _previewed(cli: Cli, words: list[str]) -> Json:
    while (done := cli.run("operator", *words, "-o", "json", expect=1)).stdout == "":
        assert "not_signed_yet" in done.stderr
        time.sleep(0.5)
    return dict(json.loads(done.stdout))


def test_an_owner_that_trades_with_itself_becomes_a_case_for_the_regulator_alone(
    cli: Cli, tmp_path: Path
) -> None:
    for role in ("provider", "enterprise"):
        who = f"hidden-{role}"
        add = f"participants add {who} --role {role} --name {who} --owner hidden-group "
        add += "--resource-code CN.11.0108.HIDDEN"
        made = cli.json("operator", *add.split())
        assert made["participant"]["beneficial_owner"] == "hidden-group"
        cli.join(who, made["api_key"], tmp_path)
    money = "participants deposit hidden-enterprise --amount 99999 --reference start"
    cli.run("operator", *money.split())
    # Hours so far ahead that nobody else trades in them.
    sell = "offers create --pool bj-haidian/t4 --chips 64 --ask 1 --start +60h --end +66h"
    cli.json("hidden-provider", *sell.split())
    buy = (
        "demand create --chip t4 --zone bj-haidian --chips 64 --hours 5 --limit 2 "
        "--earliest +60h --deadline +66h"
    )
    order_id = cli.json("hidden-enterprise", *buy.split())["order"]["order_id"]
    cli.run("hidden-enterprise", "orders", "watch", order_id, "--timeout", "90", "-o", "json")
    shown = cli.json("hidden-enterprise", "demand", "show", order_id)
    evidence = {item["allocation_id"] for item in shown["allocations"]}
    assert evidence

    end_s = time.monotonic() + 60
    while not (found := cli.json("regulator", "surveillance", "cases", "--kind", "wash")):
        assert time.monotonic() < end_s, "no case was raised"
        time.sleep(0.5)
    (case,) = found
    assert set(case["evidence"]) == evidence
    assert case["participants"] == ["hidden-enterprise", "hidden-provider"]
    assert (case["figures"]["chip_hours"], case["state"]) == (320, "open")
    closed = cli.json(
        "regulator", "surveillance", "close", case["case_id"], "--reason", "fined", "--key", "c1"
    )["case"]
    assert closed["state"] == "closed"
    assert [one["changed_by"] for one in closed["changes"]] == ["jjj-regulator"]
    table = cli.run("regulator", "surveillance", "show", case["case_id"], "--lang", "zh").stdout
    assert "已结案" in table
    assert "hidden-provider" in table
    assert cli.json("regulator", "surveillance", "cases", "--state", "open", "--kind", "wash") == []
    for who in ("hidden-provider", "enterprise", "operator"):
        told = cli.run(who, "surveillance", "cases", expect=1)
        assert told.stderr.startswith("refused [auth.wrong_role]")


def test_the_day_is_reported_in_signed_files(cli: Cli, tmp_path: Path) -> None:
    listed = cli.json("regulator", "rounds", "list")
    rounds = {one["round_id"]: one["market_time"] for one in listed}
    # The day on which something was traded, even if midnight has passed since.
    day = rounds[cli.json("regulator", "allocations")[-1]["round_id"]][:10]
    linkage = cli.json("regulator", "reports", "linkage", "--day", day)
    assert linkage["rows"] == []
    assert linkage["figures"][0]["value"] > 0
    clock = cli.json("operator", "reports", "clock", "--day", day)
    sources = {row[0]: row for row in clock["rows"]}
    assert {"gateway", "ledger", "matching"} == set(sources)
    # Nothing was recorded before it happened; the gateway stamps as it records.
    assert [row[2] >= 0 for row in sources.values()] == [True] * 3
    share = cli.json("enterprise", "reports", "domestic-share", "--day", day)
    assert share["rows"]
    assert 0 < share["figures"][0]["value"] < 1_000_000
    for kind in ("concentration", "regional-flows", "emergency-use", "dead-letters"):
        shown = cli.run("regulator", "reports", kind, "--lang", "zh").stdout
        assert any("\u4e00" <= char <= "\u9fff" for char in shown)
    assert cli.run("operator", "reports", "concentration", expect=1).stdout == ""
    for suffix in ("json", "html", "parquet", "csv"):
        path = tmp_path / f"report.{suffix}"
        cli.run("regulator", "reports", "concentration", "--out", str(path), "--lang", "zh")
        if suffix != "csv":
            told = cli.json("provider", "reports", "verify", str(path))
            assert (told["ok"], told["kind"]) == (True, "concentration")
    page = tmp_path / "report.html"
    page.write_text(page.read_text("utf-8").replace("市场集中度 ·", "市场 ·"), "utf-8")
    assert (
        "已被改动"
        in cli.run("provider", "reports", "verify", str(page), "--lang", "zh", expect=1).stdout
    )
    assert "--out" in cli.run("regulator", "reports", "clock", "--out", "r.pdf", expect=2).stderr


def test_an_offer_is_placed_amended_and_cancelled(cli: Cli) -> None:
    create = [
        "offers",
        "create",
        "--pool",
        "bj-haidian/t4",
        "--chips",
        "8",
        "--ask",
        "9.5",
        "--start",
        "+5h",
        "--end",
        "+9h",
    ]
    order_id = cli.json("provider", *create, "--key", "once")["order"]["order_id"]
    again = cli.json("provider", *create, "--key", "once")
    assert again["order"]["order_id"] == order_id

    amended = cli.json("provider", "offers", "amend", order_id, "--ask", "9.25", "--chips", "6")
    terms = amended["order"]["terms"]
    assert (amended["order"]["version"], terms["ask"], terms["chips"]) == (2, 9_250_000, 6)
    cancelled = cli.json("provider", "offers", "cancel", order_id)
    assert cancelled["order"]["state"] == "cancelled"
    refused = cli.run("provider", "offers", "cancel", order_id, expect=1)
    assert refused.stderr.startswith("refused [")


def test_a_list_of_offers_has_a_verdict_on_each_row(cli: Cli, tmp_path: Path) -> None:
    row = {
        "zone": "bj-haidian",
        "chip": "t4",
        "chips": 8,
        "ask_yuan": "9.50",
        "start": "2099-01-01T00:00:00Z",
        "end": "2099-01-01T05:00:00Z",
        "resource_code": "CN.11.0108.BJ01-T4",
    }
    path = tmp_path / "offers.json"
    path.write_text(json.dumps([row, {**row, "ask_yuan": "9.50005"}]), encoding="utf-8")
    run = cli.run("provider", "offers", "create", "--file", str(path), "-o", "csv", expect=1)
    rows = list(csv.DictReader(io.StringIO(run.stdout)))
    assert [bool(one["code"]) for one in rows] == [True, True]
    assert rows[1]["field"] == "terms.ask"
    assert rows[1]["value"] == "9.50005 yuan"


@pytest.mark.parametrize(
    ("who", "words", "code", "said"),
    [
        (
            "enterprise",
            "offers create --pool a/b --chips 1 --ask 1 --start +2h --end +3h",
            1,
            "role",
        ),
        ("enterprise", "demand show dem_aaaaaaaaaaaaaaaaaaaaaaaaaa", 1, "not_found"),
        ("enterprise", "prices --market nowhere", 1, "not_found"),
        ("enterprise", "prices --pool no/where", 2, "--pool"),
        ("enterprise", "rounds list --filter colour=red", 1, "colour (column 1)"),
        ("enterprise", "book --window tomorrow", 2, "--window"),
        ("enterprise", "export 2020-01-01", 2, "DAY"),
        ("enterprise", "rounds show 999999", 1, "not_found"),
        ("enterprise", "participants list", 1, "role"),
        ("provider", "deliveries report al_aaaaaaaaaaaaaaaaaaaaaaaaaa", 2, "ALLOCATION"),
    ],
)
def test_what_is_refused_is_told_with_its_exit_code(
    cli: Cli, who: str, words: str, code: int, said: str
) -> None:
    done = cli.run(who, *words.split(), expect=code)
    assert said in done.stderr
    assert done.stdout == ""


def test_a_day_is_exported_and_checked(cli: Cli, tmp_path: Path) -> None:
    day = cli.json("regulator", "export")[0]["day"]
    files = cli.json("regulator", "export", day, "--format", "csv", "--dir", str(tmp_path))
    assert {Path(item["file"]).name for item in files} == {
        f"jjj-spot-{day}-{table}.csv" for table in ("orders", "allocations", "prices", "rounds")
    }
    for item in files:
        rows = list(csv.DictReader(io.StringIO(Path(item["file"]).read_text("utf-8"))))
        assert len(rows) == item["rows"]
        assert not [row for row in rows if row.get("price") == "0"]
    assert next(item["rows"] for item in files if item["file"].endswith("prices.csv"))


def test_an_exchange_that_does_not_answer_exits_with_3(tmp_path: Path) -> None:
    path = tmp_path / "nowhere.json"
    path.write_text(json.dumps({"api_url": "http://127.0.0.1:9", "api_key": "sk_x"}), "utf-8")
    lost = subprocess.run(
        [sys.executable, "-m", "suanli", "markets", "--client", str(path)],
        capture_output=True,
        text=True,
        check=False,
        env=ENV,
        timeout=60,
    )
    assert lost.returncode == 3
    assert lost.stderr.startswith("the exchange did not answer [unreachable]")


@pytest.mark.parametrize("output", ["table", "json", "csv"])
@pytest.mark.parametrize(
    ("who", "words"),
    [
        ("enterprise", "markets"),
        ("enterprise", "markets jjj-spot"),
        ("enterprise", "prices"),
        ("enterprise", "prices --index --window hour"),
        ("enterprise", "prices --by pool --filter volume>=0"),
        ("enterprise", "book --window day"),
        ("enterprise", "book --window +1h/+40h"),
        ("enterprise", "export"),
        ("enterprise", "rounds list --filter state!=sealed"),
        ("enterprise", "book"),
        ("enterprise", "book --pool bj-haidian/t4"),
        ("enterprise", "demand list"),
        ("provider", "offers list"),
        ("enterprise", "rounds list"),
        ("enterprise", "rounds show latest"),
        ("enterprise", "allocations"),
        ("enterprise", "account"),
        ("enterprise", "account statement"),
        ("provider", "account --entries --of collateral"),
        ("regulator", "settlements terms"),
        ("operator", "participants list"),
        ("provider", "participants me"),
        ("regulator", "findings"),
    ],
)
def test_every_list_prints_as_table_json_and_csv(
    cli: Cli, who: str, words: str, output: str
) -> None:
    printed = cli.run(who, *words.split(), "-o", output, "--lang", "zh").stdout
    if output == "json":
        assert json.loads(printed)
    elif output == "csv":
        head, *rows = csv.reader(io.StringIO(printed))
        assert all(name.isascii() for name in head)
        assert rows
        assert {len(row) for row in rows} == {len(head)}
    else:
        assert any("\u4e00" <= char <= "\u9fff" for char in printed), printed
