"""Logged auctions of one seat among many: they add up to what the environment tells, and obey the auction's rules."""

import jax.numpy as jnp
import numpy as np
import pytest

import rtb_envs
from rtb_envs.policies.constant import Constant
from rtb_envs.policies.exploration import GaussianExploration
from rtb_envs.rollouts import log_auctions, log_episodes

EPISODES = 3
# Budgets small enough that the seat and its rivals run dry within an episode.
SEATS = {
    "AutoBidding-v0": (
        {"num_agents": 5, "horizon": 4, "num_opportunities": 240, "value_mean": 0.2, "initial_budget": 600.0},
        [90.0],
        {"win": "win", "impression": "impression", "conversion": "conversion", "cost": "cost"},
    ),
    "ContextualAuction-v0": (
        {"n_bidders": 3, "horizon": 5, "rounds_per_step": 8, "n_ads": 2, "pricing": "first_price"},
        [0.8],
        {"impression": "impression", "click": "click", "cost": "spend"},
    ),
    "Retargeting-v0": (
        {"num_customers": 20, "horizon": 40, "opportunities_per_step": 4, "initial_budget": 12.0},
        [[2.0, 2.0, 3.0]] * 4,
        {
            "win": "episode_wins",
            "click": "episode_clicks",
            "conversion": "episode_conversions",
            "cost": "episode_cost",
        },
    ),
}


@pytest.fixture(scope="module", params=SEATS)
def logs(request):
    """Of one environment: its id, its auctions as a frame, and its steps."""
    options, action, _ = SEATS[request.param]
    env = rtb_envs.make(request.param, **options)
    policy = GaussianExploration.for_env(env, Constant(jnp.float32(action)), std=0.2)
    both = (log(env, policy, EPISODES, seed=3) for log in (log_auctions, log_episodes))
    auctions, steps = both
    return request.param, auctions.frame(), steps


def test_auctions_add_up_to_what_the_environment_tells_of_each_step(logs):
    env_id, frame, steps = logs
    place = np.searchsorted(steps.episode * 1000 + steps.step, frame["episode"] * 1000 + frame["step"])
    won = (frame["loss"] == 0).fill_null(False).to_numpy()
    for column, told in SEATS[env_id][2].items():
        logged = won if column == "win" else frame[column].to_numpy()
        total = np.bincount(place, logged.astype(np.float64), minlength=steps.num_steps)
        assert total.sum() > 0, column
        if told.startswith("episode_"):  # told of the episode so far
            before = np.concatenate([[0], np.cumsum(total)])
            total = before[1:] - before[np.repeat(steps.first_step, steps.lengths)]
        np.testing.assert_allclose(total, steps.info[told], rtol=1e-5, atol=1e-5, err_msg=column)


def test_prices_lie_between_floor_and_bid_and_who_bids_enough_wins(logs):
    _, frame, _ = logs
    bid, floor, price, to_win = (
        frame[name].to_numpy() for name in ("price", "bidfloor", "auction_price", "auction_min_to_win")
    )
    won, lost = (frame["loss"] == 0).fill_null(False).to_numpy(), (frame["loss"] > 0).fill_null(False).to_numpy()
    assert won.any()
    assert lost.any()
    # Prices are cut to whole money units.
    assert (price[won] >= floor[won] * (1 - 1e-5) - 1e-3).all()
    assert (price[won] <= bid[won] * (1 + 1e-5)).all()
    assert (bid[won] >= to_win[won] * (1 - 1e-5)).all()
    assert (bid[lost] <= to_win[lost] * (1 + 1e-5)).all()
    assert np.isnan(price[~won]).all()


def test_every_auction_has_the_propensity_of_its_step(logs):
    _, frame, steps = logs
    known = dict(zip(zip(steps.episode.tolist(), steps.step.tolist(), strict=True), steps.log_propensity, strict=True))
    expected = [known[place] for place in frame.select("episode", "step").rows()]
    np.testing.assert_array_equal(frame["log_propensity"].to_numpy(), np.float32(expected))


def test_a_bidder_that_has_left_within_a_tick_bids_no_more_in_it(logs):
    env_id, frame, steps = logs
    if env_id != "AutoBidding-v0":
        pytest.skip("bidders leave within a step in AutoBidding only")
    gone = (frame["nbr"] == 501).fill_null(False).to_numpy()
    assert gone.any()
    last_step = steps.lengths[frame["episode"].to_numpy()] - 1
    assert (frame["step"].to_numpy()[gone] == last_step[gone]).all()
    assert frame["price"].to_numpy()[gone].size == np.isnan(frame["price"].to_numpy()[gone]).sum()
