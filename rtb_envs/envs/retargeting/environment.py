"""Retargeting: several advertisers bid, impression by impression, for customers on a six-stage journey."""

from __future__ import annotations

from dataclasses import replace

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Bool, Float, Int

from rtb_envs.action_scale import ActionScale
from rtb_envs.core import Info, RenderPanel
from rtb_envs.envs.retargeting.accounting import Reward, booked, entry, reward_of
from rtb_envs.envs.retargeting.auction import NUM_STAGES, hold_auction, read_action
from rtb_envs.envs.retargeting.config import (
    HIGHEST_BID,
    HIGHEST_INTENSITY,
    LEAVING_BUDGET,
    LOWEST_BID,
    LOWEST_INTENSITY,
    OBSERVATION_KEYS,
    WINDOW,
    Config,
)
from rtb_envs.envs.retargeting.customers import initial_customers, looked_up, read, write
from rtb_envs.envs.retargeting.information import MARKET_INFO, episode_info
from rtb_envs.envs.retargeting.noise import Arrivals, Drawn, Noise, Responses
from rtb_envs.envs.retargeting.observation import observe, observe_for_policies, yields
from rtb_envs.envs.retargeting.params import AdvertiserParams, Params, hour_of_day
from rtb_envs.envs.retargeting.records import auction_records, most_auctions
from rtb_envs.envs.retargeting.response import respond
from rtb_envs.envs.retargeting.state import AgentTotals, MarketTotals, State
from rtb_envs.multi_agent import MultiAgentEnvironment
from rtb_envs.random import Stream

BID_CHOICES, INTENSITY_CHOICES = 10, (1.0, 4.0, 7.0, 10.0)


class Retargeting(MultiAgentEnvironment[Params, State, Noise]):
    """Advertisers compete for customers over their journey; every advertiser is an agent.

    A step is one opportunity (or M of them, budgets settled in their order): a customer comes with an impression, the
    agents bid, the winner's ad is shown, the customer may click, buy, fill its cart, move to another stage, and leave.

    - Observation: float32[20] ([M, 20]) for each agent, ``OBSERVATION_KEYS``, each in [0, 1].
    - Action: float32[3] ([M, 3]): bid in dollars [0.01, 20], targeted stage [0, 5] (rounded), intensity [1, 10].
    - Reward: the weighted sum of ``accounting.Reward``.
    - Termination: of an agent that has less than $0.06 left. Truncation: of the others after ``horizon`` opportunities.
    - State: ``State``.

    Usage::

        env = rtb_envs.make_multi_agent("retargeting_v0")
        params = env.default_params
        observation, state = env.reset_env(key, params)
        observation, state, reward, terminated, truncated, info = env.step_env(key, state, action, params)
    """

    id = "retargeting_v0"
    auction_records = auction_records
    most_auctions = most_auctions
    render_panels = (
        RenderPanel("market_revenue", "Purchases", "dollars per step"),
        RenderPanel("clearing_price", "Clearing price", "dollars"),
        RenderPanel("playing", "Agents with budget", "agents"),
    )
    seat_panels = (
        RenderPanel("remaining_budget", "Remaining budget", "dollars"),
        RenderPanel("episode_revenue", "Attributed revenue", "dollars"),
        RenderPanel("win_rate", "Win rate", "share of bids"),
    )
    market_info = MARKET_INFO

    def __init__(self, config: Config, params: Params) -> None:
        self.config = config
        self.agents = tuple(f"advertiser_{i}" for i in range(config.num_agents))
        self._params = params

    def __eq__(self, other: object) -> bool:
        """Equal configurations share compiled programs."""
        return isinstance(other, Retargeting) and other.config == self.config

    def __hash__(self) -> int:
        return hash(self.config)

    @property
    def default_params(self) -> Params:
        return self._params

    @property
    def action_scale(self) -> ActionScale:
        """Bids are worth telling apart by their ratio: half of the range is above $10, and a customer is worth $1."""
        return ("log", "linear", "linear")

    def seat_params(self, params: Params, agent: Int[Array, ""], rivals: tuple[object, ...]) -> AdvertiserParams:
        return AdvertiserParams(params, agent, rivals)

    def observation_space(self, params: Params, agent: str) -> gymnasium.spaces.Box:
        self.index(agent)
        return gymnasium.spaces.Box(0.0, 1.0, (*self._rows, len(OBSERVATION_KEYS)), np.float32)

    def action_space(self, params: Params, agent: str) -> gymnasium.spaces.Box:
        self.index(agent)
        low = np.array([LOWEST_BID, 0, LOWEST_INTENSITY], np.float32)
        high = np.array([HIGHEST_BID, NUM_STAGES - 1, HIGHEST_INTENSITY], np.float32)
        shape = (*self._rows, 3)
        return gymnasium.spaces.Box(np.broadcast_to(low, shape), np.broadcast_to(high, shape), shape, np.float32)

    @property
    def action_factors(self) -> tuple[int, ...]:
        """How many bids, stages and intensities ``action_choices`` combines, the last fastest."""
        return BID_CHOICES, NUM_STAGES, len(INTENSITY_CHOICES)

    def action_choices(self, params: Params) -> Float[Array, "choices 3"]:
        """The 240 actions of a discrete learner: 10 bids even in the logarithm, 6 stages, 4 intensities."""
        bids = np.geomspace(0.05, HIGHEST_BID, BID_CHOICES)
        grid = np.meshgrid(bids, np.arange(NUM_STAGES), INTENSITY_CHOICES, indexing="ij")
        return jnp.asarray(np.stack([axis.ravel() for axis in grid], axis=1), float)

    def alive(self, state: State) -> Bool[Array, "agents"]:
        return state.playing

    def reset_noise(self, key: Array, params: Params) -> Noise:
        episode = Stream.from_key(key, self.config.generator)
        return Drawn(episode, episode)

    def noise(self, key: Array, state: State, params: Params) -> Noise:
        episode = Stream.from_key(key, self.config.generator)
        return Drawn(episode, episode.step(state.t))

    def initial(self, noise: Noise, params: Params) -> State:
        agents = self.config.num_agents
        drawn = noise.population(self.config.num_customers)
        customers = initial_customers(drawn, params, agents, self.config.path_length)
        rows, t = write(customers), jnp.zeros((), jnp.int32)
        row = 2 + 2 * agents
        return State(
            t=t,
            hours=jnp.zeros((), float),
            drift_sign=noise.drift_sign(),
            customers=rows,
            stage_count=(customers.stage[:, None] == jnp.arange(NUM_STAGES)).sum(0, dtype=jnp.int32),
            arrivals=self._arrivals(noise, t, rows, params),
            playing=params.active & (params.initial_budget >= LEAVING_BUDGET),
            remaining_budget=jnp.where(params.active, params.initial_budget, 0),
            agent_totals=jnp.zeros((len(AgentTotals._fields), agents), jnp.int32),
            market_totals=jnp.zeros(len(MarketTotals._fields), jnp.int32),
            stage_win=jnp.zeros((NUM_STAGES, agents), jnp.int32),
            stage_opportunity=jnp.zeros(NUM_STAGES, jnp.int32),
            ring=jnp.zeros((WINDOW, row), jnp.int32),
            ring_sum=jnp.zeros(row, jnp.int32),
            ring_win=jnp.zeros(agents, jnp.int32),
            ring_sold=t,
        )

    def transition(
        self, state: State, action: Array, noise: Noise, params: Params
    ) -> tuple[State, Array, Array, Array, Info]:
        after, reward = self.settle(state, action, noise, params)
        left = ~params.active | (after.remaining_budget < LEAVING_BUDGET)
        truncated = ~left & (after.t >= params.horizon)
        return after, reward.total(), left, truncated, episode_info(state, after, reward, params)

    def settle(self, state: State, action: Array, noise: Noise, params: Params) -> tuple[State, Reward]:
        """The next state and the reward's terms: all of a step but what is told of it."""
        count = self.config.opportunities_per_step
        draws, arrivals = noise.responses(count), state.arrivals
        if count == 1:
            draw, arrival = jax.tree.map(lambda leaf: leaf[0], (draws, arrivals))
            after, reward = self.opportunity(state, action, draw, arrival, params)
        else:

            def one(state: State, inputs: tuple[Array, Responses, Arrivals]) -> tuple[State, Reward]:
                return self.opportunity(state, *inputs, params)

            after, rewards = lax.scan(one, state, (jnp.moveaxis(action, 1, 0), draws, arrivals))
            reward = Reward(*(term.sum(0) for term in rewards))
        playing = after.playing & (after.t < params.horizon)
        arrivals = self._arrivals(noise, after.t, after.customers, params)
        return replace(after, playing=playing, arrivals=arrivals), reward

    def observe(self, state: State, params: Params) -> Array:
        return observe(state, params, self.config)

    def policy_observation(self, state: State, params: Params) -> Array:
        return observe_for_policies(state, params, self.config)

    @property
    def _rows(self) -> tuple[int, ...]:
        count = self.config.opportunities_per_step
        return () if count == 1 else (count,)

    def _arrivals(
        self, noise: Noise, t: Int[Array, ""], customers: Float[Array, "customers fields"], params: Params
    ) -> Arrivals:
        contexts = params.response.context_ctr.shape[0]
        drawn = noise.arrivals(t, self.config.opportunities_per_step, self.config.num_customers, contexts)
        return drawn._replace(customer=looked_up(customers, drawn.customer))

    def opportunity(
        self, state: State, action: Float[Array, "agents 3"], draw: Responses, arrival: Arrivals, params: Params
    ) -> tuple[State, Reward]:
        """Sell one impression and let the customer respond; the clock moves on to the next."""
        config = self.config
        customer = read(state.customers[arrival.customer], config.num_agents)
        bids = read_action(action, customer.stage, params)
        auction = hold_auction(bids, state.playing, state.remaining_budget, params, config.pricing)
        predicted_ctr = params.response.context_ctr[arrival.context]
        progress = state.t.astype(float) / params.horizon.astype(float)
        drift = 1 + state.drift_sign * jnp.maximum(params.drift * params.realism * progress, 0)
        response = respond(
            config, params, state.hours, drift, customer, predicted_ctr, auction.winner, bids.intensity, draw
        )
        arrives = state.hours + response.delay_hours
        later = response.conversion & (arrives > params.end_hours)
        gives_way = yields(state, jax.tree.map(lambda field: field[None], customer), config)[:, 0]
        added = entry(bids, auction, response, later, gives_way & state.playing)
        after = booked(state, added, customer.stage)
        reward = reward_of(after, added, params)
        reward = Reward(*(jnp.where(state.playing, term, 0) for term in reward))
        stages = jnp.arange(NUM_STAGES)
        moved = (stages == response.customer.stage).astype(jnp.int32) - (stages == customer.stage)
        after = replace(
            after,
            t=state.t + 1,
            hours=state.hours + params.step_hours[hour_of_day(state.hours)],
            customers=state.customers.at[arrival.customer].set(write(response.customer), mode="promise_in_bounds"),
            stage_count=state.stage_count + moved,
            playing=state.playing & (after.remaining_budget >= LEAVING_BUDGET),
        )
        return after, reward
