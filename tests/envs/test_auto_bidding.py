"""AutoBidding: a tick against an oracle in plain Python, and what holds in every market."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import truncnorm

import rtb_envs
from rtb_envs import core
from rtb_envs.envs.auto_bidding import UNITS, Opportunities, Recorded, Tick, make_auto_bidding
from rtb_envs.envs.auto_bidding.noise import cut_normal
from rtb_envs.policies.adaptive_pacing import AdaptivePacing
from rtb_envs.policies.linear import Linear
from rtb_envs.policies.pid import PID
from rtb_envs.random import EVALUATE, Stream, lane_keys
from tests.envs.auto_bidding_oracle import play_tick

# One small market for all tests, so that they share compiled programs: 16 opportunities at once, ticks of about 8.
AGENTS, SLOTS, HORIZON = 4, 3, 6
MARKET = make_auto_bidding(
    num_agents=AGENTS, num_categories=2, horizon=HORIZON, num_opportunities=48, window=16, value_mean=0.3
)
PARAMS = MARKET.default_params
LONGEST = 40
"""Opportunities of a recorded tick; more than two windows."""


@pytest.fixture(scope="module")
def transition():
    return jax.jit(MARKET.transition)


@pytest.fixture(scope="module")
def begin():
    return jax.jit(MARKET.initial)


@pytest.fixture(scope="module")
def episode():
    """Plays a whole episode of given actions [ticks, agents, 1]; its states, observations and step results."""

    @jax.jit
    def play(key, actions, params):
        observation, state = MARKET.reset_env(key, params)

        def step(state, action):
            observation, after, *rest = MARKET.step_env(key, state, action, params)
            return after, (after, observation, *rest)

        return observation, jax.lax.scan(step, state, actions)[1]

    return lambda key, actions, params=PARAMS: jax.device_get(play(key, jnp.asarray(actions, jnp.float32), params))


def recorded(value, response, factor, volume):
    """A tick of given draws, every array padded to ``LONGEST`` opportunities."""

    def padded(array):
        return jnp.asarray(np.pad(array, ((0, 0), (0, LONGEST - array.shape[1])), constant_values=0.5), jnp.float32)

    some = jnp.full((2, AGENTS), 0.1)
    ticks = Tick(jnp.array([volume, 0], jnp.int32), some, some)
    return Recorded(ticks, Opportunities(padded(value), padded(response)), jnp.asarray(factor, jnp.float32))


def random_tick(rng, opportunities):
    """Draws whose products float32 holds exactly: values and uniforms in 1/64, multipliers whole."""
    return {
        "value": rng.integers(0, 64, (AGENTS, opportunities)) / 64,
        "response": (rng.integers(0, 64, (SLOTS, opportunities)) + 0.5) / 64,
        "multiplier": rng.integers(1, 200, AGENTS).astype(float),
        "factor": rng.integers(32, 96, AGENTS) / 64,
    }


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    opportunities=st.integers(0, LONGEST),
    budgets=st.lists(st.integers(1, 4_000_000), min_size=AGENTS, max_size=AGENTS),
    reserve=st.sampled_from([1, 100, 500_000]),
)
def test_a_tick_is_what_the_oracle_computes_one_opportunity_after_another(
    transition, begin, seed, opportunities, budgets, reserve
):
    tick = random_tick(np.random.default_rng(seed), opportunities)
    exposure = np.float32([1.0, 0.75, 0.5])
    params = PARAMS.replace(
        initial_budget=jnp.asarray(budgets, jnp.int32),
        reserve_price=jnp.int32(reserve),
        exposure=jnp.asarray(exposure),
    )
    noise = recorded(tick["value"], tick["response"], tick["factor"], opportunities)
    action = jnp.asarray(tick["multiplier"], jnp.float32)[:, None]
    state, _, terminated, _, info = jax.device_get(transition(begin(noise, params), action, noise, params))
    totals, revenue, least_winning_cost, playing, left = play_tick(
        tick["value"], tick["response"], tick["multiplier"], tick["factor"], budgets, exposure, reserve
    )
    for name in ("win", "impression", "conversion"):
        assert info[name].tolist() == totals[name], name
    assert state.remaining_budget.tolist() == left
    assert (budgets - state.remaining_budget).tolist() == totals["cost"]
    assert state.playing.tolist() == playing == (~terminated).tolist()
    assert sum(totals["cost"]) == revenue
    np.testing.assert_allclose(info["revenue"], revenue / UNITS, rtol=1e-6)
    mean_cost = least_winning_cost / UNITS / max(opportunities, 1)
    np.testing.assert_allclose(info["least_winning_cost"], mean_cost, rtol=1e-6)
    if opportunities:
        share = np.array(totals["bid_count"]) / opportunities
        mean_value = state.history.recent.value[0]
        np.testing.assert_allclose(state.history.recent.bid[0], tick["multiplier"] * mean_value * share, rtol=1e-5)
        np.testing.assert_allclose(info["win_rate"], np.array(totals["win"]) / opportunities, rtol=1e-6)


def test_a_hand_worked_auction(transition, begin):
    """Bids 8, 6, 4, 2: slots 1 to 3 at 6, 4, 2; slot 2 is not shown (.9 > .8), hence slot 3 is not; slot 1 converts."""
    noise = recorded(np.array([[0.08], [0.06], [0.04], [0.02]]), np.array([[0.05], [0.9], [0.1]]), np.ones(4), 1)
    action = jnp.full((AGENTS, 1), 100.0)
    _, reward, _, _, info = jax.device_get(transition(begin(noise, PARAMS), action, noise, PARAMS))
    assert info["win"].tolist() == [1, 1, 1, 0]
    assert info["impression"].tolist() == [1, 0, 0, 0]
    assert reward.tolist() == [1, 0, 0, 0]
    np.testing.assert_allclose(info["cost"], [6, 0, 0, 0], atol=1.01 / UNITS)
    np.testing.assert_allclose(info["least_winning_cost"], 2, atol=1.01 / UNITS)


@pytest.mark.parametrize(("budget", "stays"), [(14 * UNITS, True), (14 * UNITS - 1, False)])
def test_a_bidder_leaves_at_the_first_bid_that_its_budget_does_not_cover(transition, begin, budget, stays):
    """Bidder 0 bids 8 and pays 6, then bids 8 again: 14 is just enough. Without it the others move up."""
    value = np.array([[8, 8], [6, 6], [4, 4], [2, 2]]) / 128
    noise = recorded(value, np.full((SLOTS, 2), 0.25), np.zeros(AGENTS), 2)
    params = PARAMS.replace(initial_budget=PARAMS.initial_budget.at[0].set(budget))
    action = jnp.full((AGENTS, 1), 128.0)
    state, *_, info = jax.device_get(transition(begin(noise, params), action, noise, params))
    assert info["win"].tolist() == ([2, 2, 2, 0] if stays else [1, 2, 2, 1])
    assert state.remaining_budget[0] == budget - (12 if stays else 6) * UNITS
    assert state.playing.tolist() == [stays, True, True, True]


def test_slots_are_shown_in_1_and_8_tenths_and_48_hundredths_of_the_auctions():
    """AuctionNet's figures; 4 standard errors, so a false alarm in less than one of 10,000 seeds."""
    market = make_auto_bidding(
        num_agents=AGENTS, horizon=2, num_opportunities=40_000, window=512, initial_budget=50_000
    )
    params = market.default_params
    _, state = market.reset_env(jax.random.key(0), params)
    noise = market.noise(jax.random.key(0), state, params)

    @jax.jit
    def shares(index):
        drawn = noise.opportunities(index, state.tick, SLOTS)
        window = market.auctions(drawn, jnp.full(AGENTS, 100.0), jnp.ones(AGENTS), params)
        held = (window.bidder >= 0).all(0)
        return (window.shown & held).sum(1), held.sum()

    shown, auctions = shares(jnp.arange(40_000))
    for share, expected in zip(np.asarray(shown) / int(auctions), (1, 0.8, 0.48), strict=True):
        assert abs(share - expected) <= 4 * np.sqrt(expected * (1 - expected) / int(auctions))


def actions_of(rng):
    return np.exp(rng.uniform(0, np.log(500), (HORIZON, AGENTS, 1)))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), budget=st.sampled_from([1, 20, 300, 20_000]))
def test_in_any_episode_money_is_conserved_and_observations_stay_in_their_spaces(episode, seed, budget):
    params = PARAMS.replace(initial_budget=jnp.full(AGENTS, budget * UNITS, jnp.int32))
    actions = actions_of(np.random.default_rng(seed))
    _, (states, observation, reward, terminated, truncated, info) = episode(jax.random.key(seed), actions, params)
    assert (states.remaining_budget >= 0).all()
    paid = -np.diff(np.concatenate([np.full((1, AGENTS), budget * UNITS), states.remaining_budget]), axis=0)
    assert (paid >= 0).all()
    np.testing.assert_allclose(info["revenue"], paid.sum(1) / UNITS, rtol=1e-6)
    np.testing.assert_allclose(info["cost"], paid / UNITS, rtol=1e-6)
    assert (info["conversion"] <= info["impression"]).all()
    assert (info["impression"] <= info["win"]).all()
    assert (info["win"].sum(1) <= SLOTS * info["search_volume"]).all()
    assert not truncated.any()
    np.testing.assert_array_equal(terminated, ~states.playing)
    assert terminated[-1].all()
    assert (np.diff(terminated.astype(int), axis=0) >= 0).all()
    assert np.isfinite(observation).all()
    assert np.isfinite(reward).all()
    for i, agent in enumerate(MARKET.agents):
        space = MARKET.observation_space(params, agent)
        assert all(space.contains(row) for row in observation[:, i])


@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_return_of_an_agent_is_its_score(episode, seed):
    """R * min(1, (target / cost per action)**2)."""
    actions = actions_of(np.random.default_rng(seed))
    params = PARAMS.replace(target_cost_per_action=jnp.full(AGENTS, 3.0))
    _, (states, _, reward, _, _, info) = episode(jax.random.key(seed), actions, params)
    conversions = info["conversion"].sum(0)
    cost = (np.asarray(params.initial_budget) - states.remaining_budget[-1]) / UNITS
    met = np.where(cost > 0, 3.0 * conversions / np.where(cost > 0, cost, 1), 1)
    expected = conversions * np.minimum(1, met**2)
    np.testing.assert_allclose(reward.sum(0), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(info["episode_score"][-1], expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(info["episode_conversion"][-1], conversions)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), order=st.permutations(range(AGENTS)))
def test_agents_permuted_the_results_are_permuted(transition, begin, seed, order):
    rng, order = np.random.default_rng(seed), list(order)
    tick = random_tick(rng, 20)
    tick["value"] = rng.permutation(np.arange(1, AGENTS * 20 + 1)).reshape(AGENTS, 20) / 128  # no two bids are equal
    budget = rng.integers(1, 2_000_000, AGENTS)

    def play(order):
        params = PARAMS.replace(
            initial_budget=jnp.asarray(budget[order], jnp.int32),
            target_cost_per_action=PARAMS.target_cost_per_action[jnp.asarray(order)],
        )
        noise = recorded(tick["value"][order], tick["response"], tick["factor"][order], 20)
        action = jnp.full((AGENTS, 1), 100.0)
        return jax.device_get(transition(begin(noise, params), action, noise, params))

    straight, permuted = play(list(range(AGENTS))), play(order)
    for name in ("win", "impression", "conversion", "cost", "remaining_budget"):
        np.testing.assert_array_equal(permuted[4][name], straight[4][name][order], err_msg=name)
    np.testing.assert_array_equal(permuted[1], straight[1][order])


def test_a_bidder_wins_more_the_higher_it_bids_in_the_same_market(episode):
    rich = PARAMS.replace(initial_budget=jnp.full(AGENTS, 50_000 * UNITS, jnp.int32))
    wins = []
    for multiplier in (1, 20, 50, 100, 200, 500):
        actions = np.full((HORIZON, AGENTS, 1), 100.0)
        actions[:, 0] = multiplier
        wins.append(int(episode(jax.random.key(3), actions, rich)[1][-1]["win"][:, 0].sum()))
    assert wins == sorted(wins)
    assert wins[0] < wins[-1]


def test_lanes_of_a_batch_are_the_single_episodes_bit_for_bit(episode):
    keys = lane_keys(0, EVALUATE, 5)
    actions = actions_of(np.random.default_rng(0))
    step = jax.jit(lambda lanes, action, params: core.step_batch(MARKET, lanes, action, params))
    lanes = jax.jit(lambda keys, params: core.start_batch(MARKET, keys, params))(keys, PARAMS)
    singles = [episode(jax.random.fold_in(key, 0), actions)[1] for key in keys]
    for t, action in enumerate(actions):
        lanes, outcome = step(lanes, jnp.broadcast_to(jnp.asarray(action, jnp.float32), (5, AGENTS, 1)), PARAMS)
        for i, single in enumerate(singles):
            assert np.asarray(outcome.final_observation[i]).tobytes() == single[1][t].tobytes()
            assert np.asarray(outcome.reward[i]).tobytes() == single[2][t].tobytes()


def test_the_window_changes_nothing(episode):
    actions = actions_of(np.random.default_rng(1))
    wide = make_auto_bidding(
        num_agents=AGENTS, num_categories=2, horizon=HORIZON, num_opportunities=48, window=64, value_mean=0.3
    )
    key, params = jax.random.key(8), PARAMS.replace(initial_budget=jnp.full(AGENTS, 300 * UNITS, jnp.int32))
    step = jax.jit(wide.step_env)
    _, state = jax.jit(wide.reset_env)(key, params)
    narrow = episode(key, actions, params)[1]
    for t, action in enumerate(actions):
        observation, state, reward, *_ = step(key, state, jnp.asarray(action, jnp.float32), params)
        np.testing.assert_array_equal(observation, narrow[1][t])
        np.testing.assert_array_equal(reward, narrow[2][t])


def test_actions_that_are_no_number_mean_the_lowest_multiplier():
    action = jnp.array([[jnp.nan], [-jnp.inf], [jnp.inf], [7.0]])
    assert MARKET.multipliers(action, PARAMS).tolist() == [1, 1, 500, 7]


def test_the_traffic_of_an_episode_adds_up_and_the_levels_have_the_mean_they_should():
    """Over 400 episodes; 5 standard errors."""
    market = make_auto_bidding()
    params = market.default_params

    @jax.jit
    def levels(key):
        noise = market.reset_noise(key, params)
        ticks = jax.vmap(lambda t: noise.tick(params, t))(jnp.arange(48))
        return ticks.volume, ticks.mean_value.mean(), noise.conversion_factor(params)

    volume, mean, factor = jax.device_get(jax.vmap(levels)(jax.vmap(jax.random.key)(jnp.arange(400))))
    assert ((volume.sum(1) > 12_000 - 48) & (volume.sum(1) <= 12_000)).all()
    assert volume.std(0).min() > 0
    error = mean.std() / np.sqrt(mean.size)
    assert abs(mean.mean() - 500_000 * 0.0005 / 12_000) < 5 * error
    assert abs(factor.mean() - 1) < 5 * factor.std() / np.sqrt(factor.size)
    assert (factor > 0).all()


@pytest.fixture(scope="module")
def seat():
    return rtb_envs.make("AutoBidding-v0", num_opportunities=960)


def test_a_pacing_rule_plays_one_seat_against_47_scripted_bidders(seat):
    params = seat.default_params
    worth = float(params.target_cost_per_action)
    result = rtb_envs.rollout(seat, PID.for_env(seat, base_multiplier=worth), 2, 48, seed=0)
    assert result.episodes.sum() >= 1
    assert 0 < result.mean("episode_cost") <= 2900
    assert result.mean("episode_conversion") > 0
    assert len(params.rivals) == 3
    assert (int(params.horizon), float(params.initial_budget), worth) == (48, 2900.0, 100.0)
    np.testing.assert_allclose(params.search_volume_mean.sum(), 960, rtol=1e-5)
    assert params.action_meanings is None
    assert float(params.replace(multiplier_high=jnp.float32(9)).multiplier_high) == 9


def test_every_rule_finds_what_it_reads_in_the_seat(seat):
    for rule in (PID.for_env(seat), AdaptivePacing.for_env(seat), Linear.for_env(seat)):
        key, params = jax.random.key(0), seat.default_params
        action, _ = jax.eval_shape(
            lambda rule=rule: rule.act(Stream.from_key(key), rule.init(params), jnp.zeros(20))  # noqa: B023
        )
        assert action.shape == (1,)


def test_the_cut_normal_law_is_a_normal_law_cut_at_three_standard_deviations():
    uniform = (np.arange(4096) + 0.5) / 4096
    given = jax.jit(cut_normal)(jnp.asarray(uniform, jnp.float32))
    np.testing.assert_allclose(given, truncnorm(-3, 3).ppf(uniform), atol=1e-4)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"initial_budget": -5}, ValueError, "initial_budget must hold finite numbers in"),
        ({"initial_budget": [1, 2]}, ValueError, r"initial_budget must have shape \(\) or \(48,\), got shape \(2,\)"),
        ({"initial_budget": 10_000}, ValueError, "initial_budget must be at most 214747 in sum over the bidders"),
        ({"target_cost_per_action": 0}, ValueError, "target_cost_per_action must hold finite numbers in"),
        ({"exposure": ()}, ValueError, "exposure must be one probability for each of 1 to 16 slots"),
        ({"exposure": [[1], [1, 2]]}, ValueError, "exposure must be one probability for each of 1 to 16 slots"),
        ({"exposure": (0.5, 0.8)}, ValueError, "exposure must be positive and not increasing from slot to slot"),
        ({"exposure": (1.5,)}, ValueError, "exposure must hold finite numbers in"),
        ({"num_agents": 1}, ValueError, r"num_agents must be an integer in \[2, 1024\], got 1"),
        ({"num_opportunities": 3}, ValueError, "num_opportunities must be an integer in"),
        ({"window": 20}, ValueError, "window must be a multiple of 16, got 20"),
        ({"reserve_price": -1.0}, ValueError, "reserve_price must be a finite number in"),
        ({"observation_keys": ("time",)}, ValueError, "observation_keys must be one of"),
        ({"objective": "profit"}, ValueError, "objective must be one of 'score', 'conversion', got 'profit'"),
        ({"preset": "taobao"}, ValueError, "preset must be one of 'auctionnet', got 'taobao'"),
        ({"budget": 3}, TypeError, "unknown option 'budget'; AutoBidding takes preset, num_agents"),
        ({"horizon": "day"}, TypeError, "horizon must be an integer in"),
    ],
)
def test_wrong_options_are_refused_in_one_sentence(options, error, message):
    with pytest.raises(error, match=message):
        make_auto_bidding(**options)
