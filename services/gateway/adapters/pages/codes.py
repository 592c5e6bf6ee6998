"""Codes of the exchange in words: what entries are for, services and their parts, rights, regions.

Programs get the codes; people read them in their language. A code that is not here is shown as it
is, so that a new one is seen rather than hidden.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.gateway.adapters.pages.regions import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Words = tuple[str, str]

PURPOSES: dict[str, Words] = {
    "deposit": ("deposit", "入金"),
    "withdrawal": ("payout", "出金"),
    "hold_placed": ("money held", "资金冻结"),
    "hold_replaced": ("hold replaced", "更换冻结"),
    "hold_captured": ("money taken", "资金扣收"),
    "hold_kept": ("rest held again", "剩余续冻"),
    "hold_released": ("money freed", "资金解冻"),
    "hold_expired": ("hold expired", "冻结到期"),
    "link_tariff": ("link tariff", "链路资费"),
    "link_rent": ("congestion rent", "链路拥塞租金"),
    "delivery_paid": ("delivery paid", "交付付款"),
    "fee": ("fee", "费用"),
    "refund": ("refund", "退款"),
    "compensation": ("compensation", "补偿"),
    "penalty": ("penalty", "违约金"),
    "penalty_owed": ("penalty owed", "应付违约金"),
    "enterprise_fee": ("enterprise's fee", "需求方费用"),
    "enterprise_fee_owed": ("enterprise's fee owed", "应付需求方费用"),
    "premium_assessed": ("premium assessed", "溢价计提"),
    "premium_credit": ("premium paid out", "溢价发放"),
    "premium_charge": ("premium charged", "溢价收取"),
    "premium_missed": ("premium from collateral", "保证金扣收溢价"),
    "premium_owed": ("premium owed", "应付溢价"),
    "debt_collected": ("debt collected", "欠款扣收"),
    "collateral_in": ("to collateral", "转入保证金"),
    "collateral_out": ("from collateral", "转出保证金"),
    "reversal": ("reversal", "冲正"),
}
"""What a journal entry is for -> (English, Chinese)."""

ENTRY_KINDS: dict[str, Words] = {
    "single": ("transfer", "转账"),
    "hold": ("hold", "冻结"),
    "post": ("capture", "扣收"),
    "void": ("release", "解冻"),
    "expire": ("expiry", "到期"),
    "posted": ("posted", "已入账"),
    "pending": ("pending", "待定"),
}
"""What an entry does, and in which layer."""

STEPS: dict[str, Words] = {
    "submitted": ("submitted", "提交"),
    "amended": ("amended", "修改"),
    "cancel_requested": ("cancel asked for", "请求撤单"),
    "status": ("verdict", "裁定"),
    "hold_refused": ("hold refused", "冻结失败"),
    "capacity_wanted": ("chips asked for", "请求预留"),
    "capacity_held": ("chips reserved", "容量预留"),
    "capacity_refused": ("chips not free", "容量不足"),
    "allocated": ("allocated", "分配"),
    "resold": ("sold on", "转售"),
    "booked": ("booked", "记账"),
} | {name: PURPOSES[name] for name in ("hold_placed", "hold_captured", "hold_released")}
"""Steps in the life of an order."""

SERVICES: dict[str, Words] = {
    "ledger": ("ledger", "账本"),
    "matching": ("matching", "撮合"),
    "auditor": ("auditor", "审计"),
    "gateway": ("gateway", "网关"),
    # Those beside it, as they are called where several run on one machine.
    **{f"gateway-{number}": (f"gateway {number}", f"网关 {number}") for number in range(1, 4)},
    "market": ("market", "市场"),
    "rounds": ("rounds", "轮次"),
    "journal": ("journal", "日记账"),
    "http": ("HTTP", "HTTP"),
    "postgres": ("PostgreSQL", "PostgreSQL"),
    "kafka": ("Kafka", "Kafka"),
    "projection": ("projection", "投影"),
}
"""Services and the parts that they report on."""

FACTS: dict[str, Words] = {
    "epoch": ("term", "任期"),
    "lag_records": ("records to read", "待读记录"),
    "log_size": ("log entries", "日志条目"),
    "round_seq": ("round", "轮次"),
    "books_compared": ("books compared", "已核对订单簿"),
    "ledger_leaves": ("reads the ledger's leaves", "读取账本叶"),
    "entries_checked": ("entries checked", "已检查条目"),
    "entries_published": ("entries published", "已公布条目"),
    "rounds_verified": ("rounds verified", "已验证轮次"),
    "rounds_booked": ("rounds booked", "已入账轮次"),
    "findings": ("findings", "发现问题"),
}
"""What services say of themselves."""

SCOPES: dict[str, Words] = {
    "read": ("read", "查询"),
    "trade": ("trade", "交易"),
    "money": ("money", "资金"),
    "govern": ("govern", "治理"),
    "admin": ("admin", "管理"),
}
"""What a key may do."""

ACTS: dict[str, Words] = {
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

REPORTED: dict[str, Words] = {
    "all": ("all", "合计"),
    "others": ("others", "其他"),
    "unstated": ("unstated", "未说明"),
    "seller": ("seller", "卖方"),
    "buyer": ("buyer", "买方"),
    "domestic": ("domestic", "国产"),
    "imported": ("imported", "进口"),
    "route": ("route", "流向"),
    "flow:exported": ("exported", "输出"),
    "flow:imported": ("imported", "输入"),
    "flow:route": ("route", "流向"),
} | NAMES
"""What the tables of reports say in codes."""

_ALL: tuple[Mapping[str, Words], ...] = (PURPOSES, ENTRY_KINDS, STEPS, SERVICES, FACTS, SCOPES)


def word(code: str, language: str, *tables: Mapping[str, Words]) -> str:
    """Return a code in words.

    Args:
        code: The code.
        language: ``zh`` or ``en``.
        tables: Where to look, the first that has it; everywhere but in reports if none is named.
    """
    for table in tables or _ALL:
        if code in table:
            return table[code][language == "zh"]
    return code


def act(name: str, language: str) -> str:
    """Return what was asked for in words.

    Args:
        name: Of its route.
        language: ``zh`` or ``en``.
    """
    return word(name, language, ACTS)


FILTERS: dict[str, Callable[..., str]] = {"word": word, "act": act}
