"""AdAuction: one advertiser paces a budget over an episode of auctions. Its dynamics."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from rtb_envs.action_scale import ActionScale
from rtb_envs.auctions.mechanisms import clearing_price, wins
from rtb_envs.core import Environment, Info, RenderPanel
from rtb_envs.envs.ad_auction.bidding import read_action
from rtb_envs.envs.ad_auction.config import MAX_BID, Config
from rtb_envs.envs.ad_auction.hindsight import hindsight, market_distribution, possible_volume
from rtb_envs.envs.ad_auction.noise import Auctions, Drawn, Noise
from rtb_envs.envs.ad_auction.params import Params
from rtb_envs.envs.ad_auction.records import auction_records, most_auctions
from rtb_envs.envs.ad_auction.settlement import AuctionResult, StepTotals, ratio, settle
from rtb_envs.envs.ad_auction.state import Hindsight, Offer, State
from rtb_envs.policies.market_distribution import MarketDistribution
from rtb_envs.random import Stream


class AdAuction(Environment[Params, State, Noise]):
    """Pace a budget over an episode of auctions by one bid multiplier, or one bid curve, a step.

    Each step holds ``search_volume`` auctions, one after another. In each the bid is
    floor(multiplier * rate * standard_bid_price * scaler), or lies on the bid curve over rate * scaler; ``rate`` is the
    click or conversion rate of the pair of ad and user. Bids and charges above 2**20 are cut to it. The impression is
    won if the bid exceeds the market price; a click and then a conversion may follow. The ``cost_indicator`` event is
    charged the integer price. The model is RTBGym's (Kiyohara et al., SCOPE-RL, 2023).

    - Observation: float32[7], see ``OBSERVATION_KEYS``; any sub-sequence on request.
    - Action: float32[1] in [multiplier_low, multiplier_high], or int32 in 0..n_actions-1 meaning ``action_meanings``,
      or float32[1 + K], a participation rate and the bids at the K relative rates ``bid_curve_knots``.
    - Reward: kept conversions (or clicks) of the step.
    - Termination: after ``horizon`` steps. Never truncated.
    - State: ``State``; hidden from the observation are the drift's sign and the shock's step.

    Usage::

        env = rtb_envs.make("AdAuction-v0")
        params = env.default_params
        observation, state = env.reset_env(key, params)
        observation, state, reward, terminated, truncated, info = env.step_env(key, state, action, params)
    """

    id = "AdAuction-v0"
    render_panels = (
        RenderPanel("remaining_budget", "Remaining budget", "currency"),
        RenderPanel("multiplier", "Bid multiplier", "× standard bid"),
        RenderPanel("win_rate", "Win rate", "share of auctions"),
        RenderPanel("reward", "Reward", "per step"),
    )

    auction_records = auction_records
    most_auctions = most_auctions

    def __init__(self, config: Config, params: Params) -> None:
        self.config = config
        self._params = params

    def __eq__(self, other: object) -> bool:
        """Equal configurations of one class share compiled programs; a subclass may have other dynamics."""
        return type(other) is type(self) and other.config == self.config

    def __hash__(self) -> int:
        return hash((type(self), self.config))

    @property
    def default_params(self) -> Params:
        return self._params

    @property
    def action_scale(self) -> ActionScale:
        return "linear" if self.config.action_kind == "bid_curve" else "log"

    def observation_space(self, params: Params) -> gymnasium.spaces.Box:
        budget = float(params.initial_budget)
        largest_multiplier = float(params.multiplier_high)
        if self.config.action_kind == "bid_curve":
            largest_multiplier = float(params.largest_bid / params.standard_bid_price)
        infinite = self.config.compat == "rtbgym"
        high = {
            "timestep": float(params.horizon),
            "remaining_budget": budget,
            "consumption_rate": np.inf if infinite else 1.0,
            "cost_per_mille": np.inf if infinite else 1000 * budget,
            "win_rate": 1.0,
            "reward": np.inf if infinite else float(possible_volume(self.config, params)),
            "multiplier": np.inf if infinite else max(largest_multiplier, 1.0),
        }
        bound = np.array([high[key] for key in self.config.observation_keys], np.float32)
        return gymnasium.spaces.Box(np.zeros_like(bound), bound, dtype=np.float32)

    def action_space(self, params: Params) -> gymnasium.spaces.Space[Any]:
        if self.config.action_kind == "discrete":
            assert params.action_meanings is not None
            return gymnasium.spaces.Discrete(params.action_meanings.shape[0])
        if self.config.action_kind == "bid_curve":
            assert params.bid_curve_knots is not None
            highest = np.full(1 + params.bid_curve_knots.shape[0], params.largest_bid, np.float32)
            highest[0] = 1
            return gymnasium.spaces.Box(np.zeros_like(highest), highest, dtype=np.float32)
        low, high = np.float32(params.multiplier_low), np.float32(params.multiplier_high)
        return gymnasium.spaces.Box(low, high, (1,), np.float32)

    def reset_noise(self, key: Array, params: Params) -> Noise:
        return Drawn(Stream.from_key(key, self.config.generator))

    def noise(self, key: Array, state: State, params: Params) -> Noise:
        return Drawn(Stream.from_key(key, self.config.generator).step(state.t))

    def initial(self, noise: Noise, params: Params) -> State:
        hidden = noise.hidden(params)
        zero = jnp.zeros((), float)
        state = State(
            t=jnp.zeros((), jnp.int32),
            remaining_budget=params.initial_budget,
            drift_sign=hidden.drift_sign,
            shock_step=hidden.shock_step,
            episode=StepTotals.zero(),
            consumption_rate=zero,
            cost_per_mille=zero,
            win_rate=zero,
            reward=zero,
            multiplier=jnp.ones((), float),
        )
        return self._show_noise(state, noise) if self.config.compat == "rtbgym" else state

    def transition(
        self, state: State, action: Array, noise: Noise, params: Params
    ) -> tuple[State, Array, Array, Array, Info]:
        bidding = read_action(action, params, self.config.action_kind)
        # RTBGym takes the volume of the entry before, in the first step that of the last entry.
        volume_t = (state.t - 1) % params.horizon if self.config.compat == "rtbgym" else state.t
        volume = noise.search_volume(params, volume_t)

        def run(index: Int[Array, "*auctions"]) -> AuctionResult:
            offer, auctions = self.offer(index, noise, state, params)
            bid = bidding.bid(offer.unit_bid, index, noise)
            return self.resolve(offer, auctions.response_uniform, bid, params)

        step = settle(run, volume, state.remaining_budget, self.config.max_auctions, self.config.budget_rule)
        return self._advance(state, bidding.multiplier, step, noise, params)

    def observe(self, state: State, params: Params) -> Array:
        values = {
            "timestep": state.t,
            "remaining_budget": state.remaining_budget,
            "consumption_rate": state.consumption_rate,
            "cost_per_mille": state.cost_per_mille,
            "win_rate": state.win_rate,
            "reward": state.reward,
            "multiplier": state.multiplier,
        }
        return jnp.stack([values[key].astype(float) for key in self.config.observation_keys])

    def hindsight(self, key: Array, params: Params) -> Hindsight:
        """What a clairvoyant bidder could have earned in the episode of ``key``; vmappable over keys.

        Raises ValueError for volumes beyond ``config.largest_search_volume``, or gives NaN where they are traced.
        """
        return hindsight(self, key, params)

    def market_distribution(self, params: Params) -> MarketDistribution:
        """What logs of earlier episodes tell of prices and rates; ``params`` must be concrete."""
        return market_distribution(self, params)

    def offer(
        self, index: Int[Array, "*auctions"], noise: Noise, state: State, params: Params
    ) -> tuple[Offer, Auctions]:
        """What is on offer in the auctions ``index`` of the state's step, whatever is bid."""
        t = state.t
        auctions = noise.auctions(index, params, t)
        level = params.shift.price_level(t, params.horizon, state.drift_sign, state.shock_step)
        price = jnp.maximum(auctions.market_price * level, params.minimum_price)
        assert params.derived is not None
        click_rate = params.derived.click_rate.rate(auctions.ad, auctions.user, t)
        conversion_rate = params.derived.conversion_rate.rate(auctions.ad, auctions.user, t)
        if params.predicted_rate is not None:
            believed = params.predicted_rate[t, auctions.ad, auctions.user]
        else:
            believed = click_rate * conversion_rate if self.config.objective == "conversion" else click_rate
        return Offer(price, click_rate, conversion_rate, believed * self.bid_scale(params)), auctions

    def bid_scale(self, params: Params) -> Float[Array, ""]:
        """Bid at multiplier 1 per unit of believed rate."""
        assert params.derived is not None
        if params.scaler is not None:
            return params.standard_bid_price * params.scaler
        conversion = self.config.objective == "conversion"
        mean = params.derived.mean_conversion_rate if conversion else params.derived.mean_click_rate
        return params.standard_bid_price / mean

    def resolve(
        self, offer: Offer, response_uniform: Float[Array, "*auctions"], bid: Float[Array, "*auctions"], params: Params
    ) -> AuctionResult:
        """Auction, charge and response."""
        impression = wins(bid, offer.price, params.reserve_price)
        price = clearing_price(bid, offer.price, self.config.pricing, params.reserve_price, params.hybrid_weight)
        click = impression & (response_uniform < offer.click_rate)
        conversion = impression & (response_uniform < offer.click_rate * offer.conversion_rate)
        charged = {"impression": impression, "click": click, "conversion": conversion}[self.config.cost_indicator]
        cost = jnp.where(charged, jnp.minimum(price, MAX_BID).astype(jnp.int32), 0)
        return AuctionResult(impression, click, conversion, cost, bid.astype(jnp.int32), offer.conversion_rate)

    def _advance(
        self, state: State, multiplier: Float[Array, ""], step: StepTotals, noise: Noise, params: Params
    ) -> tuple[State, Array, Array, Array, Info]:
        kept = step.conversion if self.config.objective == "conversion" else step.click
        reward = kept.astype(float)
        after = State(
            t=state.t + 1,
            remaining_budget=state.remaining_budget - step.cost,
            drift_sign=state.drift_sign,
            shock_step=state.shock_step,
            episode=state.episode + step,
            consumption_rate=ratio(step.cost, state.remaining_budget),
            cost_per_mille=1000 * ratio(step.cost, step.impression),
            win_rate=ratio(step.impression, step.search_volume),
            reward=reward,
            multiplier=multiplier,
        )
        terminated = after.t >= params.horizon
        if params.target_cost_per_action is not None:
            reward = reward - jnp.where(terminated, self._shortfall(after.episode, params.target_cost_per_action), 0)
        info = self._info(after, step)
        if self.config.compat == "rtbgym":
            # RTBGym has begun the next episode when it returns the last step's observation.
            begun = replace(after, t=jnp.zeros_like(after.t), remaining_budget=params.initial_budget)
            begun = self._show_noise(begun, noise)
            after = jax.tree.map(lambda new, old: jnp.where(terminated, new, old), begun, after)
        return after, reward, terminated, jnp.zeros((), bool), info

    def _shortfall(self, episode: StepTotals, target: Float[Array, ""]) -> Float[Array, ""]:
        """What the episode's value loses for missing the target cost per action.

        The return becomes value * min(1, (target / cost per action)**2): AuctionNet's score (Su et al., NeurIPS 2024).
        """
        value = (episode.conversion if self.config.objective == "conversion" else episode.click).astype(float)
        met = jnp.minimum(1, ratio(target * value, episode.cost) ** 2)
        return jnp.where(episode.cost > 0, value * (1 - met), 0)

    def _info(self, after: State, step: StepTotals) -> Info:
        episode = after.episode
        return {
            "search_volume": step.search_volume,
            "impression": step.impression,
            "click": step.click,
            "conversion": step.conversion,
            "cost": step.cost,
            "average_bid_price": ratio(step.bid, step.search_volume),
            "expected_conversion": step.expected_conversion,
            "remaining_budget": after.remaining_budget,
            "multiplier": after.multiplier,
            "win_rate": after.win_rate,
            "reward": after.reward,
            "episode_search_volume": episode.search_volume,
            "episode_impression": episode.impression,
            "episode_click": episode.click,
            "episode_conversion": episode.conversion,
            "episode_cost": episode.cost,
            "episode_average_bid_price": ratio(episode.bid, episode.search_volume),
            "episode_expected_conversion": episode.expected_conversion,
        }

    def _show_noise(self, state: State, noise: Noise) -> State:
        first = noise.first_observation()
        return replace(
            state,
            consumption_rate=first.consumption_rate.astype(float),
            cost_per_mille=first.cost_per_mille.astype(float),
            win_rate=first.win_rate.astype(float),
            reward=first.reward.astype(float),
            multiplier=first.multiplier.astype(float),
        )
