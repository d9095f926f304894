"""Training over instances: which lane meets which market."""

import jax
import numpy as np
import pytest

import rtb_envs
from agents import registry
from agents.ppo_settings import PPOSettings
from rtb_envs.envs.ad_auction import curriculum_options
from training.curriculum import from_settings
from training.instances import over_instances
from training.settings import Settings

SMALL = {"n_ads": 3, "n_users": 3, "search_volume_mean": 8.0, "search_volume_std": 1.0}
LANES = PPOSettings(num_envs=12, num_minibatches=1, lanes_per_market=2)


def settings(**changes) -> Settings:
    """A short run whose markets are cheap to build."""
    return Settings(
        **{
            "curriculum": 1,
            "stage1": {"iterations": 2},
            "chunk_iterations": 1,
            "instances": 4,
            "env_options": SMALL,
            **changes,
        }
    )


def test_lanes_that_draw_the_same_numbers_meet_the_same_instance_and_instances_are_dealt_evenly():
    run = settings()
    (stage,) = over_instances(from_settings(run), run, LANES).stages
    alone = [
        rtb_envs.make("AdAuction-v0", **curriculum_options(1, instance_seed=seed, **SMALL)).default_params
        for seed in range(4)
    ]
    expected = [alone[seed] for seed in (0, 0, 1, 1, 2, 2, 3, 3, 0, 0, 1, 1)]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *expected)
    jax.tree.map(np.testing.assert_array_equal, stage.lane_params, stacked)


def test_the_market_to_be_judged_in_is_none_of_the_instances():
    run = settings()
    curriculum = from_settings(run)
    (stage,), (own,) = over_instances(curriculum, run, LANES).stages, curriculum.stages
    jax.tree.map(np.testing.assert_array_equal, stage.params, own.params)
    budgets = np.asarray(stage.lane_params.initial_budget)
    assert int(own.params.initial_budget) not in budgets
    assert len({*budgets.tolist()}) == 4


def test_a_learner_trains_in_the_instances():
    run = settings(hyperparameters={"num_envs": 12, "num_minibatches": 1, "lanes_per_market": 2, "hidden_sizes": [4]})
    curriculum = from_settings(run)
    learner = registry.make_learner("ppo", curriculum.env, **run.learner_hyperparameters)
    (stage,) = over_instances(curriculum, run, learner.settings).stages
    state = learner.init(0, stage.training_params)
    np.testing.assert_array_equal(state.lanes.state.remaining_budget, stage.lane_params.initial_budget)
    state, metrics = jax.jit(learner.update)(state, stage.training_params)
    assert np.isfinite(float(metrics["value_loss"]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"instances": 7}, "instances must be at most 6, the markets of 12 lanes, got 7"),
        (
            {"env_options": {**SMALL, "instance_seed": 3}},
            "instances must be 0 where options name an instance_seed, got 4",
        ),
        ({"env": "RTBEnv-continuous-v0", "env_options": {}}, "instances must be 0, as RTBEnv-continuous-v0 has none"),
    ],
)
def test_instances_that_cannot_be_are_refused(changes, message):
    run = settings(**changes)
    curriculum = from_settings(settings(instances=0))
    with pytest.raises(ValueError, match=message):
        over_instances(curriculum, run, LANES)
