"""What a bidder of AutoBidding sees, entry by entry, after four ticks worked out by hand."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from rtb_envs.envs.auto_bidding import AUCTIONNET_KEYS, OBSERVATION_KEYS, UNITS, History, Tick, TickMeans
from tests.envs.test_auto_bidding import AGENTS, MARKET, PARAMS, recorded

# Of each past tick: mean bid, least winning cost, value, conversions and wins per opportunity; opportunities.
TICKS = (
    (8.0, 1.0, 0.1, 0.00, 0.10, 10),
    (4.0, 4.0, 0.2, 0.02, 0.25, 20),
    (2.0, 6.0, 0.3, 0.04, 0.75, 30),
    (6.0, 11.0, 0.6, 0.06, 0.50, 40),
)
# The order of the features in AuctionNet's published bidders (Su et al., NeurIPS 2024).
FEATURES = (
    ("time left", 2 / 6),
    ("budget left", 0.25),
    ("mean bid, all ticks", (8 + 4 + 2 + 6) / 4),
    ("mean bid, last three", (4 + 2 + 6) / 3),
    ("mean least winning cost, all ticks", (1 + 4 + 6 + 11) / 4),
    ("mean value, all ticks", (0.1 + 0.2 + 0.3 + 0.6) / 4),
    ("mean conversions, all ticks", (0.02 + 0.04 + 0.06) / 4),
    ("mean wins, all ticks", (0.1 + 0.25 + 0.75 + 0.5) / 4),
    ("mean least winning cost, last three", (4 + 6 + 11) / 3),
    ("mean value, last three", (0.2 + 0.3 + 0.6) / 3),
    ("mean conversions, last three", (0.02 + 0.04 + 0.06) / 3),
    ("mean wins, last three", (0.25 + 0.75 + 0.5) / 3),
    ("mean value, coming tick", 0.45),
    ("opportunities, coming tick", 50),
    ("opportunities, last three ticks", 20 + 30 + 40),
    ("opportunities, all ticks", 10 + 20 + 30 + 40),
)
OTHERS = (("ticks taken", 4), ("money left", 0.25 * 800), ("target", 90.0), ("conversions, last tick", 3))


def everybody(first, other):
    """One number for bidder 0, another for all the rest."""
    return jnp.full(AGENTS, other, float).at[0].set(first)


def test_the_sixteen_features_are_auctionnet_s_in_its_order_and_the_rest_follows():
    params = PARAMS.replace(initial_budget=800 * UNITS, target_cost_per_action=[90.0, 60.0, 60.0, 60.0])
    history = History.empty(AGENTS)
    for *means, opportunities in TICKS:
        history = history.extended(TickMeans(*(everybody(mean, 7.0) for mean in means)), jnp.int32(opportunities))
    begun = MARKET.initial(recorded(np.ones((AGENTS, 1)), np.ones((3, 1)), np.ones(AGENTS), 1), params)
    state = dataclasses.replace(
        begun,
        t=jnp.int32(4),
        remaining_budget=everybody(200 * UNITS, 5).astype(jnp.int32),
        tick=Tick(jnp.int32(50), everybody(0.45, 0.9), everybody(0.1, 0.1)),
        history=history,
        tick_conversion=everybody(3, 8).astype(jnp.int32),
    )
    names, expected = zip(*FEATURES, *OTHERS, strict=True)
    seen = dict(zip(names, np.asarray(MARKET.observe(state, params)[0]).tolist(), strict=True))
    np.testing.assert_allclose(list(seen.values()), expected, rtol=1e-6)
    assert len(AUCTIONNET_KEYS) == 16
    assert (*AUCTIONNET_KEYS, "timestep", "remaining_budget", "target_cost_per_action", "reward") == OBSERVATION_KEYS
