"""Click and conversion laws."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtb_envs.users.response import ConstantResponse, LogisticResponse, sample_time_factor, time_factor_of_waves

FINITE = st.floats(-(2.0**100), 2.0**100, width=32)
KEYS = jax.random.split(jax.random.key(1), 2000)


@partial(jax.jit, static_argnums=(0, 1, 2))
def time_factors(horizon, alpha, beta):
    return jax.vmap(lambda key: sample_time_factor(key, horizon, alpha, beta))(KEYS)


def test_a_logistic_rate_is_the_sigmoid_of_the_feature_product_times_the_time_factor():
    rng = np.random.default_rng(0)
    ads, users, coefficients = rng.normal(size=(4, 3)), rng.normal(size=(6, 2)), rng.normal(size=5)
    time_factor = np.array([0.2, 1.0, 0.5])
    law = LogisticResponse.from_features(ads, users, coefficients, time_factor)
    ad, user = rng.integers(0, 4, (5, 7)), rng.integers(0, 6, (5, 7))
    for t in range(3):
        logit = np.concatenate([ads[ad], users[user]], axis=-1) @ coefficients
        expected = time_factor[t] / (1 + np.exp(-logit))
        np.testing.assert_allclose(law.rate(jnp.asarray(ad), jnp.asarray(user), t), expected, rtol=1e-5)


def test_coefficients_that_do_not_fit_the_features_are_refused():
    with pytest.raises(ValueError, match=r"coefficients: got shape \(4,\), must be \(5,\)"):
        LogisticResponse.from_features(np.ones((4, 3)), np.ones((6, 2)), np.ones(4), np.ones(1))


def test_a_constant_rate_depends_on_ad_and_step_but_not_on_the_user():
    law = ConstantResponse(jnp.array([0.1, 0.4]), jnp.array([1.0, 0.5]))
    rate = law.rate(jnp.array([[0], [1]]), jnp.arange(3), 1)
    np.testing.assert_allclose(rate, [[0.05] * 3, [0.2] * 3])


@settings(max_examples=50, deadline=None)
@given(ad_logit=FINITE, user_logit=FINITE)
def test_a_logistic_rate_is_a_probability_for_any_finite_logits(ad_logit, user_logit):
    law = LogisticResponse(jnp.array([ad_logit]), jnp.array([user_logit]), jnp.ones(1))
    assert 0.0 <= float(law.rate(jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32), 0)) <= 1.0


def test_the_waves_reproduce_rtbgyms_click_time_coefficients_of_seed_12345():
    weight = (
        *(0.332348893, 0.256697813, 0.178807410, 0.132283433, 0.117079842),
        *(0.261160534, 0.161165974, 0.280933018, 0.285234010, 0.118226513),
    )
    phase = (
        *(0.573536565, 0.973229982, 0.634054377, 0.888421725, 0.495414759),
        *(0.351616530, 0.714230369, 0.503929116, 0.225637607, 0.244974440),
    )
    rtbgym = [0.204332993, 0.176082341, 0.210624518, 0.189555679, 0.225379139, 0.267168408, 0.201636803]
    np.testing.assert_allclose(time_factor_of_waves(jnp.array(weight), jnp.array(phase), 7, 7), rtbgym, rtol=1e-6)


def test_waves_that_add_up_to_more_than_one_are_cut_to_a_probability():
    factor = time_factor_of_waves(jnp.full(3, 0.9), jnp.zeros(3), 0, 4)
    assert factor[0] == 1.0
    assert (factor >= 0).all()


# RTBGym's mean rates over 300 instances, each the time factor times a sigmoid whose mean is 1/2, with the standard
# deviation over instances (published for 7 steps, from the samples for 24). 4.5 standard errors of the difference:
# false-alarm rate 7e-6 each, rounding of the figures to 1e-3 allowed for.
@pytest.mark.parametrize(
    ("horizon", "alpha", "beta", "mean_rate"),
    [(7, 5, 20, 0.102), (7, 10, 15, 0.204), (24, 5, 20, 0.096), (24, 10, 15, 0.189)],
)
def test_sampled_time_factors_have_rtbgyms_mean_and_are_positive_probabilities(horizon, alpha, beta, mean_rate):
    factor = np.asarray(time_factors(horizon, alpha, beta))
    assert factor.shape == (2000, horizon)
    assert (factor > 0).all()
    assert (factor <= 1).all()
    rate = factor.mean(axis=1) / 2
    standard_error = rate.std() * np.sqrt(1 / 2000 + 1 / 300)
    assert abs(rate.mean() - mean_rate) < 4.5 * standard_error + 5e-4


def test_the_same_key_gives_the_same_time_factor_and_another_key_another():
    first, again = np.asarray(time_factors(7, 5, 20)), np.asarray(time_factors(7, 5, 20))
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(first, axis=0)) == len(KEYS)
