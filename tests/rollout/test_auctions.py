"""Logged auctions against the totals that the environment tells, and against an oracle of the auction's rules."""

import numpy as np
import pytest

import rtb_envs
from rtb_envs.policies.constant import Constant
from rtb_envs.policies.exploration import GaussianExploration
from rtb_envs.policies.linear import Linear
from rtb_envs.rollouts import log_auctions, log_episodes
from tests.toy import Toy

MARKET = {"horizon": 3, "search_volume_mean": 40, "search_volume_std": 8, "initial_budget": 300, "reserve_price": 45.0}
MARKETS = {
    "second price": {},
    "first price, by impression": {"pricing": "first_price", "cost_indicator": "impression"},
    "hybrid, skipping": {"pricing": "hybrid", "hybrid_weight": 0.5, "budget_rule": "skip"},
    "volumes of RTBGym": {"compat": "rtbgym"},
}
EPISODES = 12


@pytest.fixture(scope="module", params=MARKETS.values(), ids=MARKETS.keys())
def logged(request):
    """A market's options, and the same episodes as auctions (a frame) and as steps."""
    env = rtb_envs.make("AdAuction-v0", **MARKET, **request.param)
    policy = GaussianExploration.for_env(env, Linear.for_env(env, multiplier=1.2), std=0.3)
    auctions = log_auctions(env, policy, EPISODES, seed=1).frame()
    return request.param, auctions, log_episodes(env, policy, EPISODES, seed=1)


def test_auctions_add_up_to_what_the_environment_tells_of_each_step(logged):
    _, auctions, steps = logged
    place = steps.step + steps.episode * MARKET["horizon"]
    step_of = (auctions["step"] + auctions["episode"] * MARKET["horizon"]).to_numpy()
    np.testing.assert_array_equal(np.bincount(step_of), steps.info["search_volume"][np.argsort(place)])
    for name in ("impression", "click", "conversion", "cost"):
        total = np.bincount(step_of, weights=auctions[name].to_numpy().astype(float))
        np.testing.assert_array_equal(total, steps.info[name], err_msg=name)
    assert auctions["cost"].sum() > 0


def test_each_outcome_follows_from_bid_floor_and_price_to_beat(logged):
    options, auctions, _ = logged
    bid, floor = auctions["price"].to_numpy() / 1000, 45.0
    to_win = auctions["auction_min_to_win"].to_numpy() / 1000
    has_bid = ~np.isnan(bid)
    np.testing.assert_array_equal(has_bid, auctions["nbr"].is_null())
    assert set(auctions["nbr"].drop_nulls()) == {501}
    assert (auctions["bidfloor"] == 45_000).all()
    assert (to_win >= floor).all()
    won = has_bid & (bid >= floor) & ((bid > to_win) | ((to_win == floor) & (bid == floor)))
    np.testing.assert_array_equal(auctions["impression"], won)
    loss = auctions["loss"].fill_null(-1).to_numpy()
    np.testing.assert_array_equal(loss, np.select([~has_bid, won, bid < floor], [-1, 0, 100], 102))
    assert set(loss) == {-1, 0, 100, 102}
    share = {"second_price": 0.0, "first_price": 1.0, "hybrid": 0.5}[options.get("pricing", "second_price")]
    price = auctions["auction_price"].to_numpy() / 1000
    np.testing.assert_allclose(price[won], to_win[won] + share * (bid - to_win)[won], rtol=1e-5)
    assert np.isnan(price[~won]).all()
    np.testing.assert_allclose(auctions["auction_mbr"].to_numpy()[won], price[won] / bid[won], rtol=1e-5)
    charged = auctions[options.get("cost_indicator", "click")].to_numpy()
    np.testing.assert_array_equal(auctions["cost"], np.where(charged, np.floor(np.nan_to_num(price)), 0))


def test_the_frame_has_openrtb_s_names_in_an_auction_s_course_and_one_id_each(logged):
    _, auctions, _ = logged
    assert auctions.columns == [
        *("auction_id", "episode", "step", "at", "bidfloor", "user_id", "crid", "metric_ctr", "metric_cvr", "price"),
        *("nbr", "loss", "auction_price", "auction_min_to_win", "auction_mbr"),
        *("impression", "click", "conversion", "cost"),
    ]
    assert auctions["auction_id"].n_unique() == auctions.height
    assert auctions["auction_id"][0] == "0-0-0"


def test_auction_types_are_openrtb_s(logged):
    options, auctions, _ = logged
    expected = {"second_price": 2, "first_price": 1, "hybrid": 500}[options.get("pricing", "second_price")]
    assert set(auctions["at"]) == {expected}


def test_the_log_goes_to_a_parquet_file(logged, tmp_path):
    import polars

    env = rtb_envs.make("AdAuction-v0", **MARKET)
    auctions = log_auctions(env, Linear.for_env(env), 2, seed=0)
    path = auctions.to_parquet(tmp_path / "logs" / "auctions.parquet")
    assert polars.read_parquet(path).equals(auctions.frame())
    assert repr(auctions) == f"AuctionLog of AdAuction-v0: {len(auctions.step)} auctions of 2 episodes"


def test_an_environment_without_single_auctions_is_refused():
    with pytest.raises(TypeError, match="env must be an environment with auction_records, such as AdAuction-v0, got"):
        log_auctions(Toy(), Constant(np.zeros(2, np.float32)), 1, seed=0, max_steps=2)
