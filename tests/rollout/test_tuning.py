"""The grid search against single rollouts on the same episodes."""

import itertools

import numpy as np
import pytest

import rtb_envs
from rtb_envs.policies.linear import Linear
from rtb_envs.policies.pid import PID
from rtb_envs.random import TUNE, lane_keys
from rtb_envs.rollouts import run_lanes, tune

MULTIPLIERS = [1.0, 4.0, 0.5, 2.0]


@pytest.fixture(scope="module")
def rich():
    """A market whose budget never binds, so that a higher bid wins every auction that a lower one wins, and more."""
    return rtb_envs.make("AdAuction-v0", horizon=3, search_volume_mean=40, search_volume_std=4, initial_budget=10**6)


@pytest.fixture(scope="module")
def tuned(rich):
    return tune(rich, Linear.for_env, {"multiplier": MULTIPLIERS}, num_episodes=8, seed=1, score="episode_impression")


def test_the_best_setting_of_a_market_where_it_is_known_is_found(tuned):
    assert tuned.settings == {"multiplier": 4.0}
    assert float(tuned.policy.multiplier) == 4.0
    assert np.argsort(tuned.means).tolist() == np.argsort(MULTIPLIERS).tolist()
    assert len(set(tuned.means)) == len(MULTIPLIERS)


def test_every_setting_is_scored_on_the_same_episodes_of_its_own_purpose(rich, tuned):
    keys = lane_keys(1, TUNE, 8)
    for multiplier, mean in zip(MULTIPLIERS, tuned.means, strict=True):
        alone = run_lanes(rich, Linear.for_env(rich, multiplier=multiplier), keys, 3)
        assert mean == alone.mean("episode_impression")


def test_the_frame_is_sorted_by_score(tuned):
    frame = tuned.frame()
    assert frame.columns == ["multiplier", "episode_impression"]
    assert frame["multiplier"].to_list() == sorted(MULTIPLIERS, reverse=True)


def test_every_combination_of_several_settings_is_tried(rich):
    grid = {"base_multiplier": np.array([0.5, 2.0]), "proportional_gain": (0.0, 0.5), "plan": ["even"]}
    result = tune(rich, PID.for_env, grid, num_episodes=4, seed=0)
    tried = [tuple(settings.values()) for settings in result.grid]
    assert tried == list(itertools.product([0.5, 2.0], [0.0, 0.5], ["even"]))
    assert result.settings == result.grid[int(np.argmax(result.means))]
    assert float(result.policy.base_multiplier) == result.settings["base_multiplier"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grid": {}}, "grid must give at least one value for each setting"),
        ({"grid": {"multiplier": []}}, r"grid must give at least one value .* got none for \['multiplier'\]"),
        ({"grid": {"multiplier": [1.0, -1.0]}}, "multiplier must be a finite number in .*, got -1.0"),
        ({"num_episodes": 0}, r"num_episodes must be an integer in \[1, 16777216\], got 0"),
        ({"seed": -1}, r"seed must be an integer in \[0, 4294967295\], got -1"),
        (
            {"score": "profit", "grid": {"multiplier": MULTIPLIERS}, "num_episodes": 8},
            "score must be one of 'episode_.*, got 'profit'",
        ),
        ({"env": "AdAuction"}, "id must be one of AdAuction-v0"),
        (
            {"family": PID.for_env, "grid": {"plan": ["even", "traffic"]}},
            "grid must be settings that differ in numbers",
        ),
    ],
)
def test_wrong_arguments_are_refused(rich, changes, message):
    arguments = {"env": rich, "family": Linear.for_env, "grid": {"multiplier": [1.0]}, "num_episodes": 1, "seed": 0}
    with pytest.raises(ValueError, match=message):
        tune(**{**arguments, **changes})
