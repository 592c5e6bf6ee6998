"""Codes of the exchange in words, once for its pages, its command line and its client's reports.

Programs get the codes; people read them in their language. A code that is not here is shown as it
is, so that a new one is seen rather than hidden.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

Words = tuple[str, str]
"""The same in English and Chinese."""

Table = dict[str, Words]

ORDER_STATES: Final[Table] = {
    "accepted": ("accepted", "已接受"),
    "open": ("open", "在簿"),
    "part-filled": ("part-filled", "部分成交"),
    "filled": ("filled", "已成交"),
    "cancelled": ("cancelled", "已撤销"),
    "expired": ("expired", "已到期"),
    "rejected": ("rejected", "已拒绝"),
}

ROUND_STATES: Final[Table] = {
    "sealed": ("sealed", "已封簿"),
    "cleared": ("cleared", "已出清"),
    "closed": ("closed", "已公布"),
}

CLEARINGS: Final[Table] = {
    "optimal": ("optimal", "最优"),
    "feasible": ("feasible", "可行"),
    "fallback": ("by the fallback rule", "按备用规则"),
}
"""How good a round's result is known to be."""

PURPOSES: Final[Table] = {
    "deposit": ("deposit", "入金"),
    "withdrawal": ("payout", "出金"),
    "hold_placed": ("money held", "资金冻结"),
    "hold_replaced": ("hold replaced", "更换冻结"),
    "hold_kept": ("rest held again", "剩余续冻"),
    "hold_released": ("money released", "资金解冻"),
    "hold_expired": ("hold expired", "冻结到期"),
    "hold_captured": ("money captured", "资金划扣"),
    "delivery_paid": ("paid for delivery", "交付付款"),
    "link_tariff": ("tariff of links", "链路资费"),
    "link_rent": ("rent of full links", "链路拥塞租金"),
    "fee": ("provider's fee", "供给方费用"),
    "enterprise_fee": ("enterprise's fee", "需求方费用"),
    "enterprise_fee_owed": ("enterprise's fee owed", "欠付需求方费用"),
    "refund": ("refund", "退款"),
    "compensation": ("compensation", "补偿"),
    "penalty": ("penalty", "违约金"),
    "penalty_owed": ("penalty owed", "欠付违约金"),
    "premium_assessed": ("premiums to be charged", "待收溢价"),
    "premium_charge": ("premium of a domestic share", "国产占比溢价"),
    "premium_missed": ("premium of what was not delivered", "未交付部分的溢价"),
    "premium_owed": ("premium owed", "欠付溢价"),
    "premium_credit": ("credit of a domestic share", "国产占比补贴"),
    "debt_collected": ("debt paid", "偿还欠款"),
    "collateral_in": ("made collateral", "转入保证金"),
    "collateral_out": ("collateral freed", "转出保证金"),
    "reversal": ("reversal", "冲正"),
    "erased": ("erased", "已抹除"),
}
"""What a journal entry is for."""

ENTRY_KINDS: Final[Table] = {
    "single": ("transfer", "转账"),
    "hold": ("hold", "冻结"),
    "post": ("capture", "划扣"),
    "void": ("release", "解冻"),
    "expire": ("expiry", "到期"),
    "posted": ("posted", "已入账"),
    "pending": ("pending", "待定"),
}
"""What an entry does, and in which layer."""

STEPS: Final[Table] = {
    "submitted": ("submitted", "提交"),
    "amended": ("amended", "修改"),
    "cancel_requested": ("cancel requested", "请求撤单"),
    "status": ("state", "状态"),
    "hold_refused": ("hold refused", "冻结被拒"),
    "capacity_wanted": ("chips asked for", "请求预留"),
    "capacity_held": ("chips reserved", "容量预留"),
    "capacity_refused": ("chips not free", "容量不足"),
    "allocated": ("allocated", "分配"),
    "resold": ("sold on", "转售"),
    "booked": ("booked", "记账"),
} | {name: PURPOSES[name] for name in ("hold_placed", "hold_captured", "hold_released")}
"""Steps in the life of an order."""

ROLES: Final[Table] = {
    "provider": ("provider", "供给方"),
    "enterprise": ("enterprise", "需求方"),
    "regulator": ("regulator", "监管方"),
    "operator": ("operator", "运营方"),
}

STANDINGS: Final[Table] = {"active": ("active", "有效"), "suspended": ("suspended", "已暂停")}
"""Of participants and of people."""

LOGIN_STATES: Final[Table] = {
    "none": ("none", "无"),
    "active": ("active", "有效"),
    "unfinished": ("unfinished", "未完成"),
    "unknown": ("unknown", "未知"),
}
"""Of a login at the broker."""

WEBHOOK_STATES: Final[Table] = {
    "active": ("active", "启用"),
    "disabled": ("disabled", "已停用"),
}

WEBHOOK_ENDS: Final[Table] = {
    "failing": ("failing", "持续失败"),
    "gone": ("gone", "地址已撤除"),
    "owner": ("owner", "本方停用"),
}
"""Why a webhook is disabled."""

DELIVERY_ERRORS: Final[Table] = {
    "status": ("status", "应答状态"),
    "redirect": ("redirect", "重定向"),
    "timeout": ("timeout", "超时"),
    "connect": ("connect", "无法连接"),
    "tls": ("tls", "证书"),
    "protocol": ("protocol", "协议"),
    "host_unknown": ("host unknown", "主机不存在"),
    "host_forbidden": ("host forbidden", "主机不被允许"),
    "address_forbidden": ("address forbidden", "地址不被允许"),
}
"""Why a message of a webhook was not taken."""

SCOPES: Final[Table] = {
    "read": ("read", "查询"),
    "trade": ("trade", "交易"),
    "money": ("money", "资金"),
    "govern": ("govern", "治理"),
    "admin": ("admin", "管理"),
}
"""What a key may do."""

ACTS: Final[Table] = {
    "add_key": ("add a key", "新建密钥"),
    "add_member": ("add a member", "添加成员"),
    "add_signing_key": ("add a signing key", "登记签名密钥"),
    "add_webhook": ("add a webhook", "添加推送地址"),
    "admit": ("admit a participant", "准入参与方"),
    "allow_direct_access": ("allow direct access", "允许直连"),
    "change_case": ("decide a case", "处理案件"),
    "change_member": ("change a member", "修改成员"),
    "change_webhook": ("change a webhook", "修改推送地址"),
    "confirm": ("confirm an urgent need", "确认紧急动员"),
    "confirm_mobilisation": ("confirm an urgent need", "确认紧急动员"),
    "define_market": ("define a market", "定义市场"),
    "delete_webhook": ("delete a webhook", "删除推送地址"),
    "deposit": ("pay money in", "入金"),
    "discard": ("put a dead letter aside", "搁置死信"),
    "discard_dead_letter": ("put a dead letter aside", "搁置死信"),
    "end": ("end an urgent need", "结束紧急动员"),
    "end_direct_login": ("end a broker login", "停用直连账号"),
    "end_mobilisation": ("end an urgent need", "结束紧急动员"),
    "erase": ("erase an entry", "抹除条目"),
    "list_admin_acts": ("read the record of acts", "查询操作记录"),
    "make_direct_login": ("make a broker login", "创建直连账号"),
    "move_collateral": ("move collateral", "划转保证金"),
    "move_money": ("move money", "资金划转"),
    "ping_webhook": ("try a webhook", "测试推送地址"),
    "propose": ("propose an urgent need", "提出紧急动员"),
    "propose_mobilisation": ("propose an urgent need", "提出紧急动员"),
    "redeliver_message": ("deliver a message again", "重新推送消息"),
    "redrive": ("send a dead letter again", "重发死信"),
    "redrive_dead_letter": ("send a dead letter again", "重发死信"),
    "register": ("admit a participant", "准入参与方"),
    "remove_member": ("remove a member", "移除成员"),
    "reverse": ("reverse an entry", "冲正"),
    "revoke_key": ("revoke a key", "吊销密钥"),
    "revoke_signing_key": ("revoke a signing key", "吊销签名密钥"),
    "rotate_webhook_secret": ("renew a webhook's secret", "更换推送密钥"),
    "set_policy": ("set a policy", "制定政策"),
    "set_settlement_terms": ("set settlement terms", "设定结算条款"),
    "set_standing": ("suspend or restore", "暂停或恢复"),
    "simulate": ("simulate a policy", "政策模拟"),
    "simulate_policy": ("simulate a policy", "政策模拟"),
    "withdraw": ("withdraw a policy", "撤销政策"),
}
"""What is asked for under scopes that are recorded, by the name of its route."""

OUTCOMES: Final[Table] = {
    "done": ("done", "完成"),
    "refused": ("refused", "拒绝"),
    "failed": ("failed", "失败"),
    "unknown": ("unknown", "未知"),
}
"""How an act that is recorded was answered."""

CASE_KINDS: Final[Table] = {
    "self_match": ("match with itself", "自成交"),
    "wash": ("wash trade", "对倒交易"),
    "layering": ("layering", "分层挂单"),
    "stuffing": ("stuffing", "塞单"),
    "marking": ("marking", "操纵定价"),
    "withholding": ("withholding", "囤积供给"),
    "concentration": ("concentration", "集中度过高"),
    "pivotal": ("indispensable supplier", "关键供给方"),
    "outlier": ("odd price", "异常价格"),
    "favouritism": ("favouritism", "偏袒交易"),
}

CASE_STATES: Final[Table] = {
    "open": ("open", "待处理"),
    "under-review": ("under review", "审查中"),
    "closed": ("closed", "已结案"),
}

SEVERITIES: Final[Table] = {
    "low": ("low", "低"),
    "medium": ("medium", "中"),
    "high": ("high", "高"),
}

FIGURES: Final[Table] = {
    "allocations": ("Allocations", "分配笔数"),
    "area": ("Where", "范围"),
    "burst": ("Most in a minute", "一分钟内最多"),
    "cancelled_chip_hours": ("Chip-hours withdrawn", "撤回卡时"),
    "chip_hours": ("Chip-hours", "卡时"),
    "chips": ("Chips", "卡数"),
    "filled_chip_hours": ("Chip-hours filled", "成交卡时"),
    "fills": ("Orders filled", "成交订单"),
    "fleeting": ("Fleeting messages", "瞬时消息"),
    "hhi": ("Index (HHI)", "集中度指数（HHI）"),
    "loss": ("Difference", "差额"),
    "median": ("Median price", "价格中位数"),
    "messages": ("Messages", "消息条数"),
    "move_ppm": ("Largest move", "最大价格变动"),
    "net_chip_hours": ("Chip-hours for good", "净转移卡时"),
    "orders": ("Orders", "订单数"),
    "owners": ("Owners", "实际控制人"),
    "periods": ("Hours", "时段数"),
    "pool": ("Pool", "资源池"),
    "price": ("Farthest price", "最远价格"),
    "prices": ("Prices", "价格个数"),
    "round_id": ("Round", "轮次"),
    "rounds": ("Rounds", "轮数"),
    "rsi_ppm": ("Residual supply, least", "剩余供给指数（最低）"),
    "share_ppm": ("Largest share", "最大占比"),
    "top_ppm": ("Share of the largest", "最大供给方占比"),
}
"""What is measured in a case."""

MONEY_FIGURES: Final = frozenset({"loss", "median", "price"})
"""Those of them that are micro-yuan."""

FINDINGS: Final[Table] = {
    "round_verified": ("round verified", "轮次已核验"),
    "round_refuted": ("round refuted", "轮次未通过"),
    "journal_verified": ("journal verified", "账本已核验"),
    "journal_refuted": ("journal refuted", "账本未通过"),
}
"""Verdicts of the auditor."""

STUDY_STATES: Final[Table] = {
    "waiting": ("waiting", "等待中"),
    "running": ("running", "进行中"),
    "pending": ("pending", "待计算"),
    "ready": ("ready", "已算出"),
    "failed": ("failed", "失败"),
    "passed_over": ("passed over", "已略过"),
}
"""Of what is worked out about a policy."""

REGIONS: Final[Table] = {
    "hebei": ("Hebei", "河北"),
    "beijing": ("Beijing", "北京"),
    "tianjin": ("Tianjin", "天津"),
}

REPORTED: Final[Table] = {
    "all": ("all", "合计"),
    "others": ("others", "其他"),
    "unstated": ("unstated", "未说明"),
    "seller": ("seller", "卖方"),
    "buyer": ("buyer", "买方"),
    "domestic": ("domestic", "国产"),
    "imported": ("imported", "进口"),
    "urgent round": ("urgent round", "紧急轮次"),
    "displaced": ("displaced", "被挤出"),
    "route": ("route", "流向"),
    "certain": ("certain", "确定"),
    "within the gap": ("within the gap", "在差距之内"),
    "cause": ("cause", "原因"),
    "order": ("order", "订单"),
    "round": ("round", "轮次"),
    "flow:exported": ("exported", "输出"),
    "flow:imported": ("imported", "输入"),
    "flow:route": ("route", "流向"),
} | REGIONS
"""What the tables of reports say in codes of their own."""

RULES: Final[Table] = {
    "price_limits": ("price limits", "价格限制"),
    "domestic_share": ("domestic share", "国产占比"),
    "largest_share": ("largest share", "最大占比"),
    "trading_halt": ("trading halt", "停牌"),
    "circuit_breaker": ("circuit breaker", "熔断"),
}
"""Kinds of policies."""

REPORT_CELLS: Final[Table] = (
    STEPS | RULES | REPORTED | CASE_KINDS | CASE_STATES | SEVERITIES | CLEARINGS
)
"""What the cells of coded columns of reports say."""

REPORT_COLUMNS: Final = frozenset(
    {
        "capacity_region",
        "chip",
        "demand_region",
        "flow",
        "hour",
        "kind",
        "missing",
        "origin",
        "proof",
        "region",
        "region_a",
        "region_b",
        "severity",
        "side",
        "state",
        "within_gap",
    }
)
"""Columns of reports that have codes; in the others the same letters are somebody's name."""


def words(code: str, *tables: Mapping[str, Words]) -> Words:
    """Return a code in words, from the first table that has it; else as it is.

    Args:
        code: The code.
        tables: Where to look.
    """
    return next((table[code] for table in tables if code in table), (code, code))


def reported(column: str, code: str) -> Words:
    """Return a cell of a report in words, if its column has codes."""
    if column not in REPORT_COLUMNS:
        return (code, code)
    return words(f"flow:{code}" if column == "flow" else code, REPORT_CELLS)
