"""Tuning grids are made of settings that their rules take."""

import pytest

import rtb_envs
from agents import registry
from training.rule_grids import COST_TARGET_GRIDS, RULE_GRIDS, scaled


@pytest.fixture(scope="module")
def env():
    return rtb_envs.make("AdAuction-v0", target_cost_per_action=150.0)


@pytest.mark.parametrize("name", RULE_GRIDS)
def test_a_rule_takes_both_ends_of_its_grid(env, name):
    grid = {**scaled(RULE_GRIDS[name][1], 0.8), **COST_TARGET_GRIDS.get(name, {})}
    for end in (0, -1):
        registry.make_rule(name, env, **{setting: values[end] for setting, values in grid.items()})


def test_multipliers_of_a_grid_are_shares_and_nothing_else_is():
    grid = {"base_multiplier": (0.5, 1.0), "value_multiplier": (2.0,), "step_size": (0.1, 1.0)}
    assert scaled(grid, 0.8) == {"base_multiplier": [0.4, 0.8], "value_multiplier": [1.6], "step_size": (0.1, 1.0)}


def test_every_rule_with_a_further_grid_has_a_grid():
    assert COST_TARGET_GRIDS.keys() <= RULE_GRIDS.keys()
