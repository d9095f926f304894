"""In 64-bit mode every environment and every rule keeps the types of what a loop carries."""

import jax
import jax.numpy as jnp
import pytest

import rtb_envs
from agents import registry
from rtb_envs.random import Stream

SMALL = {"horizon": 3, "n_ads": 3, "n_users": 3, "search_volume_mean": 8.0}
OPTIONS = {name: SMALL for name in rtb_envs.list_envs() if name.startswith("AdAuction")}


@pytest.fixture(scope="module", autouse=True)
def _in_64_bits():
    with jax.enable_x64(True):
        yield


def types(tree):
    return [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(tree)]


def made(env_id):
    env = rtb_envs.make(env_id, **OPTIONS.get(env_id, {}))
    params = env.default_params
    observation, state = jax.eval_shape(lambda: env.reset_env(jax.random.key(0), params))
    return env, params, observation, state


@pytest.mark.parametrize("env_id", rtb_envs.list_envs())
def test_a_step_gives_a_state_of_the_types_it_was_given(env_id):
    env, params, observation, state = made(env_id)
    action = env.action_space(params).sample()
    key = jax.random.key(1)
    seen, after, *_ = jax.eval_shape(lambda state: env.step_env(key, state, jnp.asarray(action), params), state)
    assert types(after) == types(state)
    assert types(seen) == types(observation)


@pytest.mark.parametrize("name", registry.rules())
def test_a_rule_gives_a_memory_of_the_types_it_was_given(name):
    served, stream = 0, Stream.from_key(jax.random.key(2))
    for env_id in ("AdAuction-v0", "AdAuctionDiscrete-v0", "AdAuctionBidCurve-v0", "AutoBidding-v0", "AdPlacement-v0"):
        env, params, observation, _ = made(env_id)
        options = {"action": env.action_space(params).sample()} if name == "constant" else {}
        try:
            rule = registry.make_rule(name, env, params, **options)
        except (ValueError, TypeError, AttributeError):
            continue  # rules are for some of the environments
        served += 1
        memory = jax.eval_shape(lambda rule=rule, params=params: rule.init(params))
        _, after = jax.eval_shape(lambda memory, seen, rule=rule: rule.act(stream, memory, seen), memory, observation)
        assert types(after) == types(memory), env_id
    assert served
