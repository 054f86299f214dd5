"""Every number and address somebody may want to turn: environment variables `CUELIGHT_*`, and one TOML file."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from agent.errors import Misconfigured
from agent.pacing import Allowance, Paid, Target
from agent.retention import WHAT, Keep

OFFLINE = "offline"
"""The name of the model that answers where no endpoint is configured."""

Structured = Literal["auto", "json_schema_strict", "json_schema", "json_object", "none"]
Accepts = Literal["image", "file", "file_url"]
"""What a model can take beside text: images, files as data, and addresses of files that its endpoint fetches."""


class ModelSettings(BaseModel):
    """One model of an endpoint. Prices are USD per million tokens; None where nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    input_usd_per_mtok: Decimal | None = None
    cached_usd_per_mtok: Decimal | None = None
    output_usd_per_mtok: Decimal | None = None
    accepts: tuple[Accepts, ...] = ()
    context_tokens: int | None = Field(None, gt=0)
    """What it takes of prompt and reply together; None for what its endpoint says."""
    requests_per_min: int | None = Field(None, gt=0)
    tokens_per_min: int | None = Field(None, gt=0)
    concurrency: int | None = Field(None, gt=0)
    usd_per_day: Decimal | None = Field(None, gt=0)

    @property
    def priced(self) -> bool:
        """Whether what a call of it costs can be told."""
        return self.input_usd_per_mtok is not None and self.output_usd_per_mtok is not None

    @property
    def allowance(self) -> Allowance:
        """How much of it all workers may use up together."""
        return Allowance(self.requests_per_min, self.tokens_per_min, self.concurrency, self.usd_per_day)


class EndpointSettings(BaseModel):
    """An OpenAI-compatible endpoint. `structured` says how it takes an output schema; `auto` finds out."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    base_url: str
    api_key: SecretStr | None = None
    models: tuple[ModelSettings, ...]
    structured: Structured = "auto"
    timeout_s: float = Field(60.0, gt=0)


class NameSettings(BaseModel):
    """What a name in `model` stands for: an agent, and a chain of models in place of the agent's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    agent: str
    models: tuple[str, ...] = ()


def _split(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _lines(value: Any) -> Any:
    """Patterns may hold commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith('["'):
        return tuple(json.loads(value))
    return tuple(line.strip() for line in value.splitlines() if line.strip())


Name = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,200}$")]
Names = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """Read once at start. Lists are comma-separated. See `docs/settings.md`."""

    model_config = SettingsConfigDict(env_prefix="CUELIGHT_", extra="ignore", frozen=True)

    data_dir: Path = Path(".cuelight")
    database_url: SecretStr | None = None
    redis_url: SecretStr | None = None
    rq_url: SecretStr | None = None
    """Where RQ keeps its queue of jobs: it does not run on a cluster. `redis_url` when absent."""
    redis_prefix: str = Field("cuelight", pattern=r"^[a-z0-9_-]{1,40}$")

    start_wait_s: float = Field(30.0, ge=0)
    """How long a process that starts waits for an engine that does not answer."""

    agent: Names = ("agent.agents:documents", "agent.agents:chat")
    prompts_dir: Path | None = None
    """Prompts beside the shipped ones; a name found here wins."""

    model_base_url: str | None = None
    model_api_key: SecretStr | None = None
    models: Names = ()
    models_file: Path | None = None
    model_input_usd_per_mtok: Decimal | None = None
    model_output_usd_per_mtok: Decimal | None = None
    model_timeout_s: float = Field(60.0, gt=0)
    model_structured: Structured = "auto"
    model_accepts: Annotated[tuple[Accepts, ...], NoDecode] = ()
    model_requests_per_min: int | None = Field(None, gt=0)
    model_tokens_per_min: int | None = Field(None, gt=0)
    model_concurrency: int | None = Field(None, gt=0)
    model_usd_per_day: Decimal | None = Field(None, gt=0)
    """How much all workers together may use of each of these models."""

    names: dict[Name, NameSettings] = Field(default_factory=dict)
    """More names for `model`, so that a client whose model is fixed works. As JSON, or `[names]` in `models_file`."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    public_url: str | None = None
    allow_open_network: bool = False
    """Binding to more than loopback is refused while there are no API keys, unless a door of one's own is in front."""
    bootstrap_key: SecretStr | None = None
    """An operator's key that is put on record at start, unless it is there: the first key of a new deployment."""
    hsts_s: int = Field(0, ge=0)
    """For how long browsers shall come over TLS only; 0 says nothing. For a service that is reached over TLS."""
    max_body_bytes: int = Field(2_000_000, gt=0)
    max_input_chars: int = Field(200_000, gt=0)
    keep_alive_s: float = Field(15.0, gt=0)
    """A call that waits longer is sent white space so often, so that no proxy takes it for dead."""
    ledger_timeout_s: float = Field(5.0, gt=0)
    """The longest that a request waits for the ledger before it is refused."""
    retry_within_s: float = Field(600.0, gt=0)
    """A repeated request that has no key may mean a run no older than that."""
    response_retention_s: float = Field(30 * 86_400.0, gt=0)
    """How long a response that is to be stored is kept, and its idempotency key with it."""

    purge_grace_s: float = Field(600.0, ge=0)
    """The text of a response that is not to be stored is kept no longer after its ending, delivered or not."""

    slots: int = Field(64, ge=1, le=10_000)
    """Deliveries that a worker works on at once, per route."""
    lease_s: float = Field(3.0, gt=0)
    """Work whose worker has not been heard of for so long is taken over."""
    sweep_s: float = Field(0.5, gt=0)
    queued_per_project: int = Field(20, ge=1, le=1_000_000)
    look_s: float = Field(5.0, gt=0)
    """Work that has not moved for so long is looked for in its stream, and published again if it is not there."""
    max_backlog_s: float = Field(30.0, gt=0)
    """New runs are refused while work of their agent's routes has waited for so long to be begun."""
    stall_s: float = Field(15.0, gt=0)
    """Work that waits for so long while none is begun on its route makes `/readyz` fail."""
    max_deliveries: int = Field(8, ge=1)
    drain_s: float = Field(20.0, ge=0)
    index_dir: Path | None = None
    """Where workers keep their local search indexes; below `data_dir` when absent."""
    feed_retention_s: int = Field(7 * 86_400, gt=0)

    ingest_allow_private: bool = False
    """Pages of an own network may be fetched into the library."""
    webhooks_allow_private: bool = False
    """Endpoints may be in this machine's own network, and be reached without TLS: for receivers of one's own."""
    webhooks_timeout_s: float = Field(15.0, gt=0, le=120)
    """How long an endpoint may take to answer."""
    webhooks_slots: int = Field(32, ge=1, le=1_000)
    """Deliveries that a relay sends at once."""

    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(0, ge=0, le=65535)
    """Where a worker tells its figures; 0 for nowhere. An API tells them at its own `/metrics`."""

    job_lease_s: float = Field(10.0, gt=0)
    """A job whose process has not been heard of for so long is taken over."""
    retention_every_s: float = Field(3_600.0, ge=0)
    """How often what is no longer kept is removed; 0 for never."""
    retention_s: float = Field(30 * 86_400.0, gt=0)
    """How long settled dead letters, ended jobs and evaluations are kept."""
    audit_retention_s: float = Field(365 * 86_400.0, gt=0)

    redact: Names = ()
    """Regular expressions of what `cuelight export --redact` replaces, too. A JSON list, or one a line."""

    log_format: Literal["auto", "json", "console"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    _patterns = field_validator("redact", mode="before")(_lines)
    _lists = field_validator("agent", "models", "model_accepts", mode="before")(_split)

    def keep(self) -> Keep:
        """How long the ledger keeps what it does not keep for ever."""
        kept = {"responses": self.response_retention_s, "instances": 86_400.0, "audit": self.audit_retention_s}
        return {what: kept.get(what, self.retention_s) for what in WHAT}

    def named(self) -> Mapping[str, NameSettings]:
        """The names of the settings and of the file; the settings win. Raises `Misconfigured`."""
        return {**(read_names(self.models_file) if self.models_file else {}), **self.names}

    def paid(self) -> Mapping[str, Paid]:
        """Every model of an endpoint by its name, and how much of it may be used up. Raises `Misconfigured`."""
        pairs = [(endpoint, model) for endpoint in self.endpoints() for model in endpoint.models]
        return {model.name: Paid(Target(endpoint.name, model.name), model.allowance) for endpoint, model in pairs}

    def model_names(self) -> Sequence[str]:
        """Every model that may be asked, in order; the offline one where no endpoint is. Raises `Misconfigured`."""
        return [model.name for endpoint in self.endpoints() for model in endpoint.models] or [OFFLINE]

    def endpoints(self) -> tuple[EndpointSettings, ...]:
        """The configured endpoints; none means that the offline model answers. Raises `Misconfigured`."""
        if self.models_file is not None:
            return read_models_file(self.models_file)
        if self.model_base_url is None:
            if self.models:
                raise Misconfigured("CUELIGHT_MODELS is set without CUELIGHT_MODEL_BASE_URL: set the endpoint's URL")
            return ()
        if not self.models:
            raise Misconfigured("CUELIGHT_MODEL_BASE_URL is set without CUELIGHT_MODELS: name at least one model")
        models = tuple(
            ModelSettings(
                name=name,
                input_usd_per_mtok=self.model_input_usd_per_mtok,
                output_usd_per_mtok=self.model_output_usd_per_mtok,
                accepts=self.model_accepts,
                requests_per_min=self.model_requests_per_min,
                tokens_per_min=self.model_tokens_per_min,
                concurrency=self.model_concurrency,
                usd_per_day=self.model_usd_per_day,
            )
            for name in self.models
        )
        return (
            EndpointSettings(
                name="default",
                base_url=self.model_base_url,
                api_key=self.model_api_key,
                models=models,
                structured=self.model_structured,
                timeout_s=self.model_timeout_s,
            ),
        )


def load() -> Settings:
    """The settings of this process. Raises `Misconfigured` naming the variable that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Misconfigured(f"CUELIGHT_{'_'.join(map(str, first['loc'])).upper()}: {first['msg']}") from None


def read_models_file(path: Path) -> tuple[EndpointSettings, ...]:
    """The endpoints of a TOML file: `[[endpoint]]` with `name`, `base_url`, `api_key_env` and its `[[endpoint.model]]`.

    A key never stands in the file: `api_key_env` names the environment variable that holds it. Raises `Misconfigured`.
    """
    try:
        tables = tomllib.loads(path.read_text())["endpoint"]
        found = tuple(_endpoint(path, dict(table)) for table in tables)
    except OSError as error:
        raise Misconfigured(f"CUELIGHT_MODELS_FILE {path} cannot be read: {error.strerror}") from error
    except KeyError:
        raise Misconfigured(f"{path} has no [[endpoint]] table") from None
    except ValidationError as error:
        raise Misconfigured(f"{path} is not a file of endpoints: {_first_problem(error)}") from None
    except (tomllib.TOMLDecodeError, TypeError, ValueError) as error:
        raise Misconfigured(f"{path} is not a file of endpoints: {str(error).splitlines()[0]}") from error
    names = [model.name for endpoint in found for model in endpoint.models]
    for name in names:
        if names.count(name) > 1:
            raise Misconfigured(f"{path} names the model {name!r} twice; a model has one endpoint")
    return found


def read_names(path: Path) -> Mapping[str, NameSettings]:
    """The table `[names]` of the file of endpoints, if it has one. Raises `Misconfigured`."""
    try:
        table = tomllib.loads(path.read_text()).get("names", {})
        return TypeAdapter(dict[Name, NameSettings]).validate_python(table)
    except OSError as error:
        raise Misconfigured(f"CUELIGHT_MODELS_FILE {path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise Misconfigured(f"{path} has a wrong [names] table: {_first_problem(error)}") from None
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{path} is not a file of endpoints: {error}") from error


def _first_problem(error: ValidationError) -> str:
    """Where it is and what is wrong, without the value: it may be a key that somebody wrote into the file."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _endpoint(path: Path, table: dict[str, Any]) -> EndpointSettings:
    variable = table.pop("api_key_env", None)
    if variable is not None and variable not in os.environ:
        raise Misconfigured(f"{path} wants the key of {table.get('name')!r} in {variable}, which is not set")
    key = SecretStr(os.environ[variable]) if variable else None
    models = table.pop("model", ())
    return EndpointSettings(**table, models=models, api_key=key)
