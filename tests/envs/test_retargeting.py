"""Retargeting: an opportunity by hand and against an oracle in plain Python, and what holds in every market."""

import dataclasses
from decimal import Decimal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rtb_envs
from rtb_envs import core
from rtb_envs.envs.retargeting import (
    AgentTotals,
    Arrivals,
    Customer,
    DiscreteSeat,
    MarketTotals,
    Population,
    Recorded,
    Responses,
    make_retargeting,
    make_retargeting_seat,
    read,
)
from rtb_envs.envs.retargeting.auction import surcharge
from rtb_envs.envs.retargeting.customers import write
from rtb_envs.multi_agent import SeatParams
from rtb_envs.random import EVALUATE, lane_keys
from tests.envs.retargeting_oracle import auction, half_up, respond

AGENTS, CUSTOMERS = 4, 40
MARKET = make_retargeting(num_agents=AGENTS, num_customers=CUSTOMERS, horizon=400)
PARAMS = MARKET.default_params
NEVER = 0.999
"""A uniform at which nothing happens."""
QUIET = dict.fromkeys(Responses._fields, NEVER) | {"ctr_noise": 0.0, "revenue": 0.0}


@pytest.fixture(scope="module")
def transition():
    return jax.jit(MARKET.transition)


@pytest.fixture(scope="module")
def play():
    """Plays actions [400, agents, 3] in lanes: the states but for the customers [steps, lanes], the last customers
    [lanes], and (observation, reward, terminated, truncated, reward terms), each [steps, lanes]."""

    @jax.jit
    def run(lanes, actions, params):
        def step(lanes, action):
            action = jnp.broadcast_to(action, (lanes.keys.shape[0], *action.shape))
            lanes, out = core.step_batch(MARKET, lanes, action, params)
            seen = dataclasses.replace(lanes.state, customers=lanes.state.stage_count)
            terms = {name: value for name, value in out.info.items() if name.startswith("reward_")}
            return lanes, (seen, (lanes.observation, out.reward, out.terminated, out.truncated, terms))

        last, (states, results) = jax.lax.scan(step, lanes, actions)
        return states, last.state.customers, results

    def start(keys, actions, params=PARAMS):
        lanes = core.start_batch(MARKET, keys, params)
        return jax.device_get(run(lanes, jnp.asarray(actions, jnp.float32), params))

    return start


LANES = lane_keys(3, EVALUATE, 6)


def recorded(**draws):
    """A step of given draws; customer 0 comes now and then."""
    drawn = Responses(*(jnp.float32([value]) for value in (QUIET | draws).values()))
    arrival = Arrivals(jnp.zeros(1, jnp.int32), jnp.zeros(1, jnp.int32))
    half = jnp.full(CUSTOMERS, 0.5)
    return Recorded(drawn, arrival, Population(*[half] * 7), jnp.float32(1))


def with_customer(state, **fields):
    """The state with ``fields`` of customer 0 set, its stage counted."""
    rows = read(state.customers, AGENTS)
    changed = {name: getattr(rows, name).at[0].set(jnp.asarray(value)) for name, value in fields.items()}
    rows = rows._replace(**changed)
    count = jnp.bincount(rows.stage, length=6).astype(jnp.int32)
    return dataclasses.replace(state, customers=write(rows), stage_count=count)


def test_one_opportunity_by_hand(transition):
    """Bids of $2.40 and $1.00 in consideration; the winner pays $1.01 and 2.16 of intensity, and the customer buys.

    Effective bids: 2 * 1.2 = 2.40, 2 * .5 = 1.00, .01 (no part), .08 * .5 = .04 (no part). Price 1.00 + .01, surcharge
    1.01 * .015 * 16 = .2424. Click rate .2 * 1.5 * 1.25 = .375 > .37; conversion probability .3 * 2 = .6 > .59; revenue
    50 * exp(-.125) = 44.12. Reward of agent 0: profit (44.12 - 1.2524) / 50 = .857352, conversion .1, acquisition
    -.05 * 1.2524 / 25 = -.0025048, win share .05 * (1 - 1/4) = .0375, profit share .1.
    """
    params = PARAMS.replace(context_ctr=jnp.float32([0.2]), drift=jnp.float32(0))
    noise = recorded(click=0.37, conversion=0.59)
    state = with_customer(MARKET.initial(noise, params), stage=2, conversion_probability=0.3, visits=5.0, purchases=0.0)
    action = jnp.float32([[2, 2, 5], [2, 0, 1], [0.01, 2, 1], [0.08, 1, 1]])
    after, reward, terminated, truncated, info = jax.device_get(transition(state, action, noise, params))
    totals = AgentTotals(*after.agent_totals)
    assert totals.cost.tolist() == [12_524, 0, 0, 0]
    assert totals.surcharge.tolist() == [2_424, 0, 0, 0]
    assert totals.bid.tolist() == [1, 1, 0, 0]
    assert totals.credit.tolist() == [10_000, 0, 0, 0]
    assert totals.new_customer.tolist() == [10_000, 0, 0, 0]
    assert totals.revenue.tolist() == [4_412, 0, 0, 0]
    np.testing.assert_allclose(reward[0], 0.857352 + 0.1 - 0.0025048 + 0.0375 + 0.1, atol=5e-5)
    np.testing.assert_allclose(reward[1:], -0.0125, atol=2e-5)
    # A dollar of agent 0 counts three times in its profit, and the others want nothing but wins.
    weights = PARAMS.reward_weights.at[1:].set(jnp.float32([0, 0, 0, 1, 0]))
    dearer = params.replace(spend_weight=jnp.float32([3, 1, 1, 1]), reward_weights=weights)
    reward = jax.device_get(transition(state, action, noise, dearer))[1]
    np.testing.assert_allclose(reward[0], (44.12 - 3 * 1.2524) / 50 + 0.1 - 0.0025048 + 0.0375 + 0.1, atol=5e-5)
    np.testing.assert_allclose(reward[1:], -0.25, atol=2e-5)
    customer = Customer(*(np.asarray(field)[0] for field in read(after.customers, AGENTS)))
    assert (customer.visits, customer.purchases, customer.cart_value, customer.stage) == (6, 1, 0, 3)
    np.testing.assert_allclose(customer.lifetime_value, 0.1 * 12 * 0.3 * 44.12, rtol=1e-5)
    assert not terminated.any()
    assert not truncated.any()
    np.testing.assert_allclose(info["clearing_price"], 1.01, rtol=1e-6)


def test_a_dollar_weighs_exponentially_more_in_the_reward_the_more_of_the_own_budget_is_spent(transition):
    """The sale of the test above, $1.2524 for $44.12, after each agent has spent a quarter of its $1,500."""
    options = {"spend_weight": 3.0, "spend_weight_growth": [16, 1, 1, 1], "reward_weights": [1, 0, 0, 0, 0]}
    params = make_retargeting(num_customers=CUSTOMERS, horizon=400, **options).default_params
    params = params.replace(context_ctr=jnp.float32([0.2]), drift=jnp.float32(0))
    noise = recorded(click=0.37, conversion=0.59)
    state = with_customer(MARKET.initial(noise, params), stage=2, conversion_probability=0.3, visits=5.0, purchases=0.0)
    state = dataclasses.replace(state, agent_totals=state.agent_totals.at[0].set(3_750_000))
    action = jnp.float32([[2, 2, 5], [2, 0, 1], [0.01, 2, 1], [0.08, 1, 1]])
    _, reward, *_ = jax.device_get(transition(state, action, noise, params))
    np.testing.assert_allclose(reward, [(44.12 - 3 * 16**0.25 * 1.2524) / 50, 0, 0, 0], atol=5e-5)
    same = jax.device_get(transition(state, action[jnp.array([1, 0, 2, 3])], noise, params))[1]
    np.testing.assert_allclose(same, [0, (44.12 - 3 * 1.2524) / 50, 0, 0], atol=5e-5)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_an_opportunity_is_what_the_oracle_computes(transition, seed):
    rng = np.random.default_rng(seed)
    hours, ctr = float(np.float32(rng.uniform(0, 360))), float(np.float32(rng.uniform(0.02, 0.6)))
    ages = np.where(rng.random(AGENTS) < 0.4, 1e6, rng.uniform(0, 300, AGENTS))
    customer = {
        "visits": float(rng.integers(0, 6)),
        "purchases": float(rng.integers(0, 5) * rng.integers(0, 2)),
        "total_spent": 0.0,
        "last_activity": hours - float(rng.choice([1.0, 100.0, 719.0, 721.0])),
        "cart_value": float(rng.choice([0.0, 20.0])),
        "lifetime_value": float(rng.uniform(0, 200)),
        "conversion_probability": float(rng.uniform(0, 1)),
        "stage": int(rng.integers(0, 6)),
        "category": 1,
        "pressure": [float(x) for x in rng.uniform(1, 4, AGENTS) * (ages < 1e6)],
        "last_exposure": [float(x) for x in hours - ages],
        "touch_agent": [int(rng.integers(-1, AGENTS)) if rng.random() < 0.7 else -2],
        "touch_hours": [hours - float(rng.choice([10.0, 700.0, 730.0]))],
    }
    if customer["touch_agent"] == [-1]:
        customer["touch_agent"] = [-2]
    action = np.column_stack([rng.uniform(0.01, 3, AGENTS), rng.uniform(0, 5, AGENTS), rng.uniform(1, 10, AGENTS)])
    action = action.astype(np.float32)
    remaining = rng.choice([300, 599, 601, 9_000, 2_000_000], AGENTS)
    names = (*Responses._fields,)
    draw = dict(zip(names, rng.random(len(names)), strict=True)) | {"leaving": 0.5}
    draw |= {"click": rng.random() * 0.3, "organic": rng.random() * 0.02} if rng.random() < 0.5 else {}
    draw |= {"ctr_noise": rng.normal(), "revenue": rng.normal()}

    params = PARAMS.replace(context_ctr=jnp.float32([ctr]), drift=jnp.float32(0.2))
    noise = recorded(**draw)
    state = with_customer(MARKET.initial(noise, params), **customer)
    playing = jnp.asarray(remaining >= 600)
    money = {"remaining_budget": jnp.asarray(remaining, jnp.int32), "playing": playing}
    state = dataclasses.replace(state, t=jnp.int32(100), hours=jnp.float32(hours), **money)
    after, *_ = jax.device_get(transition(state, jnp.asarray(action), noise, params))

    winner, price, extra, part = auction(action.astype(float), customer["stage"], remaining)
    intensity = None if winner is None else float(action[winner, 2])
    drift = 1 + 0.2 * 100 / 400
    expected, happened = respond(customer, winner, intensity, hours, ctr, drift, {k: float(v) for k, v in draw.items()})
    totals = AgentTotals(*after.agent_totals)
    one_hot = np.arange(AGENTS) == (-1 if winner is None else winner)
    assert totals.cost.tolist() == ((price + extra) * one_hot).tolist()
    assert totals.surcharge.tolist() == (extra * one_hot).tolist()
    assert totals.bid.tolist() == [int(x) for x in part]
    assert after.remaining_budget.tolist() == (remaining - (price + extra) * one_hot).tolist()
    assert totals.click.tolist() == (happened["click"] * one_hot).tolist()
    assert totals.conversion.tolist() == (happened["conversion"] * one_hot).tolist()
    credited = 10_000 * (np.arange(AGENTS) == (-1 if happened["credited"] is None else happened["credited"]))
    assert totals.credit.tolist() == credited.tolist()
    assert totals.new_customer.tolist() == (credited * happened["first"]).tolist()
    assert abs(totals.revenue - credited / 10_000 * happened["revenue"] * 100).max() <= 1
    found = Customer(*(np.asarray(field)[0] for field in read(after.customers, AGENTS)))
    assert found.stage == expected["stage"]
    for name in Customer._fields:
        np.testing.assert_allclose(getattr(found, name), expected[name], rtol=2e-4, atol=0.02, err_msg=name)
    assert after.stage_count.sum() == CUSTOMERS
    assert after.stage_count[expected["stage"]] == np.sum(
        np.asarray(read(after.customers, AGENTS).stage) == expected["stage"]
    )


@settings(max_examples=200, deadline=None, derandomize=True)
@given(price=st.integers(0, 200_000), steps=st.integers(0, 12_150))
def test_the_surcharge_is_exact_and_rounded_half_up(price, steps):
    assert int(surcharge(jnp.int32(price), jnp.int32(steps))) == half_up(Decimal(price) * steps / 10_000)


def random_actions(steps, seed=0):
    low, high = np.array([0.01, 0, 1]), np.array([20, 5, 10])
    drawn = np.random.default_rng(seed).random((steps, AGENTS, 3))
    drawn[..., 0] **= 3
    return low + drawn * (high - low)


@pytest.mark.parametrize("budget", [0.2, 30.0, 1500.0])
def test_money_is_conserved_and_budgets_are_never_negative(play, budget):
    params = PARAMS.replace(initial_budget=jnp.full(AGENTS, round(budget * 10_000), jnp.int32))
    states, _, (observation, reward, terminated, truncated, terms) = play(LANES, random_actions(400), params)
    totals = AgentTotals(*np.moveaxis(states.agent_totals, 2, 0))
    market = MarketTotals(*np.moveaxis(states.market_totals, 2, 0))
    np.testing.assert_array_equal(totals.cost.sum(-1), market.publisher_revenue + market.surcharge)
    np.testing.assert_array_equal(totals.surcharge.sum(-1), market.surcharge)
    np.testing.assert_array_equal(totals.cost + states.remaining_budget, np.int32(round(budget * 10_000)))
    assert (states.remaining_budget >= 0).all()
    assert (market.attributed <= market.purchase).all()
    np.testing.assert_array_equal(totals.credit.sum(-1), 10_000 * market.attributed)
    assert (states.stage_count.sum(-1) == CUSTOMERS).all()
    assert np.isfinite(observation).all()
    assert (observation >= 0).all()
    assert (observation <= 1).all()
    left = states.remaining_budget < 600
    np.testing.assert_array_equal(terminated, left)
    np.testing.assert_array_equal(truncated, ~left & (np.arange(1, 401) >= 400)[:, None, None])
    assert (reward[1:][left[:-1]] == 0).all()
    np.testing.assert_allclose(reward, sum(terms.values()), atol=1e-6)


def test_the_window_holds_the_last_100_opportunities(play):
    states, *_ = play(LANES, random_actions(400))
    totals = AgentTotals(*np.moveaxis(states.agent_totals, 2, 0))
    market = MarketTotals(*np.moveaxis(states.market_totals, 2, 0))
    last, agents = jax.tree.map(lambda leaf: leaf[-1], states), slice(2, 2 + AGENTS)
    np.testing.assert_array_equal(last.ring_sum[:, agents], totals.cost[-1] - totals.cost[-101])
    np.testing.assert_array_equal(last.ring_sum[:, 2 + AGENTS :], totals.revenue[-1] - totals.revenue[-101])
    np.testing.assert_array_equal(last.ring_win, totals.win[-1] - totals.win[-101])
    np.testing.assert_array_equal(last.ring_sold, market.sold[-1] - market.sold[-101])
    np.testing.assert_array_equal(last.ring_sum[:, 0], market.publisher_revenue[-1] - market.publisher_revenue[-101])


def fixed(*actions):
    """The same action of each agent in every step."""
    return np.tile(np.float32(actions), (400, 1, 1))


def test_intensity_costs_a_surcharge_and_brings_clicks(play):
    """On the same draws: at intensity 10 the click rate is 1.5 / 1.05 = 1.43 times that at intensity 1."""
    rivals = [[0.2, 0, 1]] * 3
    low, high = (
        AgentTotals(*np.moveaxis(play(LANES, fixed([1.0, 0, intensity], *rivals))[0].agent_totals[-1], 1, 0))
        for intensity in (1, 10)
    )
    assert low.surcharge[:, 0].sum() == 0 < high.surcharge[:, 0].sum()
    assert low.win[:, 0].sum() == high.win[:, 0].sum()
    assert high.click[:, 0].sum() > 1.2 * low.click[:, 0].sum()


def test_the_targeted_stage_decides_which_customers_are_won(play):
    """50 cents are 60 in the targeted stage and 25 elsewhere, the rivals' 80 are 40 but in purchase: one is won."""
    rivals = [[0.8, 3, 1]] * 3
    for stage in (0, 1, 2):
        wins = play(LANES, fixed([0.5, stage, 1], *rivals))[0].stage_win[-1, :, :, 0].sum(0)
        assert wins[stage] > 0
        assert wins.sum() == wins[stage]


def test_a_lane_of_many_is_that_market_alone(play):
    many_states, many_customers, many_results = play(LANES, random_actions(400, seed=3))
    for lane in (0, 5):
        states, customers, results = play(LANES[lane : lane + 1], random_actions(400, seed=3))
        np.testing.assert_array_equal(customers[0], many_customers[lane])
        for one, all_lanes in zip(
            jax.tree.leaves((states, results)), jax.tree.leaves((many_states, many_results)), strict=True
        ):
            np.testing.assert_array_equal(one[:, 0], all_lanes[:, lane])


def test_many_opportunities_a_step_are_settled_in_their_order():
    market = make_retargeting(num_agents=2, num_customers=30, horizon=8, opportunities_per_step=4, initial_budget=2.0)
    params = market.default_params
    key = jax.random.key(0)
    observation, state = jax.jit(market.reset_env)(key, params)
    assert observation.shape == (2, 4, 20)
    action = jnp.float32([[[1.0, 0, 1]] * 4, [[0.6, 0, 1]] * 4])
    step = jax.jit(market.step_env)
    _, after, reward, *_ = step(key, state, action, params)
    assert reward.shape == (2,)
    assert int(after.t) == 4
    one_by_one = state.remaining_budget
    for m in range(4):
        stage = int(read(state.customers[int(state.arrivals.customer[m])], 2).stage)
        winner, price, extra, _ = auction(np.asarray(action[:, m], float), stage, np.asarray(one_by_one))
        if winner is not None:
            one_by_one = one_by_one.at[winner].add(-(price + extra))
    # Customers of one step may be the same; with these keys they are not, so their stages are those of its beginning.
    assert len(set(state.arrivals.customer.tolist())) == 4
    np.testing.assert_array_equal(after.remaining_budget, one_by_one)


def test_complexity_keeps_the_first_rivals_and_lets_customers_move_from_a_half_on():
    actives = {0.3: 1, 0.6: 2, 1.0: 3}
    for complexity, rivals in actives.items():
        params = PARAMS.at_complexity(complexity)
        assert params.active.sum() == 1 + rivals
        assert bool(params.transitions) == (complexity >= 0.5)
        np.testing.assert_allclose(params.realism, np.clip((complexity - 0.3) / 0.7, 0, 1), atol=1e-6)


def test_a_learner_in_any_seat_meets_the_first_of_the_others():
    T, F = True, False
    seats = [("advertiser_0", 0.3, [T, T, F, F]), ("advertiser_1", 0.3, [T, T, F, F])]
    seats += [("advertiser_2", 0.3, [T, F, T, F]), ("advertiser_3", 0.6, [T, T, F, T]), ("advertiser_3", 1, [T] * 4)]
    for agent, complexity, active in seats:
        env = make_retargeting_seat(agent, num_customers=30, horizon=20, complexity=complexity)
        assert env.default_params.market.active.tolist() == active


def test_discrete_actions_stand_for_the_240_combinations():
    choices = np.asarray(MARKET.action_choices(PARAMS))
    assert choices.shape == (240, 3)
    np.testing.assert_allclose(np.unique(choices[:, 0]), np.geomspace(0.05, 20, 10), rtol=1e-5)
    assert sorted(set(choices[:, 1])) == [0, 1, 2, 3, 4, 5]
    assert sorted(set(choices[:, 2])) == [1, 4, 7, 10]
    env = make_retargeting_seat(num_customers=10, action_kind="discrete")
    assert env.action_space(env.default_params).n == 240
    np.testing.assert_array_equal(env.action_choices(env.default_params), choices)


def test_a_discrete_seat_acts_by_the_table():
    class Base:
        id, agent, render_panels, core = "Base", "advertiser_0", (), MARKET

        def transition(self, state, action, noise, params):
            return action

    params = SeatParams(PARAMS, jnp.int32(0), ())
    chosen = DiscreteSeat(Base()).transition(None, jnp.int32(101), None, params)
    # 101 = (4 * 6 + 1) * 4 + 1: the fifth bid, interest, the second intensity.
    np.testing.assert_allclose(chosen, [0.05 * 400 ** (4 / 9), 1, 4], rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_agents": 1}, r"num_agents must be an integer in \[2, 64\], got 1"),
        ({"pricing": "third_price"}, "pricing must be one of .* got 'third_price'"),
        ({"attribution": "shapley"}, "attribution must be one of .* got 'shapley'"),
        ({"complexity": 1.5}, r"complexity must be a finite number in \[0, 1\], got 1.5"),
        ({"alliance": (0, 0)}, "alliance must be None or two different agents' indices"),
        (
            {"horizon": 10, "opportunities_per_step": 4},
            "horizon must be a multiple of opportunities_per_step, 4, got 10",
        ),
        ({"initial_budget": [1, 2, 3]}, r"initial_budget must have shape \(\) or \(4,\)"),
        ({"initial_budget": 60_000}, "initial_budget must be at most 200000 in sum over the agents, got 240000"),
        ({"context_ctr": [0.2, 1.5]}, r"context_ctr must hold finite numbers in \[0, 0.99\], got 1.5 at \(1,\)"),
        (
            {"spend_weight_growth": 0.0},
            r"spend_weight_growth must hold finite numbers in \[0.001, 1000\], got 0.0 at \(\)",
        ),
        ({"spend_weight_growth": [2, 3]}, r"spend_weight_growth must have shape \(\) or \(4,\)"),
        ({"agent": "advertiser_9"}, "agent must be one of .* got 'advertiser_9'"),
        ({"action_kind": "binary"}, "action_kind must be one of 'continuous', 'discrete', got 'binary'"),
    ],
)
def test_bad_options_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        rtb_envs.make("Retargeting-v0", **options)


def test_an_unknown_option_is_refused_with_what_is_allowed():
    with pytest.raises(TypeError, match="unknown option 'budget'; Retargeting takes num_agents, num_customers"):
        rtb_envs.make_multi_agent("retargeting_v0", budget=3)


def test_reset_draws_customers_consistent_with_their_stages():
    market = make_retargeting(num_customers=20_000)
    drawn = read(market.reset_env(jax.random.key(0), market.default_params)[1].customers, AGENTS)
    c = Customer(*map(np.asarray, drawn))
    # 4 standard errors of each share.
    for stage, share in enumerate([0.40, 0.25, 0.20, 0.10, 0.03, 0.02]):
        assert abs((c.stage == stage).mean() - share) < 4 * np.sqrt(share * (1 - share) / 20_000)
    assert set(c.visits[c.stage == 0]) == {0, 1, 2, 3}
    assert set(c.visits[c.stage == 1]) == {4, 5, 6, 7, 8}
    assert set(c.visits[c.stage > 1]) == set(range(1, 9))
    assert (c.cart_value[c.stage == 2] >= 10).all()
    assert (c.cart_value[c.stage == 2] <= 150).all()
    assert not c.cart_value[c.stage != 2].any()
    assert set(c.purchases[c.stage == 3]) == {1, 2}
    assert set(c.purchases[c.stage == 4]) == {3, 4, 5}
    assert ((-c.last_activity > 720) == (c.stage == 5)).all()
    np.testing.assert_allclose(c.conversion_probability.mean(), 0.2, atol=0.004)
    np.testing.assert_allclose(c.conversion_probability.var(), 2 * 8 / (100 * 11), atol=0.0006)


def test_the_default_contexts_have_a_mean_click_rate_of_17_percent():
    np.testing.assert_allclose(PARAMS.response.context_ctr.mean(), 0.17, atol=0.01)


def test_an_episode_of_20000_opportunities_spans_15_days_and_the_hours_have_their_traffic():
    params = make_retargeting(num_customers=10).default_params
    assert 15 * 24 < float(params.end_hours) < 15.6 * 24
    weights = 367 / 20_000 / np.asarray(params.step_hours)
    np.testing.assert_allclose(weights.mean(), 1, rtol=1e-6)
    assert weights[9] > 8 * weights[3]
