"""Retargeting: customers who all begin in awareness reach every stage by the rules of their journey."""

import jax
import numpy as np
import pytest

from rtb_envs.envs.retargeting import make_retargeting
from rtb_envs.envs.retargeting.play import play_episodes
from rtb_envs.policies.retargeting import fixed_bid
from rtb_envs.random import EVALUATE, lane_keys
from rtb_envs.users.lifecycle import Stage

MARKET = make_retargeting(num_customers=1000, initial_budget=50_000)
# Ten times as long as by default, so that customers stay away for more than 30 days within an episode.
PARAMS = MARKET.default_params.replace(
    stage_mix=[1, 0, 0, 0, 0, 0], step_hours=10 * np.asarray(MARKET.default_params.step_hours)
)


@pytest.fixture(scope="module")
def met():
    """Opportunities of customers in each stage [episodes, stages] of a market with other numbers."""

    def play(**changes):
        params = PARAMS.replace(**changes)
        played = play_episodes(MARKET, [fixed_bid(1.0)] * 4, lane_keys(0, EVALUATE, 4), params)
        return np.asarray(jax.device_get(played.info["stage_opportunities"]))

    return play


def test_every_stage_is_reached_from_awareness_in_every_episode(met):
    assert (met() > 0).all()


def test_without_transitions_everybody_stays_in_awareness(met):
    stages = met(transitions=False)
    assert (stages[:, Stage.AWARENESS] == 20_000).all()
    assert not stages[:, Stage.INTEREST :].any()


@pytest.mark.parametrize(
    ("changes", "unreached"),
    [
        ({"cart_probability": 0.0}, {Stage.CONSIDERATION}),
        ({"organic_probability": 0.0, "conversion_quantiles": 0.0}, {Stage.PURCHASE, Stage.RETENTION}),
        ({"leaving_probability": 1.0}, set(Stage) - {Stage.AWARENESS}),
    ],
)
def test_a_stage_is_not_reached_without_what_leads_to_it(met, changes, unreached):
    assert {Stage(i) for i in np.flatnonzero(met(**changes).sum(0) == 0)} == unreached
