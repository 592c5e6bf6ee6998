"""What the gateway remembers of keys and members for a moment."""

from services.gateway.adapters.seen import Seen


class Steady:
    """A clock that shows what it is told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_what_was_found_holds_for_a_second_from_the_question_on() -> None:
    clock = Steady()
    seen: Seen[str, int] = Seen(clock)
    look = seen.look()
    # The answer took its time; what it tells was true when it was asked.
    clock.now_s += 0.75
    seen.keep(look, "key", 1)
    assert seen.fresh("key") == 1
    clock.now_s += 0.25
    assert seen.fresh("key") is None


def test_what_expires_sooner_is_kept_no_longer() -> None:
    clock = Steady()
    seen: Seen[str, int] = Seen(clock)
    seen.keep(seen.look(), "key", 1, 0.5)
    clock.now_s += 0.5
    assert seen.fresh("key") is None


def test_what_was_asked_before_a_revocation_is_not_kept_after_it() -> None:
    seen: Seen[str, int] = Seen(Steady())
    seen.keep(seen.look(), "other", 2)
    look = seen.look()
    seen.forget()
    seen.keep(look, "key", 1)
    assert seen.fresh("key") is None
    assert seen.fresh("other") is None
    seen.keep(seen.look(), "key", 1)
    assert seen.fresh("key") == 1
