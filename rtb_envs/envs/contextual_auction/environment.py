"""The dynamics of ContextualAuction."""

from __future__ import annotations

from dataclasses import replace

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float

from rtb_envs.core import Info, RenderPanel
from rtb_envs.envs.contextual_auction.config import Config
from rtb_envs.envs.contextual_auction.metrics import MONEY, SHADING_UNIT, Totals, totals
from rtb_envs.envs.contextual_auction.money import MAX_AMOUNT, MICROS, ExactSum, sum_rounds
from rtb_envs.envs.contextual_auction.offers import Offers, estimated_offers, oracle_offers
from rtb_envs.envs.contextual_auction.records import auction_records, most_auctions
from rtb_envs.envs.contextual_auction.rounds import Rounds, draw_rounds
from rtb_envs.envs.contextual_auction.settlement import settle
from rtb_envs.envs.contextual_auction.state import Outcome, Params, State
from rtb_envs.multi_agent import MultiAgentEnvironment
from rtb_envs.random import Stream

OBSERVATION_KEYS = ("takes_part", "estimated_ctr", "value", "expected_value", "win_rate", "price", "shading")


class ContextualAuction(MultiAgentEnvironment[Params, State, Rounds]):
    """Bidders with ads to choose from, who bid a share of what they believe an impression to be worth.

    A step is ``rounds_per_step`` rounds. In each, a user arrives with a context and some of the bidders are asked. Each
    of them picks the ad with the highest estimated CTR times value and bids that times its shading factor; the highest
    bid wins and pays the first or second price; the ad may be clicked, by its true CTR. The model is AuctionGym's
    (Jeunen et al., AdKDD 2022 and KDD 2023).

    - Observation: float32[7] a bidder, see ``OBSERVATION_KEYS``: what it has to offer in the coming step, 0 where it
      takes no part, and what the last step brought in which it took part. Means over its rounds of the step.
    - Action: float32[1] a bidder in [0, shading_high], the shading factor; without effect where it does not take part.
    - Reward: the surplus of the step, values of clicks less prices, in currency.
    - Termination: after ``horizon`` steps, for all. Never truncated.
    - State: ``State``.

    Usage::

        env = rtb_envs.make_multi_agent("contextual_auction_v0")
        params = env.default_params
        observation, state = env.reset_env(key, params)
        observation, state, reward, terminated, truncated, info = env.step_env(key, state, action, params)
    """

    id = "contextual_auction_v0"
    auction_records = auction_records
    most_auctions = most_auctions
    market_info = frozenset({"market_welfare", "market_revenue", "episode_market_welfare", "episode_market_revenue"})
    render_panels = (
        RenderPanel("episode_market_welfare", "Welfare so far", "currency"),
        RenderPanel("episode_market_revenue", "Revenue so far", "currency"),
    )
    seat_panels = (
        RenderPanel("shading", "Shading factor", "share of the estimated value"),
        RenderPanel("episode_surplus", "Surplus so far", "currency"),
        RenderPanel("episode_overbid_regret", "Overbid regret so far", "currency"),
        RenderPanel("episode_underbid_regret", "Underbid regret so far", "currency"),
    )

    def __init__(self, config: Config, params: Params) -> None:
        self.config = config
        self.agents = tuple(f"bidder_{i}" for i in range(config.n_bidders))
        self._params = params

    def __eq__(self, other: object) -> bool:
        """Equal configurations share compiled programs."""
        return isinstance(other, ContextualAuction) and other.config == self.config

    def __hash__(self) -> int:
        return hash(self.config)

    @property
    def default_params(self) -> Params:
        return self._params

    def observation_space(self, params: Params, agent: str) -> gymnasium.spaces.Box:
        shading_high = float(params.shading_high)
        value = float(params.catalogue.value[self.index(agent)].max())
        price = min(shading_high * float(params.catalogue.value.max()), MAX_AMOUNT)
        high = np.array([1, 1, value, value, 1, price, shading_high], np.float32)
        # Means are rounded: they may exceed the largest of their numbers by a few parts in 10**6.
        high[2:] *= np.float32(1 + 1e-5)
        return gymnasium.spaces.Box(np.zeros_like(high), high, dtype=np.float32)

    def action_space(self, params: Params, agent: str) -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(0, np.float32(params.shading_high), (1,), np.float32)

    def alive(self, state: State) -> Bool[Array, "bidders"]:
        return jnp.ones(self.config.n_bidders, bool)

    def reset_noise(self, key: Array, params: Params) -> Rounds:
        return self._rounds(key, jnp.zeros((), jnp.int32))

    def noise(self, key: Array, state: State, params: Params) -> Rounds:
        return self._rounds(key, state.t + 1)

    def _rounds(self, key: Array, t: Array) -> Rounds:
        """The rounds of step ``t``. Bidders see what is on offer, so they are drawn a step ahead."""
        stream = Stream.from_key(key, self.config.generator).step(t)
        return draw_rounds(stream, jnp.arange(self.config.rounds_per_step), self.config)

    def initial(self, noise: Rounds, params: Params) -> State:
        zero = jnp.zeros(self.config.n_bidders, float)
        return State(
            t=jnp.zeros((), jnp.int32),
            rounds=noise,
            offers=self._offers(noise, params),
            episode=Totals.zero(self.config.n_bidders),
            last=Outcome(zero, zero, jnp.minimum(zero + 1, params.shading_high)),
        )

    def transition(
        self, state: State, action: Array, noise: Rounds, params: Params
    ) -> tuple[State, Array, Array, Array, Info]:
        in_episode = state.t < params.horizon
        rounds = replace(state.rounds, takes_part=state.rounds.takes_part & in_episode)
        shading = jnp.broadcast_to(self.shading(action, params)[:, None], rounds.takes_part.shape)
        offers = state.offers
        results = settle(shading * (offers.estimated_ctr * offers.value), offers, rounds, self.config.pricing)
        step = totals(offers, shading, rounds, results)
        (paid,) = sum_rounds([jnp.where(rounds.takes_part, results.price, 0)])
        after = State(
            t=state.t + 1,
            rounds=noise,
            offers=self._offers(noise, params),
            episode=state.episode + step,
            last=self._outcome(state.last, step, paid),
        )
        terminated = jnp.broadcast_to(after.t >= params.horizon, (self.config.n_bidders,))
        reward = step.surplus.times(1 / MICROS)
        return after, reward, terminated, jnp.zeros_like(terminated), self._info(step, after)

    def observe(self, state: State, params: Params) -> Float[Array, "bidders 7"]:
        takes_part = state.rounds.takes_part
        count = jnp.sum(takes_part, axis=-1).astype(float)

        def mean(amount: Array) -> Array:
            return _mean(jnp.sum(jnp.where(takes_part, amount, 0), axis=-1), count)

        offers = state.offers
        entries = {
            "takes_part": count / self.config.rounds_per_step,
            "estimated_ctr": jnp.minimum(mean(offers.estimated_ctr), 1),
            "value": mean(offers.value),
            "expected_value": mean(offers.estimated_ctr * offers.value),
            "win_rate": state.last.win_rate,
            "price": state.last.price,
            "shading": state.last.shading,
        }
        return jnp.stack([entries[key] for key in OBSERVATION_KEYS], axis=-1)

    def shading(self, action: Float[Array, "bidders 1"], params: Params) -> Float[Array, "bidders"]:
        """The shading factors that actions mean, clipped to the action space; NaN means 0."""
        return jnp.clip(jnp.nan_to_num(action[:, 0], nan=0.0), 0, params.shading_high)

    def _offers(self, rounds: Rounds, params: Params) -> Offers:
        if params.belief is None:
            return oracle_offers(rounds.context, params.catalogue)
        return estimated_offers(rounds.context, params.catalogue, params.belief)

    def _outcome(self, before: Outcome, step: Totals, paid: ExactSum) -> Outcome:
        count = step.rounds.times(1)
        new = Outcome(
            _mean(step.impressions.times(1), count),
            _mean(paid.times(1 / MICROS), count),
            _mean(step.shading.times(SHADING_UNIT), count),
        )
        outcome: Outcome = jax.tree.map(lambda new, old: jnp.where(count > 0, new, old), new, before)
        return outcome

    def _info(self, step: Totals, after: State) -> Info:
        info = {"win_rate": after.last.win_rate, "price": after.last.price, "shading": after.last.shading}
        for prefix, sums in (("", step), ("episode_", after.episode)):
            info[f"{prefix}participation"] = sums.rounds.count()
            info[f"{prefix}impression"] = sums.impressions.count()
            info[f"{prefix}click"] = sums.clicks.count()
            for name in MONEY:
                info[f"{prefix}{name}"] = getattr(sums, name).times(1 / MICROS)
            info[f"{prefix}market_welfare"] = jnp.sum(info[f"{prefix}welfare"])
            info[f"{prefix}market_revenue"] = jnp.sum(info[f"{prefix}spend"])
        return info


def _mean(total: Array, count: Array) -> Array:
    return total / jnp.maximum(count, 1)
