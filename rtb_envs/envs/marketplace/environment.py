"""The marketplace as an environment of many agents: one step is one hour."""

from __future__ import annotations

from dataclasses import dataclass, replace

import gymnasium
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Bool, Float, Int

from rtb_envs.core import Info, RenderPanel
from rtb_envs.envs.marketplace.beliefs import Beliefs, observe_trades, prior
from rtb_envs.envs.marketplace.config import CHANNELS, FACTS, Config
from rtb_envs.envs.marketplace.decisions import NO_ANSWER
from rtb_envs.envs.marketplace.memory import rot
from rtb_envs.envs.marketplace.money import WHOLE, amount_cents, share_of
from rtb_envs.envs.marketplace.options import MAX_MULTIPLIER
from rtb_envs.envs.marketplace.packages import Packages, draw_channels, draw_losses, draw_packages
from rtb_envs.envs.marketplace.params import Params
from rtb_envs.envs.marketplace.schedule import HOURS
from rtb_envs.envs.marketplace.state import Accounts, opening
from rtb_envs.envs.marketplace.trade import DELIVERED, NOT_OFFERED, Trades, trade
from rtb_envs.multi_agent import MultiAgentEnvironment
from rtb_envs.pytrees import pytree
from rtb_envs.random import Stream

MIN_MULTIPLIER = 0.5
OWN_KEYS = ("budget_left", "goal_gap", "hour", "day")


@pytree
@dataclass(frozen=True)
class Noise:
    """The draws of an hour, and of the day's losses of memory; of a reset the campaigns' channels only."""

    packages: Packages | None
    fact_uniform: Float[Array, "buyers facts"] | None
    restart_uniform: Float[Array, "buyers"] | None
    channels: Int[Array, "campaigns"] | None


@pytree
@dataclass(frozen=True)
class State:
    """One market in progress."""

    t: Int[Array, ""]
    """Hours since the first midnight."""
    accounts: Accounts
    kept: Bool[Array, "buyers facts"]
    beliefs: Beliefs
    offered: Int[Array, "sellers"]
    """Packages so far."""
    sold: Int[Array, "sellers"]
    over: Bool[Array, ""]
    """Whether the last day has ended."""


class Marketplace(MultiAgentEnvironment[Params, State, Noise]):
    """Buyers who run campaigns meet sellers of impression packages, hour by hour for ``days`` days.

    - Observation of a buyer: float32[4 + 2 · sellers], see ``OWN_KEYS``: what is left of its budgets (share), what is
      missing of its goals (share), hour and day as shares of day and episode; then for each seller the floor over the
      target CPM that it believes in, and the age of that belief as a share of the episode. A seller that is an agent
      sees the share of its packages that was sold in place of the budget, and 0 for the goal and the beliefs.
    - Action: float32[4] in [0.5, 2], one multiplier for each of ``CHANNELS``: of a buyer's bids, of a seller's floors.
    - Reward: dollars; for a buyer the delivered impressions at the target CPM less what it paid, for a seller what it
      was paid.
    - End: truncated at the end of the last day; never terminated.

    Usage::

        env = rtb_envs.make_multi_agent("marketplace_v0", scenario="c")
        params = env.default_params
        observation, state = env.reset_env(key, params)
        observation, state, reward, terminated, truncated, info = env.step_env(key, state, action, params)
    """

    id = "marketplace_v0"
    market_info = frozenset({"opportunities", "market_deals", "market_spend", "market_fees"})
    render_panels = (
        RenderPanel("market_deals", "Deals", "an hour"),
        RenderPanel("market_spend", "What buyers paid", "$ an hour"),
    )
    seat_panels = render_panels

    def __init__(self, config: Config, params: Params) -> None:
        self.config = config
        buyers = tuple(f"buyer_{i}" for i in range(config.buyers))
        sellers = tuple(f"seller_{j}" for j in range(config.sellers))
        self.agents = buyers if config.seller_role == "scripted" else buyers + sellers
        self._params = params

    def __eq__(self, other: object) -> bool:
        """Equal configurations share compiled programs."""
        return isinstance(other, Marketplace) and other.config == self.config

    def __hash__(self) -> int:
        return hash(self.config)

    @property
    def default_params(self) -> Params:
        return self._params

    @property
    def observation_size(self) -> int:
        """Entries of one agent's observation."""
        return len(OWN_KEYS) + 2 * self.config.sellers

    def observation_space(self, params: Params, agent: str) -> gymnasium.spaces.Box:
        self.index(agent)
        high = np.ones(self.observation_size, np.float32)
        # A floor may be a little above the target where the options say so.
        high[len(OWN_KEYS) : len(OWN_KEYS) + self.config.sellers] = 4.0
        return gymnasium.spaces.Box(np.zeros_like(high), high, dtype=np.float32)

    def action_space(self, params: Params, agent: str) -> gymnasium.spaces.Box:
        self.index(agent)
        return gymnasium.spaces.Box(MIN_MULTIPLIER, MAX_MULTIPLIER, (len(CHANNELS),), np.float32)

    def alive(self, state: State) -> Bool[Array, "agents"]:
        return jnp.broadcast_to(~state.over, (len(self.agents),))

    def reset_noise(self, key: Array, params: Params) -> Noise:
        return Noise(None, None, None, draw_channels(Stream.from_key(key, self.config.generator), self.config))

    def noise(self, key: Array, state: State, params: Params) -> Noise:
        day, index, _ = self._hour(state)
        today = Stream.from_key(key, self.config.generator).step(day)
        packages = draw_packages(today, index, self.config, params)
        return Noise(packages, *draw_losses(today, self.config), None)

    def initial(self, noise: Noise, params: Params) -> State:
        assert noise.channels is not None
        none = jnp.zeros(self.config.sellers, jnp.int32)
        return State(
            t=jnp.zeros((), jnp.int32),
            accounts=opening(noise.channels, params),
            kept=jnp.ones((self.config.buyers, FACTS), bool),
            beliefs=prior(self.config, params),
            offered=none,
            sold=none,
            over=jnp.zeros((), bool),
        )

    def transition(
        self, state: State, action: Array, noise: Noise, params: Params
    ) -> tuple[State, Array, Array, Array, Info]:
        config = self.config
        assert noise.packages is not None
        assert noise.fact_uniform is not None
        assert noise.restart_uniform is not None
        day, _, offered = self._hour(state)
        offered = offered & ~state.over
        losses = rot(state.kept, day, noise.fact_uniform, noise.restart_uniform, params)
        kept = jnp.where(state.t % HOURS == 0, losses.kept, state.kept)
        share = self._shares(action)
        packages = self._asked(noise.packages, share)
        bid_share = jnp.repeat(share[: config.buyers], config.campaigns_per_buyer, axis=0)
        bid_share = bid_share[jnp.arange(config.campaigns), state.accounts.channel]
        known = jnp.sum(kept, axis=1, dtype=jnp.int32)
        no_answer = jnp.full(config.campaigns, NO_ANSWER)

        def one_package(accounts: Accounts, given: tuple[Packages, Array]) -> tuple[Accounts, Trades]:
            return trade(accounts, *given, known, bid_share, no_answer, config, params)

        accounts, trades = lax.scan(one_package, state.accounts, (packages, offered))
        beliefs = observe_trades(state.beliefs, packages, trades, kept, config, params)
        mine = packages.seller[:, None] == jnp.arange(config.sellers)
        was_offered, was_sold = trades.status != NOT_OFFERED, trades.status >= DELIVERED
        after = State(
            t=state.t + 1,
            accounts=accounts,
            kept=kept,
            beliefs=beliefs,
            offered=state.offered + jnp.sum(mine & was_offered[:, None], axis=0, dtype=jnp.int32),
            sold=state.sold + jnp.sum(mine & was_sold[:, None], axis=0, dtype=jnp.int32),
            over=state.t + 1 >= params.horizon_days * HOURS,
        )
        truncated = jnp.broadcast_to(after.over, (len(self.agents),))
        reward, info = self._outcome(packages, trades, mine)
        return after, reward, jnp.zeros_like(truncated), truncated, info

    def observe(self, state: State, params: Params) -> Float[Array, "agents observation"]:
        config, accounts = self.config, state.accounts
        each = (config.buyers, config.campaigns_per_buyer)

        def mean_share(part: Array, whole: Array) -> Array:
            # Whole ten-thousandths of each campaign, so that the sum is exact in any order.
            share = jnp.round(part.astype(float) / jnp.maximum(whole, 1).astype(float) * WHOLE).astype(jnp.int32)
            return jnp.sum(share.reshape(each), axis=1).astype(float) / (config.campaigns_per_buyer * WHOLE)

        gap = jnp.maximum(params.campaign_goal - accounts.delivered, 0)
        goal = jnp.broadcast_to(params.campaign_goal, gap.shape)
        hours = params.horizon_days * HOURS
        so_far = jnp.minimum(state.t, hours).astype(float) / hours.astype(float)
        clock = ((state.t % HOURS).astype(float) / HOURS, so_far)
        buyers = [mean_share(accounts.remaining, accounts.budget), mean_share(gap, goal)]
        own = jnp.stack([*buyers, *(jnp.broadcast_to(x, (config.buyers,)) for x in clock)], axis=1)
        beliefs = state.beliefs
        believed = jnp.minimum(beliefs.floor_share.astype(float) / WHOLE, 4.0)
        age = beliefs.age_hours.astype(float) / hours.astype(float)
        seen = jnp.concatenate([own, believed, age], axis=1)
        if config.seller_role == "scripted":
            return seen
        sold = state.sold.astype(float) / jnp.maximum(state.offered, 1).astype(float)
        told = jnp.zeros((config.sellers, self.observation_size), float)
        told = told.at[:, 0].set(sold).at[:, 2].set(clock[0]).at[:, 3].set(clock[1])
        return jnp.concatenate([seen, told])

    def _hour(self, state: State) -> tuple[Array, Array, Array]:
        """The day (from 1), the packages of the hour, and which of them are offered."""
        schedule = self.config.schedule
        first = jnp.asarray(schedule.first)
        day = jnp.minimum(state.t // HOURS, self.config.days - 1)
        hour = state.t % HOURS
        index = first[day, hour] + jnp.arange(schedule.per_hour)
        return day + 1, index, index < first[day, hour + 1]

    def _shares(self, action: Array) -> Int[Array, "agents channels"]:
        """Multipliers as whole ten-thousandths, clipped to the action space; NaN means 1."""
        multiplier = jnp.clip(jnp.nan_to_num(action, nan=1.0), MIN_MULTIPLIER, MAX_MULTIPLIER)
        return jnp.round(multiplier * WHOLE).astype(jnp.int32)

    def _asked(self, packages: Packages, share: Array) -> Packages:
        """The packages at the floors that learning sellers ask."""
        if self.config.seller_role == "scripted":
            return packages
        factor = share[self.config.buyers :][packages.seller, packages.channel]
        return replace(
            packages,
            floor_cpm=share_of(packages.floor_cpm, factor),
            counter_cpm=share_of(packages.counter_cpm, factor),
        )

    def _outcome(self, packages: Packages, trades: Trades, mine: Array) -> tuple[Array, Info]:
        """Rewards in dollars, and what happened in the hour."""
        config = self.config
        bought = trades.campaign[:, None] // config.campaigns_per_buyer == jnp.arange(config.buyers)
        bought = bought & (trades.status >= DELIVERED)[:, None]
        value = amount_cents(packages.target_cpm, trades.delivered)

        def by(whose: Array, amount: Array) -> Array:
            return jnp.sum(jnp.where(whose, amount[:, None], 0), axis=0)

        spend, worth = by(bought, trades.charge), by(bought, value)
        delivered, deals = by(bought, trades.delivered), jnp.sum(bought, axis=0, dtype=jnp.int32)
        reward = (worth - spend).astype(float) / 100
        if config.seller_role == "learning":
            sold = mine & (trades.status >= DELIVERED)[:, None]
            revenue = by(sold, trades.payout)
            reward = jnp.concatenate([reward, revenue.astype(float) / 100])
            spend = jnp.concatenate([spend, -revenue])
            delivered = jnp.concatenate([delivered, by(sold, trades.delivered)])
            deals = jnp.concatenate([deals, jnp.sum(sold, axis=0, dtype=jnp.int32)])
        info = {
            "spend_cents": spend,
            "delivered": delivered,
            "deals": deals,
            "opportunities": jnp.sum(trades.status != NOT_OFFERED, dtype=jnp.int32),
            "market_deals": jnp.sum(trades.status >= DELIVERED, dtype=jnp.int32),
            "market_spend": jnp.sum(trades.charge).astype(float) / 100,
            "market_fees": jnp.sum(trades.fee).astype(float) / 100,
        }
        return reward, info
