"""Playing one episode of a Retargeting market while writing down what every agent gets and bids, and the journey."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
from jax import Array
from jaxtyping import Int

from rtb_envs import validation
from rtb_envs.compile import jit
from rtb_envs.envs.retargeting import CENTS, UNITS, Params, Retargeting, State
from rtb_envs.envs.retargeting.auction import NUM_STAGES, read_action
from rtb_envs.envs.retargeting.observation import come
from rtb_envs.envs.retargeting.params import hour_of_day
from rtb_envs.envs.retargeting.play import SEATS_SITE
from rtb_envs.policies.policy import Policy
from rtb_envs.random import Stream
from rtb_envs.studies.retargeting.tables import Recording
from rtb_envs.users.attribution import WHOLE
from rtb_envs.users.lifecycle import STAGES

HOURS_A_DAY = 24


class _Bids(NamedTuple):
    """Sums over opportunities at which an agent was playing, by stage and hour of the day."""

    opportunities: Int[Array, "stages hours agents"]
    cents: Int[Array, "stages hours agents"]
    wins: Int[Array, "stages hours agents"]


class _Carry(NamedTuple):
    state: State
    policies: tuple[Any, ...]
    bids: _Bids


class Recorder:
    """Plays an episode and keeps what it came to every ``every`` opportunities.

    ``policies[i]`` plays agent i under the name ``labels[i]``; what it draws is what it draws in ``play_episodes`` with
    the same key. ``opportunities`` ends the episode early. Raises ValueError for a market with several opportunities a
    step, and for another number of policies or labels than there are agents.
    """

    def __init__(
        self,
        market: Retargeting,
        policies: Sequence[Policy],
        labels: Sequence[str],
        key: Array,
        params: Params | None = None,
        every: int = 100,
        opportunities: int | None = None,
    ) -> None:
        if market.config.opportunities_per_step != 1:
            raise validation.wrong_value("opportunities_per_step", "1", market.config.opportunities_per_step)
        for name, given in {"policies": policies, "labels": labels}.items():
            if len(given) != len(market.agents):
                raise validation.wrong_value(name, f"one for each of {len(market.agents)} agents", len(given))
        self._market, self._policies, self._labels = market, tuple(policies), tuple(labels)
        self._params = market.default_params if params is None else params
        self._every = validation.integer("every", every, 1, 2**20)
        horizon = int(self._params.horizon)
        self.opportunities = horizon if opportunities is None else min(opportunities, horizon)
        self._advance = jit(partial(_advance, market, self._policies))
        self._key = key
        self._carry = jit(partial(_begin, market, self._policies))(key, self._params)
        self._agents: list[pl.DataFrame] = []
        self._market_rows: list[pl.DataFrame] = []
        self._journey: list[pl.DataFrame] = []

    def compile(self) -> None:
        """Have the program compiled, without playing."""
        self._advance(self._carry, self._key, self._params, jnp.int32(0))

    def play(self) -> Iterator[pl.DataFrame]:
        """Play the episode; yields the new rows of the table ``agents`` as they come."""
        self._note()
        for done in range(0, self.opportunities, self._every):
            count = min(self._every, self.opportunities - done)
            self._carry = self._advance(self._carry, self._key, self._params, jnp.int32(count))
            yield self._note()

    def recording(self) -> Recording:
        """What was recorded so far."""
        return Recording(pl.concat(self._agents), self._bids(), pl.concat(self._market_rows), pl.concat(self._journey))

    def _note(self) -> pl.DataFrame:
        """Write down where the episode is; the agents' rows."""
        state = jax.device_get(self._carry.state)
        rows = _at(state, _agent_columns(state, self._market.agents, self._labels))
        stages = {"stage": list(STAGES), "customers": state.stage_count, "stage_opportunities": state.stage_opportunity}
        self._agents.append(rows)
        self._market_rows.append(_at(state, _market_columns(state)))
        self._journey.append(_at(state, stages))
        return rows

    def _bids(self) -> pl.DataFrame:
        bids = jax.tree.map(np.asarray, self._carry.bids)
        stage, hour, agent = (axis.ravel() for axis in np.indices(bids.wins.shape))
        opportunities = bids.opportunities.ravel()
        frame = pl.DataFrame(
            {
                "agent": np.array(self._market.agents)[agent].tolist(),
                "policy": np.array(self._labels)[agent].tolist(),
                "stage": np.array(STAGES)[stage].tolist(),
                "hour_of_day": hour.astype(np.uint8),
                "opportunities": opportunities,
                "mean_bid": bids.cents.ravel() / CENTS / np.maximum(opportunities, 1),
                "wins": bids.wins.ravel(),
            }
        )
        return frame.filter(pl.col("opportunities") > 0)


def _at(state: State, columns: dict[str, Any]) -> pl.DataFrame:
    """Rows of a table, with the time first."""
    time = {"opportunities": int(state.t), "hours": float(state.hours)}
    return pl.DataFrame(columns).select(*(pl.lit(value).alias(name) for name, value in time.items()), pl.all())


def _agent_columns(state: State, agents: Sequence[str], labels: Sequence[str]) -> dict[str, Any]:
    totals = state.agents
    return {
        "agent": list(agents),
        "policy": list(labels),
        "cost": totals.cost / UNITS,
        "surcharge": totals.surcharge / UNITS,
        "revenue": totals.revenue / CENTS,
        "revenue_later": totals.revenue_later / CENTS,
        "bids": totals.bid,
        "wins": totals.win,
        "won_bids": totals.won_bid / CENTS,
        "clicks": totals.click,
        "conversions": totals.conversion,
        "attributed_purchases": totals.credit / WHOLE,
        "new_customers": totals.new_customer / WHOLE,
        "lifetime_value": totals.lifetime_value / CENTS,
        "yielded": totals.yielded,
        "remaining_budget": state.remaining_budget / UNITS,
        "playing": state.playing,
    }


def _market_columns(state: State) -> dict[str, Any]:
    totals = state.market
    return {
        "publisher_revenue": [float(totals.publisher_revenue) / UNITS],
        "surcharge": [float(totals.surcharge) / UNITS],
        "sold": [int(totals.sold)],
        "purchases": [int(totals.purchase)],
        "organic_purchases": [int(totals.organic_purchase)],
        "purchase_revenue": [float(totals.purchase_revenue) / CENTS],
        "departures": [int(totals.departure)],
        "exposed": [int(totals.exposed)],
        "exposed_purchases": [int(totals.exposed_purchase)],
        "masked_purchases": [int(totals.masked_purchase)],
    }


def _begin(market: Retargeting, policies: tuple[Policy, ...], key: Array, params: Params) -> _Carry:
    carries = tuple(
        policy.init(market.seat_params(params, jnp.int32(agent), ())) for agent, policy in enumerate(policies)
    )
    shape = (NUM_STAGES, HOURS_A_DAY, len(policies))
    return _Carry(market.reset_env(key, params)[1], carries, _Bids(*(jnp.zeros(shape, jnp.int32) for _ in range(3))))


def _advance(
    market: Retargeting, policies: tuple[Policy, ...], carry: _Carry, key: Array, params: Params, count: Int[Array, ""]
) -> _Carry:
    """``count`` opportunities on."""

    def step(_: Array, carry: _Carry) -> _Carry:
        state = carry.state
        stream = Stream.from_key(key).site(SEATS_SITE).step(state.t)
        seen = market.policy_observation(state, params)
        each = [
            policy.act(stream.step(agent), carry.policies[agent], seen[agent]) for agent, policy in enumerate(policies)
        ]
        action = jnp.stack([chosen for chosen, _ in each])
        after, _reward = market.settle(state, action, market.noise(key, state, params), params)
        stage = come(state, market.config).stage[0]
        bid = read_action(action, stage, params).bid
        cell = stage, hour_of_day(state.hours)
        cents = (bid * CENTS + UNITS // 2) // UNITS
        bids = _Bids(
            carry.bids.opportunities.at[cell].add(state.playing.astype(jnp.int32)),
            carry.bids.cents.at[cell].add(jnp.where(state.playing, cents, 0)),
            carry.bids.wins.at[cell].add(after.agents.win - state.agents.win),
        )
        return _Carry(after, tuple(kept for _, kept in each), bids)

    after: _Carry = jax.lax.fori_loop(0, count, step, carry)
    return after
