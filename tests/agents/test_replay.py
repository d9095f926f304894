"""The replay keeps the newest transitions and draws from no others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from agents.replay import Replay
from rtb_envs.compile import jit


@pytest.fixture(scope="module")
def program():
    """Compiled ``add`` and a draw of 4,000."""
    return jit(lambda replay, new: replay.add(new)), jit(lambda replay, key: replay.sample(key, 4000))


def batch(first, size=4):
    """Transitions numbered from ``first`` on, as a scalar and as a pair with its negative."""
    number = jnp.arange(first, first + size)
    return {"number": number, "pair": jnp.stack([number, -number], axis=1).astype(float)}


def test_the_oldest_transitions_make_room_for_the_newest(program):
    add, sample = program
    replay = Replay.start(jax.tree.map(lambda x: x[0], batch(0)), 12)
    assert replay.size == 12
    for begun in range(5):
        replay = add(replay, batch(4 * begun))
        newest = set(range(max(0, 4 * begun - 8), 4 * begun + 4))
        assert int(replay.count) == len(newest)
        drawn = sample(replay, jax.random.key(begun))
        assert set(drawn["number"].tolist()) == newest
        np.testing.assert_array_equal(drawn["pair"], np.stack([drawn["number"], -drawn["number"]], axis=1))


def test_every_transition_stored_is_drawn_as_often(program):
    add, sample = program
    replay = Replay.start(jax.tree.map(lambda x: x[0], batch(0)), 12)
    for begun in range(2):
        replay = add(replay, batch(4 * begun))
    observed = np.bincount(sample(replay, jax.random.key(9))["number"], minlength=8)
    # The seed is fixed; over seeds it would fail once in 10,000.
    assert scipy.stats.chisquare(observed).pvalue > 1e-4
