"""Which rule acts in which environment: the table of the page of policies, and clear errors everywhere else."""

import functools
from pathlib import Path

import jax
import numpy as np
import pytest

import rtb_envs
from agents import registry
from rtb_envs.random import Stream

EVERYWHERE = {"constant", "random"}
MULTIPLIER = {
    *("linear", "pid", "ta_pid", "alm", "mystique", "adaptive_pacing", "dual_mirror_descent", "online_lp"),
    *("m_pid", "min_pacing", "broi"),
}
BID_CURVE = {
    *("constant_bid", "random_bid", "truthful", "mcpc", "ortb1", "ortb2", "rlb", "bid_shading", "dual_ogd"),
    "throttling",
}
PLACEMENT = {"fixed", "threshold", "utility"}
SERVED = {
    "AdAuction-v0": EVERYWHERE | MULTIPLIER,
    "AdAuctionDiscrete-v0": EVERYWHERE | MULTIPLIER,
    "AdAuctionBidCurve-v0": EVERYWHERE | MULTIPLIER | BID_CURVE,
    "AutoBidding-v0": EVERYWHERE | MULTIPLIER,
    "ContextualAuction-v0": EVERYWHERE,
    "Retargeting-v0": EVERYWHERE,
    "AdPlacement-v0": EVERYWHERE | PLACEMENT,
    "AdAuctionAdjustment-v0": EVERYWHERE,
}
SMALL = {
    "AdAuctionBidCurve-v0": {"horizon": 3, "search_volume_mean": 30.0, "search_volume_std": 3.0},
    "AutoBidding-v0": {"num_opportunities": 480},
    "Retargeting-v0": {"num_customers": 8},
}


@functools.cache
def environment(env_id):
    return rtb_envs.make(env_id, **SMALL.get(env_id, {}))


def made(env_id, rule):
    env = environment(env_id)
    options = {"action": env.action_space(env.default_params).sample()} if rule == "constant" else {}
    return registry.make_rule(rule, env, **options)


@functools.cache
def observation_of(env_id):
    env = environment(env_id)
    shown, _ = jax.eval_shape(lambda key: env.reset_env(key, env.default_params), jax.random.key(0))
    return np.zeros(shown.shape, shown.dtype)


@pytest.mark.parametrize(("env_id", "rule"), [(env_id, rule) for env_id in SERVED for rule in sorted(SERVED[env_id])])
def test_a_rule_acts_where_the_table_says(env_id, rule):
    env, policy = environment(env_id), made(env_id, rule)

    def act(key, observation):
        return policy.act(Stream.from_key(key), policy.init(env.default_params), observation)[0]

    action = jax.eval_shape(act, jax.random.key(1), observation_of(env_id))
    space = env.action_space(env.default_params)
    assert action.shape == space.shape
    assert np.issubdtype(action.dtype, np.integer) == np.issubdtype(space.dtype, np.integer)


@pytest.mark.parametrize("env_id", SERVED)
def test_elsewhere_a_rule_says_where_it_acts(env_id):
    for rule in sorted(set(registry.rules()) - SERVED[env_id]):
        with pytest.raises((TypeError, ValueError)) as refused:
            made(env_id, rule)
        expected = (
            "env must be a market of ad slots, such as AdPlacement-v0, got"
            if rule in PLACEMENT
            else 'action_kind must be "bid_curve" for a rule that acts by a bid curve'
            if rule in BID_CURVE and SERVED[env_id] >= MULTIPLIER
            else "env must be a market of bid multipliers, such as AdAuction-v0 or AutoBidding-v0, got"
        )
        assert str(refused.value).startswith(expected), rule


def test_the_table_knows_every_rule():
    assert set(registry.rules()) == EVERYWHERE | MULTIPLIER | BID_CURVE | PLACEMENT


def test_the_page_of_policies_has_the_same_table():
    page = (Path(__file__).parents[2] / "docs" / "policies.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("| `")]
    header = next(line for line in page.splitlines() if line.startswith("| Rules | "))
    columns = [column.strip().strip("`") for column in header.split("|")[2:-1]]
    assert set(columns) == set(SERVED)
    told = {env_id: set() for env_id in columns}
    for names, *cells in rows:
        if len(cells) != len(columns):
            continue
        for env_id, cell in zip(columns, cells, strict=True):
            told[env_id] |= {name.strip(" `") for name in names.split(",")} if "✓" in cell else set()
    assert told == SERVED


@pytest.mark.parametrize(
    ("rule", "options", "message"),
    [
        (
            "pid",
            {"gain": 1.0},
            "unknown option 'gain'; the rule 'pid' takes base_multiplier, .*plan",
        ),
        ("random", {"seed": 1}, "unknown option 'seed'; the rule 'random' takes no options"),
        ("constant", {}, "the rule 'constant' needs the option 'action'"),
        ("constant", {"value": 1}, "unknown option 'value'; the rule 'constant' takes action"),
        ("ortb1", {"win_model": "quadratic"}, "unknown option 'win_model'; the rule 'ortb1' takes spend_target, dist"),
    ],
)
def test_an_option_that_a_rule_does_not_have_is_refused_with_those_it_has(rule, options, message):
    with pytest.raises(TypeError, match=message):
        registry.make_rule(rule, environment("AdAuction-v0"), **options)
