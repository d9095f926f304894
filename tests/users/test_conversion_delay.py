"""The delay between click and conversion: the published shares, and the sampler against them."""

import numpy as np

from rtb_envs.users.conversion_delay import conversion_delay, share_within


def test_the_mixture_has_the_shares_it_was_fitted_to():
    """35 % within an hour, half within a day, 87 % within two weeks (Chapelle 2014), to the fit's third digit."""
    np.testing.assert_allclose(share_within(np.array([1.0, 24.0, 336.0])), [0.350, 0.503, 0.871], atol=0.002)
    np.testing.assert_allclose(share_within(np.array([0.0, 720.0, 9999.0])), [0, 1, 1], atol=1e-6)


def test_drawn_delays_follow_the_mixture():
    """40,000 draws, 4 standard errors at each of 4 times: a false alarm in 1 of 4,000 seeds."""
    uniform = np.random.default_rng(0).random((2, 40_000)).astype(np.float32)
    delay = np.asarray(conversion_delay(*uniform))
    assert (delay >= 0).all()
    assert (delay <= 720).all()
    for hours in (1.0, 24.0, 168.0, 336.0):
        expected = float(share_within(hours))
        assert abs((delay <= hours).mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / delay.size)
