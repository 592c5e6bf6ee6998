"""Every reason speaks both languages and names the same facts in each."""

from __future__ import annotations

import re

import pytest

from services.core.errors import Message
from services.core.reasons import SENTENCES, why, why_of_message

PARAMETER = re.compile(r"\{(\w+)\}")
CHINESE = re.compile(r"[一-鿿]")


@pytest.mark.parametrize("code", sorted(SENTENCES))
def test_both_languages_name_the_same_parameters(code: str) -> None:
    en, zh = SENTENCES[code]
    assert set(PARAMETER.findall(en)) == set(PARAMETER.findall(zh))
    assert en.endswith(".")
    assert CHINESE.search(zh)


def test_a_sentence_shows_its_parameters() -> None:
    reason = why("hold_refused", needed=7, free=5)
    assert "7 micro-yuan needed, 5 free" in reason.en
    assert reason.params == (("free", 5), ("needed", 7))


def test_a_sentence_is_cut_to_what_the_wire_carries() -> None:
    reason = why_of_message("code", Message("x" * 5000, "字" * 5000), {})
    assert (len(reason.en), len(reason.zh)) == (1000, 1000)
