"""What a run of the study is asked for: flags over ``RTB_*`` variables over a YAML file over defaults."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from rtb_envs.envs.marketplace.config import MAX_BUYERS, MAX_DAYS, MAX_SELLERS, SCENARIOS
from rtb_envs.envs.marketplace.options import Options, option_names
from rtb_envs.layered_settings import LayeredSettings, read_settings

PARTIES = ("buyers", "sellers", "days")


class Settings(LayeredSettings):
    """Every setting of ``rtb market run``. A wrong value raises pydantic's ValidationError, which lists all of them."""

    model_config = SettingsConfigDict(env_prefix="RTB_", extra="forbid", frozen=True)

    scenarios: Annotated[tuple[str, ...], NoDecode] = SCENARIOS
    days: int = Field(30, ge=1, le=MAX_DAYS)
    buyers: int = Field(5, ge=1, le=MAX_BUYERS)
    sellers: int = Field(5, ge=1, le=MAX_SELLERS)
    market: dict[str, Any] = Field(default_factory=dict)
    """Other options of ``marketplace_v0``, by name."""
    seed: int = Field(0, ge=0, lt=2**31)
    seeds: int = Field(1, ge=1, le=10_000)
    db: str | None = None
    """An SQLite file or a database URL; None is market.db beside the results."""
    db_async_writes: bool = True
    db_batch_entries: int = Field(10_000, ge=1, le=1_000_000)
    time_acceleration: float | None = Field(None, ge=1)
    """Simulated over real time, at least 1; None does not wait."""
    watch: bool = False
    mock_llm: bool = True
    """Whether rules stand for the language model."""
    decision_batching: bool = True
    agent_model: str = ""
    """The name of the model that decides what the tree passes on; needed where ``mock_llm`` is False."""
    manager_model: str = ""
    """The name of the model that is asked for anomalous days when the run is over; without it nobody is asked."""
    input_price: float = Field(0.25, ge=0)
    """Dollars per million tokens that a model reads; ``output_price`` for those that it writes."""
    output_price: float = Field(1.25, ge=0)
    model_timeout: float = Field(20.0, gt=0)
    """Seconds that one attempt of a call may take."""
    model_retries: int = Field(3, ge=0, le=20)
    model_backoff: float = Field(0.5, ge=0)
    """Seconds before the first repeated attempt; each further one waits twice as long."""
    max_iterations: int = Field(500, ge=1, le=10_000)
    """Rounds of questions for one market; what is open then is left to the rules."""
    max_cost: float | None = Field(None, ge=0)
    """Dollars that the model may cost; None is no limit."""

    @field_validator("scenarios", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        """Names separated by commas."""
        return tuple(part.strip().lower() for part in value.split(",")) if isinstance(value, str) else value

    @field_validator("scenarios")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or len(set(value)) != len(value) or not set(value) <= set(SCENARIOS):
            raise ValueError(f"must be different ones of {', '.join(SCENARIOS)}, separated by commas")
        return tuple(sorted(value))

    @model_validator(mode="after")
    def _market_is_valid(self) -> Settings:
        taken = {"scenario", *PARTIES}
        unknown = sorted(set(self.market) - (set(option_names()) - taken))
        if unknown:
            raise ValueError(
                f"market must hold options of marketplace_v0 other than {', '.join(sorted(taken))}; "
                f"got {', '.join(unknown)}"
            )
        try:
            self.options()
        except TypeError as error:
            raise ValueError(str(error)) from None
        if not self.mock_llm and not self.agent_model:
            raise ValueError("agent_model must name the model to ask (RTB_AGENT_MODEL) where mock_llm is False")
        return self

    def options(self) -> Options:
        """The market's options; the scenario is chosen where it runs."""
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in self.market.items()
        }
        return Options(days=self.days, buyers=self.buyers, sellers=self.sellers, **given)

    def fingerprint(self) -> dict[str, Any]:
        """What fixes the results, as plain JSON: two runs with equal ones give equal rows."""
        market = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self.options()).items()}
        del market["scenario"]
        model = None if self.mock_llm else {"agent": self.agent_model, "rounds": self.max_iterations}
        scenarios = list(self.scenarios)
        return {"market": market, "model": model, "scenarios": scenarios, "seed": self.seed, "seeds": self.seeds}

    @classmethod
    def of_fingerprint(cls, fingerprint: dict[str, Any]) -> Settings:
        """Settings that have this ``fingerprint``. Raises ValueError, KeyError or TypeError where none have."""
        market, model = dict(fingerprint["market"]), fingerprint["model"]
        parties = {name: market.pop(name) for name in PARTIES}
        asked = {} if model is None else {"agent_model": model["agent"], "max_iterations": model["rounds"]}
        names = {name: fingerprint[name] for name in ("scenarios", "seed", "seeds")}
        settings = cls(**parties, **asked, **names, market=market, mock_llm=model is None)
        if settings.fingerprint() != fingerprint:
            raise ValueError("settings have another fingerprint")
        return settings


def load_settings(path: Path | None = None, **flags: Any) -> Settings:
    """Settings of the YAML file at ``path``, if any, the environment, and those ``flags`` that are not None.

    Raises pydantic's ValidationError for wrong settings and ValueError for a file that holds none.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    return Settings.over_file({} if path is None else read_settings(path))(**given)
