"""A stand-in for what bidding rules read of an environment: names of the observation's entries, and numbers."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np

from rtb_envs.policies.market_distribution import MarketDistribution


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


def distribution(price=(10, 20, 30, 40), relative_rate=(0.5, 1, 1.5), **changes):
    """Prices and relative rates in a second-price market that charges impressions; the mean predicted rate is 1/100."""
    numbers = {"unit_rate": 0.01, "charge_rate": 1.0, "first_price_share": 0.0, **changes}
    arrays = {"price": price, "relative_rate": relative_rate, **numbers}
    return MarketDistribution(**{name: jnp.float32(value) for name, value in arrays.items()})


def curve_market(known=None, **changes):
    """The same market with bids given at relative rates 1/2, 1 and 2, and a standard bid price of 10."""
    curve = {
        "bid_curve_knots": np.float32([0.5, 1, 2]),
        "standard_bid_price": np.float32(10),
        "largest_bid": np.float32(200),
    }
    env = market(**{**curve, **changes})
    env.market_distribution = lambda params: distribution() if known is None else known
    return env
