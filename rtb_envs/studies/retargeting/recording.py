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
from jaxtyping import Float, Int

from rtb_envs import validation
from rtb_envs.compile import jit
from rtb_envs.envs.retargeting import CENTS, UNITS, Params, Retargeting, State
from rtb_envs.envs.retargeting.auction import NUM_STAGES, read_action
from rtb_envs.envs.retargeting.observation import come
from rtb_envs.envs.retargeting.params import hour_of_day
from rtb_envs.envs.retargeting.play import SEATS_SITE
from rtb_envs.policies.policy import Policy
from rtb_envs.random import Stream
from rtb_envs.studies.retargeting.click_paths import ClickPaths, followed, no_clicks
from rtb_envs.studies.retargeting.ghost_ads import added_by_ads
from rtb_envs.studies.retargeting.tables import ALL_AGENTS, Recording
from rtb_envs.users.attribution import ATTRIBUTIONS, WHOLE
from rtb_envs.users.lifecycle import STAGES

HOURS_A_DAY = 24


class _Cell(NamedTuple):
    """What is summed of the opportunities of an agent, by the customer's stage and the hour of the day."""

    opportunities: Array
    """While it was playing;"""
    cents: Array
    """its bids at them."""
    wins: Array
    clicks: Array
    conversions: Array
    departures: Array
    """Customers that left after the agent's impression."""


class _Carry(NamedTuple):
    state: State
    policies: tuple[Any, ...]
    cells: Int[Array, "stages hours agents sums"]
    """See ``_Cell``."""
    purchases: Int[Array, "stages"]
    """By the stage in which the customer came."""
    paths: ClickPaths
    actions: Float[Array, "opportunities agents 3"]


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
        self._advance = jit(partial(_advance, market))
        self._key = key
        self._carry = jit(partial(_begin, market, self.opportunities))(self._policies, key, self._params)
        self._agents: list[pl.DataFrame] = []
        self._market_rows: list[pl.DataFrame] = []
        self._journey: list[pl.DataFrame] = []

    def compile(self) -> None:
        """Have the program compiled, without playing."""
        self._advance(self._policies, self._carry, self._key, self._params, jnp.int32(0))

    def play(self) -> Iterator[pl.DataFrame]:
        """Play the episode; yields the new rows of the table ``agents`` as they come."""
        self._note()
        for done in range(0, self.opportunities, self._every):
            count = min(self._every, self.opportunities - done)
            self._carry = self._advance(self._policies, self._carry, self._key, self._params, jnp.int32(count))
            yield self._note()

    def recording(self) -> Recording:
        """What was recorded so far; the episode is replayed for the effects of its ads."""
        return Recording(
            pl.concat(self._agents),
            self._bids(),
            pl.concat(self._market_rows),
            pl.concat(self._journey),
            self._attribution(),
            self._ghost_ads(),
        )

    def _note(self) -> pl.DataFrame:
        """Write down where the episode is; the agents' rows."""
        state, purchases = jax.device_get((self._carry.state, self._carry.purchases))
        rows = _at(state, _agent_columns(state, self._market.agents, self._labels))
        stages = {
            "stage": list(STAGES),
            "customers": state.stage_count,
            "stage_opportunities": state.stage_opportunity,
            "stage_purchases": purchases,
        }
        self._agents.append(rows)
        self._market_rows.append(_at(state, _market_columns(state)))
        self._journey.append(_at(state, stages))
        return rows

    def _bids(self) -> pl.DataFrame:
        cells = np.asarray(self._carry.cells)
        stage, hour, agent = (axis.ravel() for axis in np.indices(cells.shape[:3]))
        sums = _Cell(*cells.reshape(-1, cells.shape[-1]).T)
        frame = pl.DataFrame(
            {
                **self._who(agent),
                "stage": np.array(STAGES)[stage].tolist(),
                "hour_of_day": hour.astype(np.uint8),
                "opportunities": sums.opportunities,
                "mean_bid": sums.cents / CENTS / np.maximum(sums.opportunities, 1),
                "wins": sums.wins,
                "clicks": sums.clicks,
                "conversions": sums.conversions,
                "departures": sums.departures,
            }
        )
        return frame.filter(pl.col("opportunities") > 0)

    def _attribution(self) -> pl.DataFrame:
        credit, cents = (np.asarray(told) for told in (self._carry.paths.credit, self._carry.paths.cents))
        rule, agent = (axis.ravel() for axis in np.indices(credit.shape))
        return pl.DataFrame(
            {
                "rule": np.array(ATTRIBUTIONS)[rule].tolist(),
                **self._who(agent),
                "purchases": credit.ravel() / WHOLE,
                "revenue": cents.ravel() / CENTS,
            }
        )

    def _ghost_ads(self) -> pl.DataFrame:
        end = jax.device_get(self._carry.state)
        added = added_by_ads(self._market, self._key, self._params, self._carry.actions, end)
        cost, revenue, credit = (
            np.append(total, total.sum(dtype=np.int64))
            for total in (end.agents.cost, end.agents.revenue, end.agents.credit)
        )
        return pl.DataFrame(
            {
                "agent": [*self._market.agents, ALL_AGENTS],
                "policy": [*self._labels, ALL_AGENTS],
                "cost": cost / UNITS,
                "attributed_revenue": revenue / CENTS,
                "attributed_purchases": credit / WHOLE,
                "incremental_revenue": added.revenue,
                "incremental_purchases": added.purchases,
            }
        )

    def _who(self, agent: np.ndarray[Any, Any]) -> dict[str, list[str]]:
        """Name and policy of each of the agents of these indices."""
        return {
            "agent": np.array(self._market.agents)[agent].tolist(),
            "policy": np.array(self._labels)[agent].tolist(),
        }


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


def _begin(market: Retargeting, opportunities: int, policies: tuple[Policy, ...], key: Array, params: Params) -> _Carry:
    carries = tuple(
        policy.init(market.seat_params(params, jnp.int32(agent), ())) for agent, policy in enumerate(policies)
    )
    agents, config = len(policies), market.config
    return _Carry(
        state=market.reset_env(key, params)[1],
        policies=carries,
        cells=jnp.zeros((NUM_STAGES, HOURS_A_DAY, agents, len(_Cell._fields)), jnp.int32),
        purchases=jnp.zeros(NUM_STAGES, jnp.int32),
        paths=no_clicks(config.num_customers, agents, config.touches),
        actions=jnp.zeros((opportunities, agents, 3), float),
    )


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
        cell = stage, hour_of_day(state.hours)
        return _Carry(
            after,
            tuple(kept for _, kept in each),
            carry.cells.at[cell].add(_cell(state, after, read_action(action, stage, params).bid)),
            carry.purchases.at[stage].add(after.market.purchase - state.market.purchase),
            followed(carry.paths, state, after, params),
            carry.actions.at[state.t].set(action),
        )

    after: _Carry = jax.lax.fori_loop(0, count, step, carry)
    return after


def _cell(before: State, after: State, bid: Int[Array, "agents"]) -> Int[Array, "agents sums"]:
    """What one opportunity adds to its cell; ``bid`` in money units."""
    cents = (bid * CENTS + UNITS // 2) // UNITS
    won = after.agents.win - before.agents.win
    sums = _Cell(
        opportunities=before.playing,
        cents=jnp.where(before.playing, cents, 0),
        wins=won,
        clicks=after.agents.click - before.agents.click,
        conversions=after.agents.conversion - before.agents.conversion,
        departures=won * (after.market.departure - before.market.departure),
    )
    return jnp.stack([jnp.asarray(value, jnp.int32) for value in sums], axis=-1)
