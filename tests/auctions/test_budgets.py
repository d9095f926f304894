"""In-order budget rules."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rtb_envs.auctions.budgets import keep_until_exhausted, skip_what_does_not_fit

RULES = (keep_until_exhausted, skip_what_does_not_fit)
LARGEST = 2**31 - 1
EPISODES, AUCTIONS = 4, 9
COSTS = st.one_of(
    arrays(np.int32, (EPISODES, AUCTIONS), elements=st.integers(0, 6)),
    arrays(np.int32, (EPISODES, AUCTIONS), elements=st.sampled_from([0, 1, 2**30, LARGEST - 1, LARGEST])),
)
REMAINING = arrays(
    np.int32, (EPISODES,), elements=st.one_of(st.integers(-2, 30), st.sampled_from([2**30, LARGEST - 1, LARGEST]))
)
COMPILED = {rule: jax.jit(rule) for rule in RULES}


def paid_in_order(costs, remaining, goes_on):
    """The rule in Python integers, which do not overflow."""
    kept, spent = [], 0
    for i, cost in enumerate(costs):
        kept.append(spent + cost < remaining and (goes_on or all(kept[:i])))
        spent += cost if kept[-1] else 0
    return kept


@settings(max_examples=150, deadline=None)
@given(cost=COSTS, remaining=REMAINING)
@pytest.mark.parametrize("rule", RULES)
def test_each_rule_pays_what_the_same_rule_in_unbounded_integers_pays(rule, cost, remaining):
    keep = np.asarray(COMPILED[rule](cost, remaining))
    for episode in range(EPISODES):
        expected = paid_in_order(cost[episode].tolist(), int(remaining[episode]), rule is skip_what_does_not_fit)
        assert keep[episode].tolist() == expected
        spent = sum(price for price, kept in zip(cost[episode].tolist(), expected, strict=True) if kept)
        assert spent < remaining[episode] or not any(expected)


def test_the_auction_that_would_reach_the_budget_and_all_after_it_are_cancelled_even_free_ones():
    cost = jnp.array([3, 0, 4, 3, 0, 1])
    assert keep_until_exhausted(cost, 10).tolist() == [True, True, True, False, False, False]


def test_skipping_goes_on_with_auctions_that_leave_something_of_the_budget():
    cost = jnp.array([3, 0, 4, 3, 0, 1])
    assert skip_what_does_not_fit(cost, 10).tolist() == [True, True, True, False, True, True]


@pytest.mark.parametrize("rule", RULES)
def test_no_auction_is_kept_when_nothing_remains(rule):
    assert not rule(jnp.array([0, 1, 0]), 0).any()


@pytest.mark.parametrize("rule", RULES)
def test_any_batch_shape_gives_each_row_alone(rule):
    cost = jax.random.randint(jax.random.key(0), (2, 3, 20), 0, 9)
    remaining = jnp.array([5, 40, 1000])
    batch = COMPILED[rule](cost, remaining)
    assert batch.shape == cost.shape
    for i, j in np.ndindex(2, 3):
        np.testing.assert_array_equal(batch[i, j], COMPILED[rule](cost[i, j], remaining[j]))
