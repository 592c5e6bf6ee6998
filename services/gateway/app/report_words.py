"""Titles of the daily reports and what they are about, in English and Chinese."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.reports import ReportKind

TITLES: dict[ReportKind, tuple[str, str]] = {
    "surveillance": ("Surveillance cases", "市场监察案件"),
    "concentration": ("Market concentration", "市场集中度"),
    "domestic-share": ("Share of domestic chips", "国产芯片占比"),
    "regional-flows": ("Flows between regions", "地区间算力流动"),
    "price-convergence": ("Prices from region to region", "地区间价格趋同"),
    "emergency-use": ("Register of emergency use", "应急用算登记"),
    "policy-costs": ("What policies cost", "政策成本"),
    "clock": ("Clock compliance", "时钟合规"),
    "linkage": ("Linkage errors", "订单链路错误"),
    "dead-letters": ("Dead-letter register", "死信登记"),
}
ABOUT: dict[ReportKind, tuple[str, str]] = {
    "surveillance": (
        "What the rules of surveillance found; for regulators alone.",
        "监察规则的发现，仅供监管方查阅。",
    ),
    "concentration": (
        (
            "Herfindahl-Hirschman index (0 to 10,000) and the largest three beneficial owners, by "
            "side, region, chip class and hour of delivery; hour 'all' is the day."
        ),
        (
            "按买卖方、地区、芯片类别与交付时段列出集中度指数（0 至 10,000）及前三大实际控制人；"
            "时段 all 为全天合计。"
        ),
    ),
    "domestic-share": (
        (
            "Compute allocated by the day's rounds, by region and chip class, with the share of "
            "domestic chips in TFLOPS-hours. Then each round of which a policy asked a share: "
            "what was asked and achieved, the premium, and what was missed."
        ),
        (
            "当日各轮分配的算力，按地区与芯片类别列出，并给出国产芯片占比（按 TFLOPS 小时）；"
            "其后为有国产占比要求的各轮：要求占比、实际占比、溢价与缺口。"
        ),
    ),
    "regional-flows": (
        (
            "Where capacity lies against where demand is: the region of a demand's users, else of "
            "its data, else unstated; then what each region exported to others in all, and "
            "imported from them."
        ),
        (
            "算力所在地区与需求所在地区：需求地区取用户所在地，否则取数据所在地，否则为未说明；"
            "其后为各地区输出与输入的合计。"
        ),
    ),
    "price-convergence": (
        (
            "Hours of delivery of the day: how far the lowest price of a chip class in one region "
            "was from that in another, by the latest round of each hour; for all chips, what links "
            "between the regions carried, by all rounds."
        ),
        (
            "当日各交付时段：同类芯片在两地最低价之差（按各时段最近一轮）；"
            "全部芯片一行为各轮合计的地区间链路流量与拥塞租金。"
        ),
    ),
    "emergency-use": (
        (
            "Each urgent round of the day: the mobilisation that it served, who declared it and "
            "why, what it took, how much of that from the reserve, and at which price. Then the "
            "other demand that got less: the ordinary round is cleared once more with the chips "
            "given back; whoever has the round files can do the same."
        ),
        (
            "当日每一紧急轮次：所服务的动员、提出与确认人及原因、用量、其中取自储备的部分与价格；"
            "其后为因此少得的其他需求：归还紧急用量后重新出清普通轮次而得，持轮次文件者可复算。"
        ),
    ),
    "policy-costs": (
        (
            "Each round of the day under rules that have a cost, as far as it is worked out: its "
            "welfare without a rule less that with it, as the round's file gives by a second "
            "clearing, and what buyers and sellers gained or lost by it, by region of supply. "
            "Where two rules bind together their costs do not add up."
        ),
        (
            "当日受有成本政策约束的各轮（以已算出者为限）：无该政策时的福利减去有时的福利，"
            "由轮次文件再次出清得出；并按供给地区列出买卖双方的得失。两项政策共同起作用时，"
            "其成本不可相加。"
        ),
    ),
    "clock": (
        (
            "How far the stamp of an event is from the market's clock at the instant of its "
            "recording, in real microseconds. The gateway stamps and records at once, so it is "
            "bound on both sides; matching and the ledger record later than what they tell of, "
            "never before."
        ),
        (
            "事件时间戳与其记录时刻市场时钟之差（真实微秒）。网关即时记录，双向受限；"
            "撮合与账本记录晚于所述事件，但不得早于它。"
        ),
    ),
    "linkage": (
        (
            "Events of orders, and allocations, that do not lead back to an order, a cause or a "
            "round. It must be empty."
        ),
        "无法追溯到订单、原因或轮次的订单事件与分配，应为空。",
    ),
    "dead-letters": (
        "Records that no service could take, of all markets, with the reason.",
        "各服务无法接收的记录（全部市场）及原因。",
    ),
}
