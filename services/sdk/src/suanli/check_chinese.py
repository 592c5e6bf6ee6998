"""Problems in Chinese: the sentences of the checks, the auditor and the ledger, recognised.

Events, the API and files carry a problem as one English sentence, and a sentence is its kind and
its values: `PROBLEMS` has the kinds. So what was told long ago can be read in Chinese too, and a
sentence of a kind that is not here stays as it is. Standard library alone.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from suanli.check_messages import SUBJECTS

PREFIXES: Final[dict[str, str]] = {
    "entry {n}": "第 {n} 条",
    "leaf {n}": "第 {n} 叶",
    "head of size {n}": "大小为 {n} 的检查点",
    "checkpoint {n}": "检查点 {n}",
    "signed head {n}": "已签名检查点 {n}",
    "tile {n}": "哈希块 {n}",
    "round file": "轮次文件",
    "premiums": "溢价",
    "{round} premiums": "{round} 溢价",
    "{offer} for {demand} in {pool} from period {start}": (
        "{offer} 供给 {demand}，资源池 {pool}，自时段 {start} 起"
    ),
    "{round} {offer} for {demand} in {pool} from period {start}": (
        "{round} 的 {offer} 供给 {demand}，资源池 {pool}，自时段 {start} 起"
    ),
    "{allocation} resells {source}": "{allocation} 转售 {source}",
    "the stored log must be what was booked and signed, was changed": (
        "存储的日志须与入账并签名时一致，实已被更改"
    ),
}
"""What stands before a colon; anything else there is an id or a path and stays."""

PROBLEMS: Final[dict[str, str]] = {
    # The journal, entry by entry.
    "missing, the next is {n}": "缺失，其后为第 {n} 条",
    "not a journal entry ({error})": "不是日记账条目（{error}）",
    "says that it is entry {n}": "自称为第 {n} 条",
    "{entry} is there twice": "{entry} 出现两次",
    "hold {hold} is unknown or resolved before": "冻结 {hold} 不存在或此前已处理",
    "takes {amount} of a hold of {held}": "从 {held} 的冻结中划走 {amount}",
    "{layer} sums to {sum}": "{layer} 层合计为 {sum}，应为零",
    "{layer} must move {*wanted}, was {*found}": "{layer} 层应变动 {wanted}，实为 {found}",
    "{account} {layer} is {total} by its postings, said {said}": (
        "{account} 的 {layer} 层按分录为 {total}，所述为 {said}"
    ),
    "{account} has posting {n}, said {said}": "{account} 的分录序号为 {n}，所述为 {said}",
    "{account} is in {unit}, was {found}": "{account} 的单位为 {unit}，实为 {found}",
    "{account} has {amount} free": "{account} 的可用余额为 {amount}",
    "missing, though a head or a later entry was published": "缺失，而检查点或其后条目已公布",
    "published again with other bytes": "重新公布时内容不同",
    "was published, the ledger's database has it no more": "曾公布，账本数据库中已不存在",
    "the ledger's database holds another than was published": "账本数据库中的内容与已公布的不同",
    "was erased by {erasure}; an order for leaf {hash} must be on the log before": (
        "已由 {erasure} 抹除；此前日志中须有针对叶 {hash} 的命令"
    ),
    "was erased by hand; an order for leaf {hash} must be on the log before": (
        "已被人工抹除；此前日志中须有针对叶 {hash} 的命令"
    ),
    # Heads.
    "is beyond the {n} entries": "超出现有 {n} 条",
    "root is {root}, the entries give another": "根为 {root}，条目得出另一根",
    "root is {root}, the published entries give another; up to {size} they fit": (
        "根为 {root}，已公布条目得出另一根；至大小 {size} 相符"
    ),
    "root is {root}, later {other}": "根先为 {root}，后为 {other}",
    "is not signed, a smaller one is": "未签名，而更小的检查点已签名",
    "no head is signed": "没有已签名的检查点",
    "what is signed has size {size}, root {root}": "所签内容大小为 {size}，根为 {root}",
    "a head must have origin, size and root, was {*text}": (
        "检查点须有来源、大小与根，实为 {text}"
    ),
    "a head must be of {name}, was of {*origin}": "检查点须属于 {name}，实属 {origin}",
    "a head must be signed by {name}, was not": "检查点须由 {name} 签名，实未签名",
    "the signature of {name} must fit the head, did not": "{name} 的签名须与检查点相符，实不相符",
    "the cosignature of {name} must fit the head, did not": (
        "{name} 的联署须与检查点相符，实不相符"
    ),
    "a note must be text, a blank line and signatures, was not": (
        "检查点文本须为正文、空行与签名，实不是"
    ),
    "a signature must be a dash, name and Base64, was {*text}": (
        "签名须为破折号、名称与 Base64，实为 {text}"
    ),
    "Base64 was expected, was {*text}": "须为 Base64，实为 {text}",
    "a hash must have {bytes} bytes, was {n}": "哈希须有 {bytes} 字节，实为 {n}",
    "a size must be a decimal, was {*text}": "大小须为十进制数，实为 {text}",
    "a size must be at most {most}, was {n}": "大小至多为 {most}，实为 {n}",
    # The stored log.
    "its opening is gone, and no reason is given": "其开启值已失，而无说明",
    "no transfer has it": "没有对应的转账",
    "its rows are not what it commits to": "其数据行与承诺不符",
    "entry and rows differ in {*names}": "条目与数据行不同：{names}",
    "its hash is not the one in the tree": "其哈希与树中不同",
    "leaf {n} is missing, the next is {next}": "缺少第 {n} 叶，其后为第 {next} 叶",
    "leaf {n} is missing, and all up to {last}: the tree has them": (
        "缺少第 {n} 叶至第 {last} 叶，而树中有之"
    ),
    "checkpoint of size {n} is beyond the log": "大小为 {n} 的检查点超出日志",
    "signed head of size {n} is beyond the log": "大小为 {n} 的已签名检查点超出日志",
    "root is {root}, log says otherwise": "根为 {root}，与日志不符",
    "its frontier is not the log's": "其前沿与日志不符",
    "level {n} has another hash of it": "第 {n} 层的哈希与之不同",
    # Rounds: what was told and booked against the file.
    "the check must end within {s} s, did not": "核验须在 {s} 秒内完成，实未完成",
    "the checker must exit with 0, was {code}": "核验程序须以 0 退出，实为 {code}",
    "the checker refused the round without a reason": "核验程序未说明理由即不通过该轮",
    "round {what} must be {wanted} as told before, was {found}": (
        "轮次的 {what} 须与此前公布的 {wanted} 一致，实为 {found}"
    ),
    "{name} must be there as in the round file, was None": "{name} 在轮次文件中有，公布中缺失",
    "{name} must be None as in the round file, was there": "{name} 在轮次文件中没有，却已公布",
    "{name} must be {*wanted} as in the round file, was {*found}": (
        "{name} 须与轮次文件中的 {wanted} 一致，实为 {found}"
    ),
    "parts must be {*wanted}, was {*found}": "各部分须为 {wanted}，实为 {found}",
    "data must be zlib, was {*error}": "数据须为 zlib，实为 {error}",
    "file must be whole and at most {n} bytes": "文件须完整且至多 {n} 字节",
    "sha256 must be {wanted}, was {found}": "SHA-256 须为 {wanted}，实为 {found}",
    "not in the round's file": "轮次文件中没有",
    "only in the round's file": "仅见于轮次文件",
    "the file says {n}, told was {told}": "文件为 {n}，公布为 {told}",
    "periods, chips or prices are not those of the file": "时段、芯片数或价格与文件不符",
    "told of {party}, the allocation is of {owner}": "公布属 {party}，而分配属 {owner}",
    "the round's file says {n}, the journal took {taken}": ("轮次文件为 {n}，日记账划入 {taken}"),
    "the round's file says {n} of tariffs, the journal paid {paid}": (
        "轮次文件的链路资费为 {n}，日记账支付 {paid}"
    ),
    "the round's file says {n} of rents, the journal paid {paid}": (
        "轮次文件的链路租金为 {n}，日记账支付 {paid}"
    ),
    "the round's file charges {n}, the journal assessed {assessed}": (
        "轮次文件收取 {n}，日记账计提 {assessed}"
    ),
    "taken from {payer}, the enterprise is {enterprise}": (
        "自 {payer} 划入，而企业为 {enterprise}"
    ),
    "escrow paid {n} to {account}, its allocations cost {due}": (
        "托管向 {account} 支付 {n}，其分配值 {due}"
    ),
    "the policy fund paid {n} to {person}, premiums come to {due}": (
        "政策基金向 {person} 支付 {n}，溢价应为 {due}"
    ),
    "premiums charged {n} to {person}, they cost {due}": ("向 {person} 收取溢价 {n}，应为 {due}"),
    "a later round was booked, this one was not": "后续轮次已记账，而本轮未记账",
    "books {demand} of {round}, which was booked before": (
        "为 {round} 的 {demand} 记账，而此前已记账"
    ),
    "moves {n} of {account} in no premium's way": "变动 {account} 的 {n}，不合溢价的收付方式",
    "moves {n} between {account} and {other}, for which nothing is in escrow": (
        "在 {account} 与 {other} 之间划转 {n}，而托管中并无相应款项"
    ),
    "moves escrow and names no round and order": "变动托管资金，而未注明轮次与订单",
    "escrow has paid {n} for {demand} of {round}, it took {taken}": (
        "托管为 {round} 的 {demand} 支付 {n}，仅收入 {taken}"
    ),
    # Capacity.
    "allocated, but there is no such offer": "已分配，而并无此供给报价",
    "allocated in {pool}, which it never offered": "在 {pool} 分配，而从未在此报价",
    "{n} chips given, offered {most}": "分配 {n} 卡，报价仅 {most} 卡",
    "{n} chips sold over all markets, there are {most}": "各市场共售出 {n} 卡，实有 {most} 卡",
    "there is no such allocation": "并无此分配",
    "sold by {seller}, bought by {buyer}": "由 {seller} 售出，而买方为 {buyer}",
    "sold in {pool}, bought in {other}": "在 {pool} 售出，而买自 {other}",
    "sold through {n} sales, at most {most} may be": "经 {n} 次买卖售出，至多可 {most} 次",
    # Settlements.
    "{hour} is settled twice": "{hour} 结算两次",
    "{hour} is no hour of the allocation": "{hour} 不是该分配的时段",
    "{hour} lapsed, and {n} were delivered": "{hour} 已逾期，却记交付 {n} 卡",
    "{hour} delivered {n} of {chips} chips": "{hour} 在 {chips} 卡中交付 {n} 卡",
    "{hour} delivered must be {n}, nobody reported it in time; was {found}": (
        "{hour} 的交付须为 {n}（无人按时报告），实为 {found}"
    ),
    "{hour} delivered must be {n}, that was reported; was {found}": (
        "{hour} 的交付须为所报告的 {n}，实为 {found}"
    ),
    "{n} passed on of {came} that came of {source}": "{source} 交付 {came} 卡，却转交 {n} 卡",
    "settled, and {source}, which it resells, is not": "已结算，而其转售的 {source} 未结算",
    "delivered must be {n} of what came of {source}, was {found}": (
        "由 {source} 转交的须为 {n} 卡，实为 {found} 卡"
    ),
    "delivered must be {n} in all of {source}, was {found}": (
        "由 {source} 转交的合计须为 {n} 卡，实为 {found} 卡"
    ),
    "terms of version {version} are not in force": "第 {version} 版结算条款未生效",
    "terms of version {version} were never told": "第 {version} 版结算条款从未公布",
    "{hour}: {source} was never settled": "{hour}：{source} 从未结算",
    "allocation {allocation} was never told": "分配 {allocation} 从未公布",
    "told again, and otherwise": "再次公布，内容不同",
    "{purpose} of {n} is of no settlement": "{purpose} 款项 {n} 不属于任何结算",
    "{purpose} of {n} is missing in the journal": "日记账缺少 {purpose} 款项 {n}",
    "{purpose} of {n}, nothing is due": "{purpose} 款项 {n}，而无应付",
    "{purpose} must go from {debit} to {credit}": "{purpose} 须由 {debit} 付至 {credit}",
    "premiums of what was missed must be {n}, were {found}": (
        "未交付部分的溢价须为 {n}，实为 {found}"
    ),
    "{name} must be at most {most}, was {found}": "{name} 至多为 {most}，实为 {found}",
    "{name} must be {least} to {most} as others of its round, was {found}": (
        "{name} 须与同轮其他结算一致，为 {least} 至 {most}，实为 {found}"
    ),
    "{hour} {name} must be {n}, was {found}": "{hour} 的 {name} 须为 {n}，实为 {found}",
    "{name} must be {*wanted}, was {*found}": "{name} 须为 {wanted}，实为 {found}",
    # Of what cannot be read at all.
    "must be {*wanted}, was {*found}": "须为 {wanted}，实为 {found}",
    # Books.
    "told another status than event {event} of the log gives": (
        "所公布的状态与日志事件 {event} 不符"
    ),
    "records must be taken in from {n} on, where the round before ended, was {found}": (
        "须自上一轮止处 {n} 起读取记录，实自 {found} 起"
    ),
    "is not what the log gives": "与日志所得不符",
    "stands open on the log at the cut, is not in the book": "截止时在日志中有效，却不在订单簿中",
    "stands open on the log at the cut, is not in the orders that policies keep out": (
        "截止时在日志中有效，却不在因政策不进入的订单中"
    ),
    "is in the book, does not stand open on the log at the cut": (
        "在订单簿中，而截止时在日志中并非有效"
    ),
    "is in the orders that policies keep out, does not stand open on the log at the cut": (
        "在因政策不进入的订单中，而截止时在日志中并非有效"
    ),
    "its {*names} in the book must be as on the log at the cut": (
        "其在订单簿中的 {names} 须与截止时的日志一致"
    ),
    "its {name} in the book must be the same for orders of one hand": (
        "同一方的订单在订单簿中的 {name} 须相同"
    ),
    "must be what the rounds before gave its participant": "须为此前轮次分配给该参与方的数量",
    "must be what the rounds before gave in all": "须为此前轮次分配的总数",
    "its {*missing} must be on the log before later rounds": (
        "其 {missing} 须先于后续轮次出现在日志中"
    ),
    # Signed records.
    "{place} must be on the log, was not": "{place} 须在日志中，实不在",
    "{key} must be of {participant}, was told of by no event": (
        "密钥 {key} 须属于 {participant}，而没有事件公布过"
    ),
    "{place} must be signed by {key}, was not": "{place} 须由 {key} 签名，实未签名",
    "{key} must count before the order, was told of {s} s later": (
        "密钥 {key} 须先于订单生效，实晚 {s} 秒公布"
    ),
    "{key} must count still, was revoked {s} s before": (
        "密钥 {key} 须仍有效，实已于 {s} 秒前吊销"
    ),
    "must have participant, market and terms of its record, had others ({place})": (
        "参与方、市场与条款须与其记录一致，实不一致（{place}）"
    ),
}
"""Kinds of problems: as they are told, and in Chinese. ``{name}`` has no space, ``{*name}`` may."""

VALUES: Final[dict[str, str]] = {
    "missing": "缺失",
    "nothing": "无",
    "there": "存在",
    "there once": "只出现一次",
    "readable": "可读",
    "JSON in UTF-8": "UTF-8 编码的 JSON",
    "one of the book": "订单簿之一",
    "the same throughout": "各时段相同",
    "an integer of at most 63 bits": "不超过 63 位的整数",
    "an integer from 0 to 2^63 - 1": "0 至 2^63 - 1 的整数",
    "an integer from 1 to 2^63 - 1": "正整数",
    "null or an integer from 0": "null 或非负整数",
    "a list": "列表",
    "a list of at least one": "至少一项的列表",
    "an object": "对象",
    "printable text of 1 to {n}": "1 至 {n} 个可见字符",
    "null or printable text of 1 to {n}": "null 或 1 至 {n} 个可见字符",
    "printable text of at most {n}": "至多 {n} 个可见字符",
    "below {floor} or above {cap}": "低于 {floor} 或高于 {cap}",
    "a list of integers from 0 to 2^63 - 1": "非负整数列表",
    "a list of at least one text": "至少一项的文本列表",
    "64 lower-case hexadecimal digits": "64 位小写十六进制",
    "a code of a-z, 0-9 and _": "由 a-z、0-9、_ 组成的代码",
    "an object of integers and texts": "值为整数或文本的对象",
    "an object of lists of integers from 0 to 2^63 - 1": "值为非负整数列表的对象",
    "an object of integers from 0 to 2^63 - 1": "值为非负整数的对象",
    "with GB alone": "仅与数据量同时",
    "a way": "可达链路",
    "a linked demand that is out": "关联需求未成交",
    "another member accepted": "组内另有成交",
    "orders that a policy keeps out": "因政策不进入的订单",
    "a participant with an allowance": "有最大份额限制的参与方",
    "of a demand of the book": "订单簿中需求的参与方",
    "of a demand of the book, or empty": "订单簿中需求的参与方，或为空",
    "a largest share of the book": "订单簿中的最大份额政策",
    "under a largest share of the book": "订单簿中最大份额政策所辖",
}
"""What a rule of a round's file wants or found, where that is words."""

_FIELD = re.compile(r"\{(\*?)(\w+)\}")
_RULE = re.compile(r"(?P<subject>.+?) must be (?P<wanted>.+), was (?P<found>.*)")
_SUBJECTS: Final = dict(reversed(SUBJECTS.values()))
_CHARACTERS_MAX = 1000
_DEPTH_MAX = 4


def in_chinese(text: str) -> str:
    """Return a problem in Chinese; one of an unknown kind is returned as it is."""
    return _worded(text, _DEPTH_MAX) or text if len(text) <= _CHARACTERS_MAX else text


def finding_in_chinese(text: str, summary_en: str, summary_zh: str) -> str:
    """Return a problem of a finding in Chinese; some findings have their summary as a problem."""
    worded = in_chinese(text)
    return summary_zh if worded == text == summary_en else worded


def _worded(text: str, depth: int) -> str | None:
    """Return a problem in Chinese, ``None`` if its kind is not known."""
    known = _of_a_rule(text) or _of(text, PROBLEMS)
    if known is not None:
        return known
    head, colon, rest = text.partition(": ")
    worded = _worded(rest, depth - 1) if colon and depth > 1 else None
    return None if worded is None else f"{_of(head, PREFIXES) or head}：{worded}"


def _of_a_rule(text: str) -> str | None:
    """Return a broken rule of a round's file, as `suanli.check_report` words it."""
    found = _RULE.fullmatch(text)
    if found is None or found["subject"] not in _SUBJECTS:
        return None
    wanted, other = _value(found["wanted"]), _value(found["found"])
    return f"{_SUBJECTS[found['subject']]}应为 {wanted}，实际为 {other}"


def _of(text: str, kinds: dict[str, str]) -> str | None:
    for pattern, chinese in _patterns(tuple(kinds.items())):
        found = pattern.fullmatch(text)
        if found is not None:
            values = found.groupdict()
            return chinese.format_map({name: _value(value) for name, value in values.items()})
    return None


def _value(text: str) -> str:
    return (_of(text, VALUES) or text) if " " in text else VALUES.get(text, text)


@cache
def _patterns(kinds: tuple[tuple[str, str], ...]) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((_pattern(en), zh) for en, zh in kinds)


def _pattern(en: str) -> re.Pattern[str]:
    parts, at = [], 0
    for field in _FIELD.finditer(en):
        value = ".+" if field[1] else r"\S*[^\s:]"
        parts += [re.escape(en[at : field.start()]), f"(?P<{field[2]}>{value})"]
        at = field.end()
    return re.compile("".join([*parts, re.escape(en[at:])]))
