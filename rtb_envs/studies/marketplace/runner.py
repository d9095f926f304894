"""Running the study: compiled markets, their entries into the store, resumed where a run was stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rtb_envs.compile import prepare
from rtb_envs.envs.marketplace.config import SCENARIOS, Config
from rtb_envs.envs.marketplace.simulation import compiled_history
from rtb_envs.studies.marketplace.agents import live_states
from rtb_envs.studies.marketplace.chain import Chain, canonical, digest, genesis
from rtb_envs.studies.marketplace.entries import Market, day_entries, opening_entries
from rtb_envs.studies.marketplace.seals import answers_seal, day_seal
from rtb_envs.studies.marketplace.settings import Settings
from rtb_envs.studies.marketplace.store import DayEnd, Store
from rtb_envs.studies.marketplace.writer import Writer

SECONDS_OF_A_DAY = 86_400


@dataclass(frozen=True)
class Progress:
    """Where a run is: told after every day of every market."""

    scenario: str
    seed: int
    day: int
    resumed: bool
    """Whether the day was in the store already."""


Listener = Callable[[Progress], None]
Markets = Callable[[int], dict[str, Market]]
"""From a seed to its market in each scenario."""


def run_study(
    settings: Settings,
    store: Store,
    run: str,
    listener: Listener = lambda progress: None,
    markets: Markets | None = None,
) -> None:
    """Run every scenario and seed of ``settings`` and write it to ``store`` under the name ``run``.

    Days that are in the store already are computed again and compared, and those that are missing are added, so that
    a run that was stopped or killed ends as one that was not. ``markets`` says how the markets come about; None lets
    the rules decide. Raises ValueError where the store holds another run of that name or another ledger.
    """
    fingerprint = settings.fingerprint()
    store.begin_run(run, fingerprint)
    options = settings.options()
    config, goal = options.config(), round(options.campaign_goal())
    play = markets or rule_markets(settings)
    batch, background = settings.db_batch_entries, settings.db_async_writes
    pause = 0.0
    if settings.time_acceleration is not None:
        pause = SECONDS_OF_A_DAY / settings.time_acceleration / settings.seeds
    status = "stopped"
    try:
        with Writer(store, run, batch_entries=batch, in_background=background) as writer:
            for seed in range(settings.seed, settings.seed + settings.seeds):
                scribes = [
                    _Scribe(store, run, scenario, seed, market, config, goal, fingerprint)
                    for scenario, market in play(seed).items()
                ]
                for _ in range(config.days):
                    began = time.monotonic()
                    for scribe in scribes:
                        listener(scribe.write_day(writer))
                    time.sleep(max(0.0, pause - (time.monotonic() - began)))
        status = "complete"
    finally:
        store.set_status(run, status)


def rule_markets(settings: Settings) -> Markets:
    """Markets in which tree and rules decide."""
    prepare()
    options = settings.options()
    config, params = options.config(), options.params()
    codes = jnp.asarray([SCENARIOS.index(scenario) for scenario in settings.scenarios], jnp.int32)

    def play(seed: int) -> dict[str, Market]:
        accounts, history = jax.tree.map(np.asarray, compiled_history(config)(jax.random.key(seed), codes, params))
        return {
            scenario: Market(*jax.tree.map(lambda leaf, i=i: leaf[i], (accounts, history)))
            for i, scenario in enumerate(settings.scenarios)
        }

    return play


class _Scribe:
    """Writes one market's days, one after another."""

    def __init__(
        self,
        store: Store,
        run: str,
        scenario: str,
        seed: int,
        market: Market,
        config: Config,
        goal: int,
        fingerprint: dict[str, Any],
    ) -> None:
        self._run, self._market, self._config, self._goal = run, market, config, goal
        self._chain = Chain(scenario, seed, genesis(fingerprint))
        self._seal = self._chain.head
        self._answers: dict[int, list[tuple[Any, ...]]] = {}
        for on_day, *answer in store.answers(run, scenario, seed) if fingerprint["model"] is not None else ():
            self._answers.setdefault(on_day, []).append(tuple(answer))
        self._hours = config.schedule.hours()
        self._states = live_states(market, config)
        self._written = {end.day: end for end, _ in store.days(run, scenario, seed)}
        self._day = 0

    def write_day(self, writer: Writer) -> Progress:
        """Give the next day to ``writer``, unless it is in the store; ValueError if that one is another."""
        self._day += 1
        day, chain, config = self._day, self._chain, self._config
        key = {"run": self._run, "scenario": chain.scenario, "seed": chain.seed}
        rows = []
        opening = opening_entries(self._market.accounts, self._goal, config) if day == 1 else ()
        for entries in (opening, day_entries(self._market, day, self._hours[day - 1].tolist(), config)):
            for entry in entries:
                chain.append(entry)
                rows.append({**key, "number": chain.count, **entry._asdict(), "hash": chain.head})
        end = self._end()
        self._seal = day_seal(self._seal, chain.scenario, chain.seed, end)
        if day in self._written:
            if self._written[day] != end:
                raise ValueError(
                    f"the store's ledger of scenario {chain.scenario}, seed {chain.seed} differs on day {day}"
                )
        else:
            writer.add(rows, {**key, **end._asdict(), "seal": self._seal})
        return Progress(chain.scenario, chain.seed, day, day in self._written)

    def _end(self) -> DayEnd:
        trades = self._market.history.trades
        decided, escalated, refused = (
            int(getattr(trades, name)[self._day - 1].sum()) for name in ("decided", "escalated", "refused")
        )
        digests = {agent: digest(state) for agent, state in next(self._states).items()}
        place = (self._day, self._chain.count, self._chain.head)
        answers = answers_seal(self._answers.get(self._day, ()))
        return DayEnd(*place, decided, escalated, refused, canonical(digests), answers)
