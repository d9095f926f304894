"""A run in which a language model decides what the tree passes on: its parts put together, and what it cost."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property
from typing import Any

from rtb_envs.studies.marketplace.answering import AnsweredMarkets
from rtb_envs.studies.marketplace.deciding import Call, ModelDecider
from rtb_envs.studies.marketplace.meter import BATCH, Meter, TokenPrices, cost_table
from rtb_envs.studies.marketplace.model_cache import ModelCache
from rtb_envs.studies.marketplace.questions import SYSTEM, estimated_tokens
from rtb_envs.studies.marketplace.settings import Settings
from rtb_envs.studies.marketplace.store import Store

TOKEN_COUNTS = ("input_tokens", "output_tokens", "unanswered_input_tokens", "unanswered_output_tokens")


class ModelRun:
    """The model's part of the run ``name``: every market has a cache of its own, all have one meter.

    Raises ValueError where the environment names no model.
    """

    def __init__(self, settings: Settings, store: Store, name: str) -> None:
        from rtb_envs.studies.marketplace.model_client import client_from_environment

        self._settings, self._store, self._name = settings, store, name
        self._client = client_from_environment(
            timeout=settings.model_timeout, retries=settings.model_retries, backoff=settings.model_backoff
        )
        self.meter = Meter(TokenPrices(settings.input_price, settings.output_price), settings.max_cost)
        self._resume()

    @cached_property
    def markets(self) -> AnsweredMarkets:
        """The markets as the model's answers make them."""
        settings, options = self._settings, self._settings.options()
        return AnsweredMarkets(
            store=self._store,
            run=self._name,
            scenarios=settings.scenarios,
            config=options.config(),
            params=options.params(),
            decider=self._decider,
            max_rounds=settings.max_iterations,
        )

    def report(self, results: dict[str, Any]) -> dict[str, Any]:
        """What was asked, answered and paid, and what other ways would have cost."""
        meter, anomalies = self.meter, self._anomalies(results)
        decided, escalated = (
            sum(market["figures"][name] for market in results["markets"]) for name in ("decided", "escalated")
        )
        return {
            "calls": meter.calls,
            "input_tokens": meter.input_tokens,
            "output_tokens": meter.output_tokens,
            "dollars": meter.dollars,
            "dollars_at_most": meter.most_dollars,
            "decisions": dict(meter.sources),
            "failed_calls": dict(meter.failures),
            "cacheable": meter.cacheable,
            "cache_hit_rate": meter.cache_hit_rate,
            "tree_share": 1 - escalated / decided if decided else 1.0,
            "watching_calls": meter.watching_calls,
            "anomalies": anomalies,
            "cost_table": [row._asdict() for row in cost_table(meter, decided)],
        }

    def _anomalies(self, results: dict[str, Any]) -> list[dict[str, Any]]:
        """The anomalous days of each market, if there is a model to be asked."""
        from rtb_envs.studies.marketplace.anomalies import detect

        model = self._settings.manager_model
        return [
            {
                "scenario": market["scenario"],
                "seed": market["seed"],
                **detect(self._client, model, self.meter, market["figures"]["by_day"])._asdict(),
            }
            for market in (results["markets"] if model else [])
        ]

    def _resume(self) -> None:
        """Have the meter go on from what the run has asked and paid already. All that is asked may be cached."""
        meter, fixed = self.meter, estimated_tokens(SYSTEM)
        for call in self._store.calls(self._name):
            meter.calls += 1
            for name in TOKEN_COUNTS:
                setattr(meter, name, getattr(meter, name) + call[name])
            meter.system_tokens += min(fixed, call["input_tokens"])
            if call["outcome"] != "answered":
                meter.failures[call["outcome"]] += 1
        meter.sources.update(self._store.answer_sources(self._name))
        meter.cacheable = meter.sources.total()

    def _decider(self, scenario: str, seed: int) -> ModelDecider:
        def keep(call: Call) -> None:
            self._store.write_call({"run": self._name, **asdict(call)})

        scope = f"{self._settings.agent_model}|{scenario}|{seed}"
        cache = ModelCache(self._store.engine, scope)
        batch = BATCH if self._settings.decision_batching else 1
        return ModelDecider(self._client, self._settings.agent_model, cache, self.meter, batch, keep)
