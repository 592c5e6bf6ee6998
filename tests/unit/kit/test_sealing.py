"""Secrets under seal: opened by the keys that there are, for their owner, as they were."""

from base64 import b64encode

import pytest

from services.kit.sealing import SEAL_BYTES, Sealer, SealError

FIRST = b64encode(bytes(range(32))).decode()
SECOND = b64encode(bytes(32)).decode()


def test_what_is_sealed_is_opened_by_its_key_alone_for_its_owner_alone() -> None:
    sealer = Sealer.parse(f" k1:{FIRST} ")
    name, sealed = sealer.seal(b"of mine", "wh_a")
    assert (name, len(sealed)) == ("k1", len(b"of mine") + SEAL_BYTES)
    assert b"of mine" not in sealed
    assert sealer.open(name, sealed, "wh_a") == b"of mine"
    assert sealer.seal(b"of mine", "wh_a") != (name, sealed)

    for other, kept, owner in (
        (sealer, sealed, "wh_b"),
        (sealer, sealed[:-1] + bytes([sealed[-1] ^ 1]), "wh_a"),
        (sealer, b"", "wh_a"),
        (Sealer.parse(f"k1:{SECOND}"), sealed, "wh_a"),
        (Sealer.parse(f"k2:{FIRST}"), sealed, "wh_a"),
    ):
        with pytest.raises(SealError):
            other.open(name, kept, owner)


def test_the_newest_key_seals_and_an_older_one_still_opens() -> None:
    name, sealed = Sealer.parse(f"k1:{FIRST}").seal(b"s", "wh_a")
    both = Sealer.parse(f"k2:{SECOND},k1:{FIRST}")
    assert both.names == ("k2", "k1")
    assert both.seal(b"s", "wh_a")[0] == "k2"
    assert both.open(name, sealed, "wh_a") == b"s"


def test_without_a_key_nothing_is_sealed() -> None:
    assert Sealer.parse("").names == ()
    with pytest.raises(SealError):
        Sealer.parse("").seal(b"s", "wh_a")


@pytest.mark.parametrize(
    "text", [FIRST, f"K1:{FIRST}", f":{FIRST}", "k1:c2hvcnQ=", "k1:!", f"a:{FIRST},a:{SECOND}"]
)
def test_a_key_that_is_none_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError, match="name:key") as refused:
        Sealer.parse(text)
    assert FIRST not in str(refused.value)
