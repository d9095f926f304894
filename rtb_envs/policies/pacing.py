"""What rules that pace a budget by one bid multiplier a step share: the market, what is seen of it, and the memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Generic, Literal, NamedTuple, TypeVar, get_args

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from rtb_envs import validation
from rtb_envs.policies.policy import BiddingEnvironment, BiddingParams, check_multipliers
from rtb_envs.random import Stream

SpendPlan = Literal["even", "traffic"]
SPEND_PLANS: tuple[SpendPlan, ...] = get_args(SpendPlan)
PRICE_BIN = 1.2
"""Rules of BAT (Khirianova et al., WWW 2025) move bids on a scale of bins, each this factor above the one before."""
LARGEST_REWARD = 1e9
SMALLEST_SHARE = 1e-6
"""Of the largest multiplier, where the market's smallest is 0: a rule that multiplies could never leave 0."""


class Market(NamedTuple):
    """What a rule knows before an episode begins; money in the unit of the budget."""

    horizon: Float[Array, ""]
    budget: Float[Array, ""]
    planned_budget: Float[Array, "steps+1"]
    """What the plan has left at the start of each step, and after the last one: from all of it to nothing."""
    target_cost_per_action: Float[Array, ""]
    """inf where cost per action is not limited."""
    multiplier_low: Float[Array, ""]
    multiplier_high: Float[Array, ""]

    @property
    def mean_spend(self) -> Float[Array, ""]:
        """Budget over horizon: the unit in which rules measure the spending of a step."""
        return self.budget / self.horizon

    def clip(self, multiplier: Float[Array, ""]) -> Float[Array, ""]:
        """``multiplier`` within the market's range."""
        return jnp.clip(multiplier, self.multiplier_low, self.multiplier_high)


class Progress(NamedTuple):
    """What a rule sees at the start of a step; the step before the first one spent, planned and earned nothing."""

    step: Int[Array, ""]
    """Steps taken, from 0."""
    remaining_budget: Float[Array, ""]
    planned_budget: Float[Array, ""]
    """What the plan has left."""
    spend: Float[Array, ""]
    """Of the step before."""
    planned_spend: Float[Array, ""]
    """Of the step before."""
    reward: Float[Array, ""]
    """Actions (conversions, or clicks) of the step before; 0 for rules that do not read them."""


@dataclass(frozen=True)
class PacingView:
    """Where an observation tells time, money and actions, and which plan spending is compared with. Hashable."""

    timestep: int
    """Index of the entry that counts the steps taken."""
    remaining_budget: int
    """Index of the entry that gives the money left."""
    reward: int | None
    """Index of the entry that counts the last step's actions; None for rules that do not read it."""
    plan: SpendPlan

    @classmethod
    def for_env(cls, env: BiddingEnvironment, plan: SpendPlan, *, reads_reward: bool = False) -> PacingView:
        """Find the entries by their names: "timestep", "remaining_budget" and, if it is read, "reward".

        Raises ValueError for another ``plan`` or for an environment that does not show these entries, TypeError for
        one without bid multipliers.
        """
        check_multipliers(env.default_params)
        validation.choice("plan", plan, SPEND_PLANS)
        keys = env.config.observation_keys
        for key in ("timestep", "remaining_budget", *(("reward",) if reads_reward else ())):
            if key not in keys:
                raise validation.wrong_value("observation_keys", f"such that they hold {key!r} for a pacing rule", keys)
        reward = keys.index("reward") if reads_reward else None
        return cls(keys.index("timestep"), keys.index("remaining_budget"), reward, plan)

    def market(self, params: BiddingParams) -> Market:
        """The numbers of ``params`` that pacing needs; an environment without a target cost per action sets none."""
        target = getattr(params, "target_cost_per_action", None)
        high = jnp.asarray(params.multiplier_high, jnp.float32)
        return Market(
            horizon=jnp.asarray(params.horizon, jnp.float32),
            budget=jnp.asarray(params.initial_budget, jnp.float32),
            planned_budget=self.planned_budget(params),
            target_cost_per_action=jnp.asarray(jnp.inf if target is None else target, jnp.float32),
            multiplier_low=jnp.maximum(jnp.asarray(params.multiplier_low, jnp.float32), SMALLEST_SHARE * high),
            multiplier_high=high,
        )

    def planned_budget(self, params: BiddingParams) -> Float[Array, "steps+1"]:
        """The money that the plan has left at the start of each step, and after the last one: from all of it to none.

        "even" spends equally in every step, "traffic" in proportion to ``search_volume_mean``: the spend plan that
        pacing tracks in Kumar, Morgenstern and Schrijvers (arXiv 2202.05881, 2022) and in Balseiro, Kumar, Mirrokni,
        Sivan and Wang (ICML 2023), with the traffic known and prices taken to be alike in all steps.
        """
        volume = jnp.asarray(params.search_volume_mean, jnp.float32)
        weight = jnp.ones_like(volume) if self.plan == "even" else volume
        weight = jnp.where(jnp.arange(volume.shape[0]) < params.horizon, weight, 0.0)
        # Sums from the end: exactly nothing after the last step.
        left = jnp.cumsum(weight[::-1])[::-1]
        return params.initial_budget * jnp.append(left / left[0], 0.0)

    def read(
        self, observation: Float[Array, "entries"], market: Market, remaining_before: Float[Array, ""]
    ) -> Progress:
        """``observation`` against the step before, each entry kept to what an episode of ``market`` can show."""
        planned = market.planned_budget
        step = jnp.clip(observation[self.timestep], 0, planned.shape[0] - 1).astype(jnp.int32)
        remaining = jnp.clip(observation[self.remaining_budget], 0, market.budget)
        reward = jnp.zeros(()) if self.reward is None else jnp.clip(observation[self.reward], 0, LARGEST_REWARD)
        return Progress(
            step=step,
            remaining_budget=remaining,
            planned_budget=planned[step],
            spend=jnp.maximum(remaining_before - remaining, 0),
            planned_spend=planned[jnp.maximum(step - 1, 0)] - planned[step],
            reward=jnp.where(step > 0, reward, 0).astype(jnp.float32),
        )


Memory = TypeVar("Memory")


class PacingCarry(NamedTuple, Generic[Memory]):
    """Memory of a pacing rule within an episode."""

    market: Market
    remaining_budget: Float[Array, ""]
    """As last seen."""
    memory: Memory
    """The rule's own."""


@dataclass(frozen=True, kw_only=True)
class PacingRule(ABC, Generic[Memory]):
    """A rule for one bid multiplier a step: ``start`` and ``next_multiplier`` are the rule, the rest is here.

    Acts by float32[1] within the market's range of multipliers, finite for every finite observation. Rules are frozen
    pytrees whose numbers are leaves.
    """

    view: PacingView = field(metadata={"static": True})

    @abstractmethod
    def start(self, market: Market) -> Memory:
        """The memory that begins an episode."""

    @abstractmethod
    def next_multiplier(self, market: Market, seen: Progress, memory: Memory) -> tuple[Float[Array, ""], Memory]:
        """The bid multiplier, which need not be within the market's range, and the next memory."""

    def market(self, params: BiddingParams) -> Market:
        """The market as this rule takes it."""
        return self.view.market(params)

    def init(self, params: BiddingParams) -> PacingCarry[Memory]:
        market = self.market(params)
        return PacingCarry(market, market.budget, self.start(market))

    def act(self, stream: Stream, carry: PacingCarry[Memory], observation: Array) -> tuple[Array, PacingCarry[Memory]]:
        seen = self.view.read(observation, carry.market, carry.remaining_budget)
        multiplier, memory = self.next_multiplier(carry.market, seen, carry.memory)
        after = PacingCarry(carry.market, seen.remaining_budget, memory)
        # Memories keep their precision, so that they can be carried through a loop in 64-bit mode too.
        return carry.market.clip(multiplier)[None], jax.tree.map(lambda new, old: new.astype(old.dtype), after, carry)


def setting(name: str, value: float, low: float, high: float, *, open_low: bool = False) -> Float[Array, ""]:
    """A rule's number as a leaf; TypeError or ValueError unless it is in [low, high], (low, high] if ``open_low``."""
    return jnp.asarray(validation.number(name, value, low, high, open_low=open_low), jnp.float32)


def multiplier_setting(name: str, value: float) -> Float[Array, ""]:
    """A rule's multiplier as a leaf; TypeError or ValueError unless it is in (0, 1e6]."""
    return setting(name, value, 0, 1e6, open_low=True)


def step_size_setting(name: str, value: float | None, params: BiddingParams) -> Float[Array, ""]:
    """A dual's step size as a leaf, None is horizon**-0.5; TypeError or ValueError unless it is in (0, 1e3]."""
    return setting(name, float(params.horizon) ** -0.5 if value is None else value, 0, 1e3, open_low=True)
