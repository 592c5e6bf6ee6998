"""Lines of a body, wherever its pieces are cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.adapters.http.ndjson import Line, Lines

LINE_BYTES_MAX = 8
bodies = st.lists(st.text(alphabet="ab \r\n", max_size=20), max_size=12).map("".join)


def cut(pieces: list[bytes]) -> list[Line]:
    lines = Lines(LINE_BYTES_MAX)
    found = [line for piece in pieces for line in lines.feed(piece)]
    found += lines.end()
    assert lines.next_index == len(found)
    return found


@given(body=bodies, cuts=st.lists(st.integers(0, 60), max_size=8))
def test_lines_are_the_same_however_the_body_is_cut(body: str, cuts: list[int]) -> None:
    whole = body.encode()
    ends = sorted(min(at, len(whole)) for at in cuts)
    pieces = [whole[a:b] for a, b in zip([0, *ends], [*ends, len(whole)], strict=True)]
    wanted = [line for line in whole.split(b"\n") if line.strip() or len(line) > LINE_BYTES_MAX]
    found = cut(pieces)
    assert [line.index for line in found] == list(range(len(wanted)))
    assert [line.size for line in found] == [len(line) for line in wanted]
    assert [line.text for line in found] == [
        line if len(line) <= LINE_BYTES_MAX else b"" for line in wanted
    ]


def test_a_line_without_end_holds_no_more_than_the_longest_that_is_taken() -> None:
    lines = Lines(LINE_BYTES_MAX)
    for _ in range(1_000):
        assert list(lines.feed(b"x" * 1_000)) == []
        assert len(lines._kept) <= LINE_BYTES_MAX
    assert list(lines.feed(b"\nab\n")) == [Line(0, 1_000_000, b""), Line(1, 2, b"ab")]
