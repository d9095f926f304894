"""Logged auctions of a market whose auctions are known."""

import jax.numpy as jnp
import numpy as np
import polars
import pytest

from rtb_envs.policies.constant import Constant
from rtb_envs.policies.uniform_random import UniformRandom
from rtb_envs.rollouts import auction_chunks, log_auctions, log_episodes, traced
from tests.toy import Toy

STEPS = 6


class Bazaar(Toy):
    """A walk whose step t has t + 1 auctions, of 8 places; each asks for the position before the step."""

    def most_auctions(self, params):
        return 8

    def auction_records(self, key, state, action, params, most):
        index = jnp.arange(most)
        return {
            "takes_place": index <= state.t,
            "loss": jnp.where(index == 0, 0, -1),
            "price": jnp.where(index == 0, state.position, jnp.nan),
            "action": jnp.full(most, action[0]),
        }


BAZAAR = Bazaar()
POLICY = UniformRandom.for_env(BAZAAR)


@pytest.fixture(scope="module")
def auctions():
    return log_auctions(BAZAAR, POLICY, 30, seed=2, max_steps=STEPS)


def test_each_auction_of_each_step_that_took_place_is_logged_once_in_order(auctions):
    steps = log_episodes(BAZAAR, POLICY, 30, seed=2, max_steps=STEPS)
    frame = auctions.frame()
    expected = [(e, t) for e, length in enumerate(steps.lengths) for t in range(length) for _ in range(t + 1)]
    assert frame.select("episode", "step").rows() == expected
    assert frame["auction_id"][:3].to_list() == ["0-0-0", "0-1-0", "0-1-1"]
    assert frame["auction_id"].n_unique() == frame.height
    np.testing.assert_array_equal(frame["action"], np.repeat(steps.action[:, 0], steps.step + 1))
    np.testing.assert_array_equal(frame["price"].drop_nulls(), steps.observation[:, 1])


def test_what_does_not_exist_is_null_and_columns_are_in_an_auction_s_course(auctions):
    frame = auctions.frame()
    assert frame.columns == ["auction_id", "episode", "step", "price", "loss", "log_propensity", "action"]
    first = frame["auction_id"].str.ends_with("-0")
    assert (frame["price"].is_not_null() == first).all()
    assert (frame["loss"].is_not_null() == first).all()


def test_the_propensity_of_a_step_s_action_is_that_of_all_its_auctions(auctions):
    steps = log_episodes(BAZAAR, POLICY, 30, seed=2, max_steps=STEPS)
    np.testing.assert_array_equal(auctions.frame()["log_propensity"], np.repeat(steps.log_propensity, steps.step + 1))
    rule = log_auctions(BAZAAR, Constant(jnp.zeros(2)), 2, seed=0, max_steps=2).frame()
    assert rule["log_propensity"].null_count() == rule.height


def test_auctions_do_not_depend_on_how_episodes_are_divided_into_chunks(auctions, monkeypatch):
    monkeypatch.setattr(traced, "MAX_CHUNK_EPISODES", 16)
    assert len(list(auction_chunks(BAZAAR, POLICY, 30, seed=2, max_steps=STEPS))) == 2
    assert log_auctions(BAZAAR, POLICY, 30, seed=2, max_steps=STEPS).frame().equals(auctions.frame())


def test_the_log_goes_to_a_parquet_file(auctions, tmp_path):
    path = auctions.to_parquet(tmp_path / "logs" / "auctions.parquet")
    assert polars.read_parquet(path).equals(auctions.frame())
    assert repr(auctions) == f"AuctionLog of Toy-v0: {len(auctions.step)} auctions of 30 episodes"


def test_an_environment_without_single_auctions_is_refused():
    with pytest.raises(TypeError, match="env must be an environment with auction_records, such as AdAuction-v0, got"):
        log_auctions(Toy(), Constant(np.zeros(2, np.float32)), 1, seed=0, max_steps=2)
