"""Bodies of the API about logins at the broker, of participants that write to it themselves."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Instant, Model, ParticipantId

LoginState = Literal["none", "active", "unfinished", "unknown"]


class DirectAccessSet(Model):
    """Whether a participant may have a login at the broker."""

    access: Literal["allowed", "withheld"] = Field(
        description="`withheld` ends the login that there is"
    )


class DirectLoginView(Model):
    """A participant's login at the broker, and where it leads."""

    participant_id: ParticipantId
    allowed: bool = Field(description="Whether the operator allows it to have a login")
    self_service: bool = Field(
        description="Whether a login can be made here; else the operator grants it at the server"
    )
    state: LoginState = Field(
        description="`unfinished`: one was being made when something broke, and nobody may know "
        "its password; `unknown`: the broker does not say"
    )
    changed_at: Instant | None = Field(
        default=None, description="When its password was made, if it was made here"
    )
    changed_by: str | None = Field(default=None, description="Key or member that made it")
    brokers: str = Field(description="`host:port`, several separated by commas; empty: not told")
    user: str
    write_topic: str
    status_topic: str
    mechanism: Literal["SCRAM-SHA-512"] = "SCRAM-SHA-512"


class DirectLoginCreated(Model):
    """A login with its password, which is told this once."""

    login: DirectLoginView
    password: Annotated[str, Field(min_length=32, max_length=100)]
