"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from suanli.cli.session import argument, help_text, option

OrderState = Annotated[
    Literal["accepted", "open", "part-filled", "filled", "cancelled", "expired", "rejected"] | None,
    option("--state", en="Only in this state.", zh="仅此状态。"),
]
Where = Annotated[
    str | None,
    option(
        "--filter",
        en="Terms that must all hold, such as 'chip=h800 price>=9.5yuan'; a wrong one names "
        "all fields.",
        zh="须同时满足的条件,如 'chip=h800 price>=9.5yuan';写错时会列出全部字段。",
    ),
]
From = Annotated[
    str | None,
    option(
        "--from",
        en="From then on; by default now. An instant with a time zone, or +6h.",
        zh="自何时起;默认当前。带时区的时刻或 +6h。",
    ),
]
Until = Annotated[str | None, option("--to", en="Until then, exclusive.", zh="截至何时(不含)。")]
Limit = Annotated[
    int,
    typer.Option(
        "--limit",
        min=0,
        help=help_text(("Items at most; 0 shows all.", "最多条数;0 表示全部。")),
        show_default=True,
    ),
]
Wait = Annotated[
    bool,
    typer.Option(
        "--wait/--no-wait",
        help=help_text(("Wait a moment for the verdict (default).", "等待片刻以获得结果(默认)。")),
        show_default=False,
    ),
]
Key = Annotated[
    str | None,
    option(
        "--key",
        en="Idempotency key: the same command with the same key has one effect only.",
        zh="幂等键:相同键的同一命令只生效一次。",
    ),
]
PrintTerms = Annotated[
    bool,
    option(
        "--print-terms", en="Print the terms for a file; send nothing.", zh="仅打印条款,不发送。"
    ),
]
DryRun = Annotated[
    bool,
    option(
        "--dry-run",
        en="Say what it would come to: where it fits, what it would reserve, what it would get; "
        "place nothing.",
        zh="仅试算:可用资源池、将冻结的资金、预计结果;不下单。",
    ),
]
OrdersFile = Annotated[
    Path,
    argument(
        "FILE",
        en="Orders as CSV, YAML, JSON or JSON line by line (.ndjson); read and checked whole "
        "before anything is sent.",
        zh="订单文件:CSV、YAML、JSON 或逐行 JSON(.ndjson);整个文件检查无误后才发送。",
    ),
]
Expires = Annotated[
    str | None,
    option(
        "--expires",
        en="Leaves the book then; forms as above.",
        zh="届时离开订单簿;形式同上。",
    ),
]
ExpectedVersion = Annotated[
    int | None,
    option(
        "--expected-version",
        en="Version to replace; by default the one in force.",
        zh="被替换的版本;默认为当前版本。",
    ),
]
Participant = Annotated[
    str | None,
    option(
        "--participant",
        en="Another one's, for the regulator and the operator.",
        zh="他方的(监管方与运营方可用)。",
    ),
]
