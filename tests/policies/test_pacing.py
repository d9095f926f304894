"""What holds for every rule that paces by one bid multiplier a step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtb_envs import compile
from rtb_envs.policies.adaptive_linear import AdaptiveLinear
from rtb_envs.policies.adaptive_pacing import AdaptivePacing
from rtb_envs.policies.broi import BROI
from rtb_envs.policies.dual_mirror_descent import DualMirrorDescent
from rtb_envs.policies.min_pacing import MinPacing
from rtb_envs.policies.multivariable_pid import MultivariablePID
from rtb_envs.policies.mystique import Mystique
from rtb_envs.policies.online_lp import OnlineLP
from rtb_envs.policies.pid import PID
from rtb_envs.policies.traffic_aware_pid import TrafficAwarePID
from tests.policies.markets import market

KEYS = ("timestep", "remaining_budget", "reward")
GAINS = {"proportional_gain": 100, "integral_gain": 100, "derivative_gain": -100}
# Rule -> settings at the ends of what is allowed.
RULES = {
    PID: {"base_multiplier": 1e6, **GAINS},
    TrafficAwarePID: {"base_multiplier": 1e6, **GAINS},
    MultivariablePID: {"value_multiplier": 1e6, "initial_budget_dual": 1e3, **GAINS},
    AdaptiveLinear: {"base_multiplier": 1e6, "gain": 1e3},
    Mystique: {"base_multiplier": 1e6, "largest_change": 1e3, "error_range": 1e-6},
    AdaptivePacing: {"value_multiplier": 1e6, "step_size": 1e3},
    DualMirrorDescent: {"value_multiplier": 1e6, "initial_dual": 1e-4, "step_size": 1e3},
    OnlineLP: {"base_multiplier": 1e6, "elasticity": 32, "prior_weight": 1e-6, "forgetting": 0.0},
    MinPacing: {"value_multiplier": 1e6, "initial_budget_dual": 0, "initial_cost_dual": 0, "step_size": 1e3},
    BROI: {"value_multiplier": 1e6, "return_on_spend": 1e3, "step_size": 1e3},
}
MARKETS = {
    "plain": market(KEYS, target_cost_per_action=np.float32(8), initial_budget=np.int32(2**24)),
    "without a target": market(KEYS, target_cost_per_action=None),
    "traffic in one step": market(KEYS, search_volume_mean=np.array([0, 5, 0, 0], np.float32)),
    "no smallest multiplier": market(KEYS, multiplier_low=np.float32(0)),
}


def episode(rule, params, observations):
    """The multipliers of one episode in which ``rule`` sees ``observations`` [steps, entries]."""

    def step(carry, observation):
        action, carry = rule.act(None, carry, observation)
        return carry, action[0]

    return jax.lax.scan(step, rule.init(params), observations)[1]


def everywhere(observations):
    """The multipliers [2, steps] of every rule, by default and at its limits, in every market."""
    multipliers = []
    for env in MARKETS.values():
        for rule, limits in RULES.items():
            both = jax.tree.map(lambda *leaves: jnp.stack(leaves), rule.for_env(env), rule.for_env(env, **limits))
            run = jax.vmap(lambda rule, params=env.default_params: episode(rule, params, observations))
            multipliers.append(run(both))
    return multipliers


@pytest.fixture(scope="module")
def compiled():
    return compile.jit(everywhere)


finite = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.floats(0, 200, width=32)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(finite, finite, finite), min_size=4, max_size=4))
def test_multipliers_are_finite_and_within_the_market_s_range_for_any_finite_observation(compiled, observations):
    multipliers = np.array(compiled(np.array(observations, np.float32)))
    assert np.isfinite(multipliers).all()
    low = np.repeat([env.default_params.multiplier_low for env in MARKETS.values()], len(RULES))[:, None, None]
    assert ((low <= multipliers) & (multipliers <= np.float32(10))).all()


OBSERVATIONS = np.array([(0, 100, 0), (1, 90, 2), (2, 40, 1), (3, 39, 0)], np.float32)


def test_every_rule_reacts_to_what_is_spent(compiled):
    multipliers = np.array(compiled(OBSERVATIONS))
    by_default = multipliers.reshape(len(MARKETS), len(RULES), 2, -1)[1, :, 0]
    assert [len(set(row)) > 1 for row in by_default.tolist()] == [True] * len(RULES)


def test_many_settings_run_at_once():
    env = market(KEYS, target_cost_per_action=np.float32(8))
    pairs = [
        (rule.for_env(env), rule.for_env(env, **{name: 0.7}))
        for rule in RULES
        for name in ("base_multiplier", "value_multiplier")
        if name in RULES[rule]
    ]
    assert len(pairs) == len(RULES)

    def run(rule):
        return episode(rule, env.default_params, OBSERVATIONS)

    def alone_and_together(pairs):
        stacked = [jax.tree.map(lambda *leaves: jnp.stack(leaves), *pair) for pair in pairs]
        return [jnp.stack([run(rule) for rule in pair]) for pair in pairs], [jax.vmap(run)(both) for both in stacked]

    alone, together = compile.jit(alone_and_together)(pairs)
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    assert all((first != second).any() for first, second in np.asarray(alone))


@pytest.mark.parametrize("rule", [BROI, MinPacing, MultivariablePID])
def test_rules_with_a_target_cost_need_to_see_the_actions(rule):
    with pytest.raises(ValueError, match="observation_keys must be such that they hold 'reward'"):
        rule.for_env(market())


@pytest.mark.parametrize("rule", [BROI, MinPacing, MultivariablePID])
@pytest.mark.parametrize(("target", "error"), [(0, ValueError), (float("nan"), ValueError), ("8", TypeError)])
def test_a_wrong_target_is_refused_by_name(rule, target, error):
    with pytest.raises(error, match=r"target_cost_per_action must be a finite number in \(0, 1e\+09\]"):
        rule.for_env(market(KEYS), target_cost_per_action=target)


@pytest.mark.parametrize(
    ("rule", "arguments", "message"),
    [
        (TrafficAwarePID, {"night_factor": 2}, r"night_factor must be a finite number in \[0, 1\], got 2"),
        (AdaptiveLinear, {"gain": -1}, r"gain must be a finite number in \[0, 1000\], got -1"),
        (Mystique, {"error_range": 0}, r"error_range must be a finite number in \(0, 1000\], got 0"),
        (MultivariablePID, {"budget_weight": 2}, r"budget_weight must be a finite number in \[0, 1\], got 2"),
        (
            MultivariablePID,
            {"initial_cost_dual": 0},
            r"initial_cost_dual must be a finite number in \(0, 1000\], got 0",
        ),
        (DualMirrorDescent, {"initial_dual": 0}, r"initial_dual must be a finite number in \[0.0001, 1000\], got 0"),
        (OnlineLP, {"elasticity": 33}, r"elasticity must be a finite number in \[0.25, 32\], got 33"),
        (MinPacing, {"step_size": 0}, r"step_size must be a finite number in \(0, 1000\], got 0"),
        (BROI, {"return_on_spend": 0.5}, r"return_on_spend must be a finite number in \[1, 1000\], got 0.5"),
    ],
)
def test_wrong_settings_are_refused_by_name(rule, arguments, message):
    with pytest.raises(ValueError, match=message):
        rule.for_env(market(KEYS), **arguments)
