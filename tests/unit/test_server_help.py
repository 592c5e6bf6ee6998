"""`suanli-exchange` explains itself in English and Chinese."""

from __future__ import annotations

import re

from services.cli import app
from suanli.cli.commands import tree


def test_every_command_of_the_server_explains_itself_in_both_languages() -> None:
    found = list(tree(app))
    assert len(found) >= 20
    one_language = [
        item["command"]
        for item in found
        if not re.search(r"[a-z]{3} .*[\u4e00-\u9fff]", item["help"], re.DOTALL)
    ]
    assert one_language == []
