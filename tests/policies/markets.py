"""A stand-in for what bidding rules read of an environment: names of the observation's entries, and numbers."""

from types import SimpleNamespace

import numpy as np


def market(observation_keys=("timestep", "remaining_budget"), **changes):
    """An environment of four steps, budget 100 and multipliers in [0.1, 10], as far as a rule can see it."""
    params = {
        "horizon": np.int32(4),
        "initial_budget": np.int32(100),
        "search_volume_mean": np.full(4, 200, np.float32),
        "multiplier_low": np.float32(0.1),
        "multiplier_high": np.float32(10),
        "action_meanings": None,
    }
    return SimpleNamespace(
        config=SimpleNamespace(observation_keys=observation_keys),
        default_params=SimpleNamespace(**{**params, **changes}),
    )


def actions(rule, params, observations, stream=None):
    """The actions of one episode in which the rule sees ``observations``, as a NumPy array."""
    carry, taken = rule.init(params), []
    for observation in observations:
        action, carry = rule.act(stream, carry, np.asarray(observation, np.float32))
        taken.append(np.asarray(action))
    return np.array(taken)
