"""AutoBidding: many bidders pace their budgets against one another. Its dynamics."""

from __future__ import annotations

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from rtb_envs.action_scale import ActionScale
from rtb_envs.auctions.position_auctions import position_auction
from rtb_envs.core import Info, RenderPanel
from rtb_envs.envs.auto_bidding.config import MAX_BID, UNITS, Config
from rtb_envs.envs.auto_bidding.noise import Drawn, Noise, Opportunities, Tick
from rtb_envs.envs.auto_bidding.params import BidderParams, Params, currency
from rtb_envs.envs.auto_bidding.records import auction_records, most_auctions
from rtb_envs.envs.auto_bidding.settlement import TickTotals, Window, settle
from rtb_envs.envs.auto_bidding.state import History, State, TickMeans
from rtb_envs.multi_agent import MultiAgentEnvironment
from rtb_envs.random import Stream


class AutoBidding(MultiAgentEnvironment[Params, State, Noise]):
    """Bid for advertisers who have a budget and a target cost per conversion, against all the others who do the same.

    A tick holds some opportunities, one after another. In each, bidder i predicts a value v, the probability that its
    ad converts if it is shown, and bids alpha * v, alpha being its action in the tick. Three slots go to the highest
    bids at generalised second prices; a slot may not be shown, and one that is shown is charged and may convert. A
    bidder leaves at the first bid that its budget does not cover. The setting is AuctionNet's (Su et al., NeurIPS
    2024).

    - Observation: float32[agents, 20], see ``OBSERVATION_KEYS``; any sub-sequence on request.
    - Action: float32[agents, 1] in [multiplier_low, multiplier_high]: currency per conversion.
    - Reward: conversions of the tick. When an agent's episode ends, what its return loses for missing the target cost
      per action is taken off, so that the return is its score R * min(1, (target / cost per action)**2).
    - Termination: an agent's when it leaves, everybody's after ``horizon`` ticks. Never truncated.
    - State: ``State``; hidden from the observation is by how much an agent's predictions are off.

    Usage::

        env = rtb_envs.make_multi_agent("auto_bidding_v0")
        params = env.default_params
        observation, state = env.reset_env(key, params)
        observation, state, reward, terminated, truncated, info = env.step_env(key, state, action, params)
    """

    id = "auto_bidding_v0"
    auction_records = auction_records
    most_auctions = most_auctions
    render_panels = (
        RenderPanel("revenue", "Revenue", "currency per tick"),
        RenderPanel("least_winning_cost", "Mean price of the last slot", "currency"),
        RenderPanel("search_volume", "Opportunities", "per tick"),
        RenderPanel("playing", "Bidders with budget", "bidders"),
    )
    seat_panels = (
        RenderPanel("remaining_budget", "Remaining budget", "currency"),
        RenderPanel("multiplier", "Bid per value", "currency per conversion"),
        RenderPanel("win_rate", "Win rate", "share of opportunities"),
        RenderPanel("conversion", "Conversions", "per tick"),
    )
    market_info = frozenset({"search_volume", "revenue", "least_winning_cost", "playing"})

    def __init__(self, config: Config, params: Params) -> None:
        self.config = config
        self.agents = tuple(f"bidder_{i}" for i in range(config.num_agents))
        self._params = params

    def __eq__(self, other: object) -> bool:
        """Equal configurations share compiled programs."""
        return isinstance(other, AutoBidding) and other.config == self.config

    def __hash__(self) -> int:
        return hash(self.config)

    @property
    def default_params(self) -> Params:
        return self._params

    @property
    def action_scale(self) -> ActionScale:
        return "log"

    def seat_params(self, params: Params, agent: Int[Array, ""], rivals: tuple[object, ...]) -> BidderParams:
        return BidderParams(params, agent, rivals)

    def observation_space(self, params: Params, agent: str) -> gymnasium.spaces.Box:
        i = self.index(agent)
        largest_bid, opportunities = MAX_BID / UNITS, float(params.num_opportunities)
        high = dict.fromkeys(self.config.observation_keys, 1.0) | {
            "mean_bid": largest_bid,
            "last_three_mean_bid": largest_bid,
            "mean_least_winning_cost": largest_bid,
            "last_three_mean_least_winning_cost": largest_bid,
            "current_opportunities": opportunities,
            "last_three_opportunities": opportunities,
            "total_opportunities": opportunities,
            "timestep": float(params.horizon),
            "remaining_budget": float(currency(params.initial_budget[i])),
            "target_cost_per_action": float(params.target_cost_per_action[i]),
            "reward": opportunities,
        }
        bound = np.array([high[key] for key in self.config.observation_keys], np.float32)
        return gymnasium.spaces.Box(np.zeros_like(bound), bound, dtype=np.float32)

    def action_space(self, params: Params, agent: str) -> gymnasium.spaces.Box:
        self.index(agent)
        low, high = np.float32(params.multiplier_low), np.float32(params.multiplier_high)
        return gymnasium.spaces.Box(low, high, (1,), np.float32)

    def alive(self, state: State) -> Bool[Array, "agents"]:
        return state.playing

    def reset_noise(self, key: Array, params: Params) -> Noise:
        episode = Stream.from_key(key, self.config.generator)
        return Drawn(episode, episode)

    def noise(self, key: Array, state: State, params: Params) -> Noise:
        episode = Stream.from_key(key, self.config.generator)
        return Drawn(episode, episode.step(state.t))

    def initial(self, noise: Noise, params: Params) -> State:
        none = jnp.zeros(self.config.num_agents, jnp.int32)
        t = jnp.zeros((), jnp.int32)
        return State(
            t=t,
            remaining_budget=params.initial_budget,
            playing=jnp.ones(self.config.num_agents, bool),
            tick=noise.tick(params, t),
            conversion_factor=noise.conversion_factor(params).astype(float),
            history=History.empty(self.config.num_agents),
            impression=none,
            conversion=none,
            win=none,
            tick_conversion=none,
        )

    def transition(
        self, state: State, action: Array, noise: Noise, params: Params
    ) -> tuple[State, Array, Array, Array, Info]:
        multiplier = self.multipliers(action, params)

        def run(index: Int[Array, "opportunities"], playing: Bool[Array, "agents"]) -> Window:
            drawn = noise.opportunities(index, state.tick, self.config.num_slots)
            return self.auctions(drawn, jnp.where(playing, multiplier, 0), state.conversion_factor, params)

        tick, playing = settle(run, state.tick.volume, state.remaining_budget, state.playing, self.config.window)
        t = state.t + 1
        after = State(
            t=t,
            remaining_budget=state.remaining_budget - tick.cost,
            playing=playing & (t < params.horizon),
            tick=noise.tick(params, t),
            conversion_factor=state.conversion_factor,
            history=state.history.extended(self._means(tick, multiplier, state.tick), state.tick.volume),
            impression=state.impression + tick.impression,
            conversion=state.conversion + tick.conversion,
            win=state.win + tick.win,
            tick_conversion=tick.conversion,
        )
        score = self.score(after, params)
        reward = tick.conversion.astype(float)
        if self.config.objective == "score":
            reward = reward - jnp.where(state.playing & ~after.playing, after.conversion - score, 0)
        cost = currency(params.initial_budget - after.remaining_budget)
        info = self._info(after, tick, multiplier, state.tick.volume)
        info |= {"episode_cost": cost, "episode_score": score}
        return after, reward, ~after.playing, jnp.zeros(self.config.num_agents, bool), info

    def observe(self, state: State, params: Params) -> Array:
        every, recent = state.history.means(state.t)
        remaining = currency(state.remaining_budget)
        # Reciprocals by name, here and below: some programs would divide through them, and others exactly.
        per_tick, per_budget = 1 / params.horizon.astype(float), 1 / params.initial_budget.astype(float)
        values = {
            "time_left": jnp.minimum((params.horizon - state.t) * per_tick, 1),
            "budget_left": jnp.minimum(state.remaining_budget * per_budget, 1),
            "mean_bid": every.bid,
            "last_three_mean_bid": recent.bid,
            "mean_least_winning_cost": every.least_winning_cost,
            "mean_value": every.value,
            "mean_conversion": every.conversion,
            "mean_win": every.win,
            "last_three_mean_least_winning_cost": recent.least_winning_cost,
            "last_three_mean_value": recent.value,
            "last_three_mean_conversion": recent.conversion,
            "last_three_mean_win": recent.win,
            "current_mean_value": state.tick.mean_value,
            "current_opportunities": state.tick.volume,
            "last_three_opportunities": state.history.recent_opportunities.sum(),
            "total_opportunities": state.history.total_opportunities,
            "timestep": state.t,
            "remaining_budget": remaining,
            "target_cost_per_action": params.target_cost_per_action,
            "reward": state.tick_conversion,
        }
        shape = (self.config.num_agents,)
        shown = [jnp.broadcast_to(values[key], shape).astype(float) for key in self.config.observation_keys]
        return jnp.stack(shown, axis=1)

    def multipliers(self, action: Array, params: Params) -> Float[Array, "agents"]:
        """Bids per value, the actions clipped to the action space; NaN means the lowest."""
        value = jnp.nan_to_num(action[:, 0], nan=-jnp.inf, posinf=jnp.inf, neginf=-jnp.inf)
        return jnp.clip(value, params.multiplier_low, params.multiplier_high)

    def score(self, state: State, params: Params) -> Float[Array, "agents"]:
        """Conversions so far times min(1, (target / cost per action)**2): AuctionNet's score."""
        conversion = state.conversion.astype(float)
        cost = currency(params.initial_budget - state.remaining_budget)
        met = params.target_cost_per_action * conversion / jnp.maximum(cost, 1 / UNITS)
        return conversion * jnp.minimum(1, met**2)

    def auctions(
        self, drawn: Opportunities, multiplier: Float[Array, "agents"], factor: Float[Array, "agents"], params: Params
    ) -> Window:
        """Bids, slots, prices and what happens in them."""
        bid = jnp.minimum(multiplier[:, None] * drawn.value * UNITS, MAX_BID)
        auction = position_auction(bid, params.exposure, "gsp", reserve_price=params.reserve_price)
        held = auction.bidder >= 0
        price = jnp.floor(auction.price).astype(jnp.int32)
        holder = jnp.maximum(auction.bidder, 0)
        rate = jnp.take_along_axis(drawn.value, holder, axis=0, mode="promise_in_bounds") * factor[holder]
        shown, converted, before = [], [], jnp.ones(bid.shape[1:], bool)
        for slot in range(self.config.num_slots):
            uniform, exposure = drawn.response_uniform[slot], params.exposure[slot]
            converted.append(before & held[slot] & (uniform < exposure * rate[slot]))
            before = before & held[slot] & (uniform < exposure)
            shown.append(before)
        least_winning_cost = jnp.where(held[-1], price[-1], params.reserve_price)
        return Window(bid, auction.bidder, price, jnp.stack(shown), jnp.stack(converted), least_winning_cost)

    def _means(self, tick: TickTotals, multiplier: Float[Array, "agents"], level: Tick) -> TickMeans:
        """Means over the tick's opportunities; bid and value by their laws."""
        share = 1 / jnp.maximum(level.volume, 1).astype(float)
        value = level.mean_value
        cost = tick.least_winning_cost * (1 / UNITS) * share
        means = TickMeans(
            bid=jnp.minimum(multiplier * value, MAX_BID / UNITS) * (tick.bid_count * share),
            least_winning_cost=jnp.broadcast_to(cost, value.shape),
            value=value,
            conversion=tick.conversion * share,
            win=tick.win * share,
        )
        # Nothing is negative, but without this some programs would add the products to the history unrounded.
        bounded: TickMeans = jax.tree.map(lambda mean: jnp.maximum(mean, 0), means)
        return bounded

    def _info(self, after: State, tick: TickTotals, multiplier: Float[Array, "agents"], volume: Array) -> Info:
        return {
            "search_volume": volume,
            "revenue": currency(tick.cost.sum(dtype=jnp.int32)),
            "least_winning_cost": after.history.recent.least_winning_cost[0, 0],
            "playing": after.playing.sum(dtype=jnp.int32),
            "win": tick.win,
            "impression": tick.impression,
            "conversion": tick.conversion,
            "cost": currency(tick.cost),
            "win_rate": after.history.recent.win[0],
            "multiplier": multiplier,
            "remaining_budget": currency(after.remaining_budget),
            "episode_search_volume": jnp.broadcast_to(after.history.total_opportunities, tick.win.shape),
            "episode_win": after.win,
            "episode_impression": after.impression,
            "episode_conversion": after.conversion,
        }
