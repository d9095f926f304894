"""The alliance of Retargeting by hand: who is suited better, who gives way, and what the impression then costs."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtb_envs.envs.retargeting import (
    POLICY_KEYS,
    AgentTotals,
    Arrivals,
    Population,
    Recorded,
    Responses,
    make_retargeting,
    read,
)
from rtb_envs.envs.retargeting.customers import write
from rtb_envs.policies.retargeting import YIELDING_BID, strategy
from rtb_envs.random import Stream
from rtb_envs.users.lifecycle import Stage

CUSTOMERS, CONSERVATIVE, ADAPTIVE = 5, 1, 2
MARKET = make_retargeting(num_agents=4, num_customers=CUSTOMERS, horizon=100, alliance=(CONSERVATIVE, ADAPTIVE))
PARAMS = MARKET.default_params.replace(context_ctr=jnp.float32([0.2]), drift=jnp.float32(0))
NOTHING_HAPPENS = Responses(**{name: jnp.full(1, 0.999) for name in Responses._fields} | {"ctr_noise": jnp.zeros(1)})
HALF = Population(*[jnp.full(CUSTOMERS, 0.5)] * 7)
NOISE = Recorded(NOTHING_HAPPENS, Arrivals(jnp.zeros(1, jnp.int32), jnp.zeros(1, jnp.int32)), HALF, jnp.float32(1))
DOLLAR = 10_000


@pytest.fixture(scope="module")
def start():
    return jax.jit(MARKET.initial)(NOISE, PARAMS)


@pytest.fixture(scope="module")
def shown():
    return jax.jit(MARKET.policy_observation)


@pytest.fixture(scope="module")
def settle():
    return jax.jit(MARKET.settle)


def market_with(start, stage, left, wins):
    """A market whose next customer is in ``stage``; agents have the shares ``left`` of $100 and won ``wins``."""
    remaining = np.rint(100 * DOLLAR * np.array(left)).astype(np.int32)
    customers = read(start.customers, 4)
    customers = customers._replace(
        stage=customers.stage.at[0].set(int(stage)),
        conversion_probability=customers.conversion_probability.at[0].set(0.3),
    )
    totals = start.agents._replace(cost=jnp.asarray(100 * DOLLAR - remaining))
    return dataclasses.replace(
        start,
        customers=write(customers),
        remaining_budget=jnp.asarray(remaining),
        agent_totals=jnp.stack(totals),
        stage_win=start.stage_win.at[int(stage)].set(jnp.asarray(wins, jnp.int32)),
    )


@pytest.mark.parametrize(
    ("left", "wins", "who"),
    [
        # Suitability .5 * .40 + .5 * 2/20 = .25 and .5 * .60 + .5 * 6/20 = .45, which is 1.8 times as much.
        ((1, 0.40, 0.60, 1), (10, 2, 6, 2), CONSERVATIVE),
        # .5 * .40 + .5 * 30/30 = .70 and .5 * .60 = .30: the other one gives way.
        ((1, 0.40, 0.60, 1), (0, 30, 0, 0), ADAPTIVE),
        # .5 * .40 + .5 * 25/50 = .45 and .5 * .80 + .5 * 18/50 = .58: 1.29 times as much is not enough, ...
        ((1, 0.40, 0.80, 1), (7, 25, 18, 0), None),
        # ... .5 * .80 + .5 * 20/50 = .60 is: 1.33 times.
        ((1, 0.40, 0.80, 1), (5, 25, 20, 0), CONSERVATIVE),
        # Without a win in that stage, budgets alone decide: .25 and .33 is 1.32 times as much, ...
        ((1, 0.50, 0.66, 1), (0, 0, 0, 0), CONSERVATIVE),
        # ... .25 and .32 is 1.28 times.
        ((1, 0.50, 0.64, 1), (0, 0, 0, 0), None),
        # What agents outside the alliance have matters to nobody but through the wins.
        ((0.01, 0.50, 0.66, 0.02), (0, 0, 0, 0), CONSERVATIVE),
    ],
)
def test_the_ally_that_is_less_suited_by_a_factor_of_1_3_gives_way(start, shown, left, wins, who):
    state = market_with(start, Stage.CONSIDERATION, left, wins)
    yields = np.asarray(shown(state, PARAMS))[:, POLICY_KEYS.index("yields")]
    assert yields.tolist() == [float(agent == who) for agent in range(4)]


def test_only_wins_in_the_customer_s_stage_count(start, shown):
    state = market_with(start, Stage.AWARENESS, (1, 0.5, 0.5, 1), (0, 0, 9, 0))
    elsewhere = market_with(start, Stage.INTEREST, (1, 0.5, 0.5, 1), (0, 0, 0, 0))
    elsewhere = dataclasses.replace(elsewhere, stage_win=state.stage_win)
    column = POLICY_KEYS.index("yields")
    assert np.asarray(shown(state, PARAMS))[:, column].tolist() == [0, 1, 0, 0]
    assert not np.asarray(shown(elsewhere, PARAMS))[:, column].any()


@pytest.mark.parametrize(
    ("left", "bid", "price", "surcharge", "yielded"),
    [
        # The conservative rule gives way: 10 cents, 12 in the targeted stage. Price .12 + .01, surcharge .13 * .24.
        ((1, 0.5, 0.9, 1), YIELDING_BID, 1_300, 312, 1),
        # It does not: .7 * 3.7125, 3.1185 in the targeted stage; price 3.1185 + .01, surcharge 3.1285 * .24.
        ((1, 0.5, 0.5, 1), 0.7 * 3.7125, 31_285, 7_508, 0),
    ],
)
def test_an_impression_left_to_an_ally_costs_it_the_yielding_bid(
    start, shown, settle, left, bid, price, surcharge, yielded
):
    """The value of the impression is .33 * ctr * cvr * revenue = .33 * (.2 * 1.5 * 1.25) * (.3 * 2) * 50 = 3.7125."""
    state = market_with(start, Stage.CONSIDERATION, left, (0, 0, 0, 0))
    observation, stream = shown(state, PARAMS), Stream.from_key(jax.random.key(0))
    action = np.tile(np.float32([0.01, 0, 1]), (4, 1))
    for agent, name in ((CONSERVATIVE, "conservative"), (ADAPTIVE, "adaptive")):
        rule = strategy(name)
        carry = rule.init(MARKET.seat_params(PARAMS, jnp.int32(agent), ()))
        action[agent] = rule.act(stream, carry, observation[agent])[0]
    np.testing.assert_allclose(action[[CONSERVATIVE, ADAPTIVE], 0], [bid, 3.7125], rtol=1e-5)
    after, _ = settle(state, jnp.asarray(action), NOISE, PARAMS)
    before, totals = AgentTotals(*np.asarray(state.agent_totals)), AgentTotals(*np.asarray(after.agent_totals))
    assert totals.win.tolist() == [0, 0, 1, 0]
    assert (totals.cost - before.cost).tolist() == [0, 0, price + surcharge, 0]
    assert totals.surcharge.tolist() == [0, 0, surcharge, 0]
    assert totals.yielded.tolist() == [0, yielded, 0, 0]
