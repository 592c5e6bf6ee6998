"""Settings of the gateway, beside those that all services share."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from services.core.tlog.notes import KeyKind, NoteError, VerifierKey
from services.kit.sealing import Sealer
from services.kit.settings import KitSettings
from services.kit.webhooks import HostPattern

# Long enough that it cannot be guessed; the generated keys have 52 characters.
_OPERATOR_KEY_CHARS_MIN = 16


class GatewaySettings(KitSettings):
    """What the gateway needs to know.

    Attributes:
        gateway_host: Address of the HTTP API.
        gateway_port: Its port; 0 lets the system choose, and the state file tells it.
        gateway_shares_port: Whether other gateways of this machine listen at the same port; the
            system gives each new connection to one of them.
        gateway_operator_key: Key of the operator before there is any other; without it nobody
            can admit the first participant.
        gateway_receipt_key: Seed of the Ed25519 key that signs receipts, Base64 of 32 bytes;
            without it receipts are not signed.
        gateway_log_key: Verifier key of the transparency log, ``name+id+key``, which is published
            and which every served head must fit; without it no head is served.
        gateway_pool_max: Connections to Postgres at most, of each of two pools: what the gateway
            does itself, and what requests read under row-level security.
        gateway_witness_keys: Verifier keys of the witnesses whose cosignatures make settlements
            final, separated by commas.
        gateway_witnesses_needed: How many of them must have cosigned a head for what is under it
            to be called final; 0: none, the log alone decides.
        gateway_sandbox: Whether this is a sandbox: participants take play money as they like, and
            every reply says so.
        gateway_mobilisation_persons: How many regulators or operators it takes to declare an
            urgent mobilisation: with 2, one proposes and another confirms.
        gateway_lag_records_max: Not ready while the schema is further behind the log.
        gateway_replay_records_max: Records of a market's log that are read at most to rebuild its
            book of a past moment.
        gateway_study_s: Longest time, seconds, to work out what policies cost in one round, or one
            round of a simulation.
        gateway_export_folder: Where files of exports are made and kept, up to 4 GiB; by default in
            the system's temporary folder.
        gateway_indicative_s: Seconds between two indications of a market at least; 0: none are
            made.
        gateway_indicative_share: Share of a core that indications may take in the long run, of each
            market.
        gateway_indicative_memory_mib: Address space of the child process that makes them.
        gateway_reads_per_s: Reads of one participant, a second, of all gateways together; 0: no
            limit.
        gateway_writes_per_s: The same for writes; each started 4 KiB of a body counts as one.
        gateway_anonymous_per_s: Requests without a valid key from one address (in IPv6: one /64),
            a second, of each gateway; 0: no limit.
        gateway_burst_s: Seconds' worth of requests that may come at once.
        gateway_proxies: Addresses of proxies whose word on the caller's address is taken, separated
            by commas; none: the connection's own address counts.
        gateway_listeners_max: Listeners to streams at most, of private ones and of public ones
            each; further ones are told to come again.
        gateway_stream_days: Days for which what streams told is kept, so that whoever was away
            can resume.
        gateway_direct_brokers: Where participants that write signed records reach the broker,
            ``host:port``, several separated by commas; their page of keys tells it.
        gateway_access_user: SCRAM user that may change who logs in to the broker, by which
            participants make logins of their own; none: the operator grants them at the server.
        gateway_access_password: Its password.
        gateway_access_bootstrap: Where it logs in; as the gateway itself, if not given.
        gateway_access_security: ``sasl_ssl`` or ``sasl_plaintext``.
        gateway_watched: Services whose health the operator's page shows, ``name=address`` of each
            one's health server, separated by commas; in place of an address the file in which a
            service of this machine tells its port.
        gateway_webhook_hosts: Hosts that webhooks may be on, separated by commas: ``host``,
            ``*.host``, ``host:port`` or ``host:*``; without a port it is 443; none: no webhooks.
        gateway_webhook_keys: Keys that the secrets of webhooks are sealed with in the database,
            ``name:key`` of each, separated by commas, each key Base64 of 32 bytes; the first seals
            and all open; needed with hosts for webhooks.
        gateway_webhook_networks: Networks that may be called although they are not of the public
            internet, separated by commas, such as ``10.20.0.0/16``.
        gateway_webhook_http: Whether webhooks may be called without TLS.
        gateway_webhook_timeout_s: Longest time for a message to a webhook and its answer.
        gateway_webhook_retry_s: Wait after a webhook's first failure; it doubles up to an hour.
        gateway_webhook_days: Days of failures after which a webhook is disabled.
        gateway_oidc_issuers: OpenID Connect issuers whose tokens are taken, as they call
            themselves, separated by commas; none: keys alone.
        gateway_oidc_audience: What ``aud`` of an access token must include.
        gateway_oidc_client_id: Client of the issuers that signs people in to the pages and the
            command line; ``aud`` of its ID tokens.
        gateway_oidc_client_secret: Its secret for the pages, if the issuers want one.
        gateway_instance: Name of this instance, the same after a restart; two gateways on one
            database need two names.
    """

    gateway_host: str = "127.0.0.1"
    gateway_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    gateway_shares_port: bool = False
    gateway_operator_key: SecretStr | None = None
    gateway_receipt_key: SecretStr | None = None
    gateway_log_key: Annotated[str, Field(max_length=4_000)] = ""
    gateway_witness_keys: Annotated[str, Field(max_length=200_000)] = ""
    gateway_witnesses_needed: Annotated[int, Field(ge=0, le=64)] = 0
    gateway_pool_max: Annotated[int, Field(ge=2, le=200)] = 16
    gateway_sandbox: bool = False
    gateway_mobilisation_persons: Annotated[int, Field(ge=1, le=2)] = 2
    gateway_lag_records_max: Annotated[int, Field(ge=0)] = 20_000
    gateway_replay_records_max: Annotated[int, Field(ge=1)] = 200_000
    gateway_study_s: Annotated[float, Field(gt=0, le=86_400)] = 900.0
    gateway_export_folder: Path | None = None
    gateway_indicative_s: Annotated[float, Field(ge=0, le=3600)] = 30.0
    gateway_indicative_share: Annotated[float, Field(ge=0.001, le=1)] = 0.05
    # OR-Tools and NumPy reserve far more address space than they use.
    gateway_indicative_memory_mib: Annotated[int, Field(ge=512, le=1_048_576)] = 6_144
    gateway_reads_per_s: Annotated[float, Field(ge=0, le=1e6)] = 500.0
    gateway_writes_per_s: Annotated[float, Field(ge=0, le=1e6)] = 500.0
    gateway_anonymous_per_s: Annotated[float, Field(ge=0, le=1e6)] = 500.0
    gateway_burst_s: Annotated[float, Field(gt=0, le=3600)] = 10.0
    gateway_proxies: Annotated[str, Field(max_length=4_000)] = ""
    gateway_listeners_max: Annotated[int, Field(ge=1, le=100_000)] = 12_000
    gateway_stream_days: Annotated[int, Field(ge=1, le=366)] = 7
    gateway_direct_brokers: Annotated[
        str, Field(max_length=4_000, pattern=r"^([^\s,:]+:\d+(,[^\s,:]+:\d+)*)?$")
    ] = ""
    gateway_access_user: Annotated[str, Field(max_length=200)] = ""
    gateway_access_password: SecretStr = SecretStr("")
    gateway_access_bootstrap: Annotated[
        str, Field(max_length=4_000, pattern=r"^([^\s,:]+:\d+(,[^\s,:]+:\d+)*)?$")
    ] = ""
    gateway_access_security: Literal["sasl_plaintext", "sasl_ssl"] = "sasl_ssl"
    gateway_watched: Annotated[str, Field(max_length=10_000)] = ""
    gateway_webhook_hosts: Annotated[str, Field(max_length=20_000)] = ""
    gateway_webhook_keys: SecretStr = SecretStr("")
    gateway_webhook_networks: Annotated[str, Field(max_length=4_000)] = ""
    gateway_webhook_http: bool = False
    gateway_webhook_timeout_s: Annotated[float, Field(gt=0, le=60)] = 10.0
    gateway_webhook_retry_s: Annotated[float, Field(gt=0, le=3600)] = 5.0
    gateway_webhook_days: Annotated[int, Field(ge=1, le=366)] = 5
    gateway_oidc_issuers: Annotated[str, Field(max_length=4_000)] = ""
    gateway_oidc_audience: Annotated[str, Field(min_length=1, max_length=200)] = "suanli-exchange"
    gateway_oidc_client_id: Annotated[str, Field(min_length=1, max_length=200)] = "suanli"
    gateway_oidc_client_secret: SecretStr | None = None
    gateway_instance: Annotated[str, Field(min_length=1, max_length=64)] = "gateway-0"

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        key = self.gateway_operator_key
        if key is not None and len(key.get_secret_value()) < _OPERATOR_KEY_CHARS_MIN:
            msg = f"SUANLI_GATEWAY_OPERATOR_KEY of at least {_OPERATOR_KEY_CHARS_MIN} characters"
            raise ValueError(msg)
        if self.gateway_shares_port and not self.gateway_port:
            raise ValueError("SUANLI_GATEWAY_PORT of at least 1 with SUANLI_GATEWAY_SHARES_PORT")
        self.oidc_issuers()
        self.log_key()
        self.watched()
        known = len(self.witness_keys())
        if self.gateway_witnesses_needed > known:
            msg = f"SUANLI_GATEWAY_WITNESSES_NEEDED of at most {known}, the witnesses with a key"
            raise ValueError(msg)
        if self.gateway_access_user and not self.gateway_access_password.get_secret_value():
            raise ValueError("SUANLI_GATEWAY_ACCESS_PASSWORD with SUANLI_GATEWAY_ACCESS_USER")
        if self.gateway_witnesses_needed and not self.gateway_log_key:
            raise ValueError("SUANLI_GATEWAY_LOG_KEY with SUANLI_GATEWAY_WITNESSES_NEEDED")
        return self

    def access(self) -> KitSettings | None:
        """Return how to reach the broker to change who logs in; ``None`` if that may not be."""
        if not self.gateway_access_user:
            return None
        login = {
            "kafka_bootstrap": self.gateway_access_bootstrap or self.kafka_bootstrap,
            "kafka_security": self.gateway_access_security,
            "kafka_user": self.gateway_access_user,
            "kafka_password": self.gateway_access_password,
        }
        return self.model_copy(update=login)

    def watched(self) -> dict[str, str]:
        """Return where each service tells how it is, by its name.

        Raises:
            ValueError: if one has no name or no address.
        """
        found: dict[str, str] = {}
        for text in filter(None, map(str.strip, self.gateway_watched.split(","))):
            name, _, where = text.partition("=")
            if not name or not where:
                msg = f"SUANLI_GATEWAY_WATCHED of name=address, ..., was {text[:80]!r}"
                raise ValueError(msg)
            found[name] = where.rstrip("/")
        return found

    @model_validator(mode="after")
    def _check_webhooks(self) -> Self:
        for name, text, parse in (
            ("HOSTS", self.gateway_webhook_hosts, HostPattern.parse),
            ("NETWORKS", self.gateway_webhook_networks, ip_network),
        ):
            for part in filter(None, map(str.strip, text.split(","))):
                try:
                    parse(part)
                except ValueError as error:
                    raise ValueError(f"SUANLI_GATEWAY_WEBHOOK_{name} of {error}") from error
        if self.gateway_webhook_hosts and not self.webhook_sealer().names:
            raise ValueError("SUANLI_GATEWAY_WEBHOOK_KEYS with SUANLI_GATEWAY_WEBHOOK_HOSTS")
        if self.gateway_webhook_days > self.gateway_stream_days:
            msg = (
                f"SUANLI_GATEWAY_WEBHOOK_DAYS of at most SUANLI_GATEWAY_STREAM_DAYS, "
                f"{self.gateway_stream_days}: what is not kept cannot be told"
            )
            raise ValueError(msg)
        return self

    def webhook_sealer(self) -> Sealer:
        """Return what seals the secrets of webhooks.

        Raises:
            ValueError: if a key is none.
        """
        try:
            return Sealer.parse(self.gateway_webhook_keys.get_secret_value())
        except ValueError as error:
            raise ValueError(f"SUANLI_GATEWAY_WEBHOOK_KEYS of {error}") from error

    def oidc_issuers(self) -> tuple[str, ...]:
        """Return the trusted issuers, each once.

        Raises:
            ValueError: if one is no address, or by http although it is not of this network.
        """
        parts = (text.strip() for text in self.gateway_oidc_issuers.split(","))
        found = tuple(dict.fromkeys(text for text in parts if text))
        for issuer in found:
            address = urlsplit(issuer)
            host = address.hostname or ""
            # A name without a dot is one of the same container network.
            near = "." not in host or host == "127.0.0.1" or host.endswith(".localhost")
            if not host or address.scheme not in ({"http", "https"} if near else {"https"}):
                msg = f"SUANLI_GATEWAY_OIDC_ISSUERS of addresses by https, was {issuer}"
                raise ValueError(msg)
        return found

    def witness_keys(self) -> tuple[VerifierKey, ...]:
        """Return the witnesses' verifier keys, each once.

        Raises:
            NoteError: if one is none, or is a log's.
        """
        found = dict.fromkeys(
            VerifierKey.parse(text.strip())
            for text in self.gateway_witness_keys.split(",")
            if text.strip()
        )
        for key in found:
            if key.kind is KeyKind.ED25519:
                raise NoteError(f"a witness's key must be of kind 4 or 6, {key.name}'s was of 1")
        return tuple(found)

    def log_key(self) -> VerifierKey | None:
        """Return the log's verifier key, if there is one.

        Raises:
            NoteError: if it is none.
        """
        return VerifierKey.parse(self.gateway_log_key) if self.gateway_log_key else None
