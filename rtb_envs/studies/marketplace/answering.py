"""Markets in which a model decides what the tree passes on: played again until no question is open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from rtb_envs.compile import prepare
from rtb_envs.envs.marketplace.config import CHANNELS, EXCHANGE, SCENARIOS, Config
from rtb_envs.envs.marketplace.decisions import NO_ANSWER
from rtb_envs.envs.marketplace.params import Params
from rtb_envs.envs.marketplace.simulation import compiled_answered
from rtb_envs.studies.marketplace.deciding import ModelDecider
from rtb_envs.studies.marketplace.entries import Market
from rtb_envs.studies.marketplace.questions import Kind, Question
from rtb_envs.studies.marketplace.store import Store


@dataclass(frozen=True)
class AnsweredMarkets:
    """Plays the markets of a run with the answers of ``decider``, which are kept in the store and not asked again."""

    store: Store
    run: str
    scenarios: tuple[str, ...]
    config: Config
    params: Params
    decider: Any
    """(scenario, seed) -> ``ModelDecider``"""
    max_rounds: int

    def __call__(self, seed: int) -> dict[str, Market]:
        """The market of each scenario."""
        prepare()
        return {scenario: self._market(scenario, seed, self.decider(scenario, seed)) for scenario in self.scenarios}

    def _market(self, scenario: str, seed: int, decider: ModelDecider) -> Market:
        """Play, ask about the first day with open questions, and play again with the answers.

        What happens before an answered question is settled, so every round settles more. After ``max_rounds`` the rules
        decide what is still open.
        """
        shape = (self.config.days, self.config.schedule.per_day, self.config.campaigns)
        answers = np.full(shape, NO_ANSWER, np.int32)
        known = np.zeros(shape, bool)
        for day, package, campaign, answer, _ in self.store.answers(self.run, scenario, seed):
            answers[day - 1, package, campaign], known[day - 1, package, campaign] = answer, True
        code = jnp.int32(SCENARIOS.index(scenario))
        for _ in range(self.max_rounds):
            market = self._play(code, seed, answers)
            asked = np.asarray(market.history.trades.asked) & ~known
            if not asked.any():
                return market
            first = int(np.argmax(asked.any(axis=(1, 2))))
            questions = self._questions(market, first, np.argwhere(asked[first]), int(code))
            rows = []
            for question, (answer, source) in zip(questions, decider.decide(questions), strict=True):
                (day, package), campaign = question.package, question.campaign
                answers[day - 1, package, campaign], known[day - 1, package, campaign] = answer, True
                place = {"run": self.run, "scenario": scenario, "seed": seed, "day": day, "package": package}
                rows.append({**place, "campaign": campaign, "answer": answer, "source": source})
            self.store.write_answers(rows)
        return self._play(code, seed, answers)

    def _play(self, code: Any, seed: int, answers: npt.NDArray[np.int32]) -> Market:
        played = compiled_answered(self.config)(jax.random.key(seed), code, self.params, jnp.asarray(answers))
        return Market(*jax.tree.map(np.asarray, played))

    def _questions(self, market: Market, day: int, places: npt.NDArray[np.intp], scenario: int) -> list[Question]:
        """The open questions of a day (from 0): (package, campaign) in ``places``."""
        packages, hours = market.history.packages, self.config.schedule.hours()[day]
        budget = np.asarray(market.accounts.budget)
        # What was left at the end of the day before tells enough: the answer is about a tenth of the budget or less.
        left = np.asarray(market.history.remaining[day - 1]) if day else budget
        questions = []
        for package, campaign in places.tolist():
            target, floor = int(packages.target_cpm[day, package]), int(packages.floor_cpm[day, package])
            bid = int(packages.bid_cpm[day, package, campaign])
            countered = scenario != EXCHANGE and bid < floor
            offer = int(packages.counter_cpm[day, package]) if countered else bid
            kind: Kind = "price_negotiation" if countered else "bid_acceptance"
            questions.append(
                Question(
                    kind=kind,
                    hour=24 * day + int(hours[package]),
                    package=(day + 1, package),
                    campaign=campaign,
                    offered_over_target=offer / max(target, 1),
                    remaining_over_total=float(left[campaign] / max(budget[campaign], 1)),
                    channel=CHANNELS[int(packages.channel[day, package])],
                )
            )
        return questions
