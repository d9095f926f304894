"""Reward predictors: what a bidder believes who has learned the rates from logged impressions."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from rtb_envs.envs.ad_auction.params import Params, true_rates

NUM_SAMPLES = 100_000


def predicted_rates(
    estimator: Any, params: Params, objective: str, seed: int, num_samples: int = NUM_SAMPLES
) -> Float[Array, "steps ads users"]:
    """Fit ``estimator`` on sampled impressions and evaluate it once on every step, ad and user.

    The estimator is scikit-learn style: ``fit(X, y)`` and ``predict_proba`` (classifiers; column 1 is used) or
    ``predict``. X is [ad features, user features, t]; y is a Bernoulli(CTR) label, times a Bernoulli(CVR) label for
    conversions; ids follow the time-averaged sampling rates and t is uniform over the episode, as in RTBGym. A table
    costs nothing in compiled code, whatever the estimator. The given estimator is fitted in place.

    Raises TypeError for an object without these methods, ValueError for predictions that are not finite and >= 0.
    """
    if not callable(getattr(estimator, "fit", None)) or not (
        callable(getattr(estimator, "predict_proba", None)) or callable(getattr(estimator, "predict", None))
    ):
        raise TypeError(f"reward_predictor must have 'fit' and 'predict_proba' or 'predict', got {estimator!r}")
    rng = np.random.default_rng(seed)
    horizon = int(params.horizon)
    click, conversion = (np.asarray(rate, np.float64) for rate in true_rates(params))
    ad = _sample_ids(rng, params.ad_sampling_rate, click.shape[1], horizon, num_samples)
    user = _sample_ids(rng, params.user_sampling_rate, click.shape[2], horizon, num_samples)
    t = rng.integers(horizon, size=num_samples)
    label = rng.random(num_samples) < click[t, ad, user]
    if objective == "conversion":
        label &= rng.random(num_samples) < conversion[t, ad, user]
    ad_features, user_features = np.asarray(params.ad_features), np.asarray(params.user_features)

    def inputs(t: np.ndarray, ad: np.ndarray, user: np.ndarray) -> np.ndarray:
        return np.concatenate([ad_features[ad], user_features[user], t[:, None]], axis=1)

    estimator.fit(inputs(t, ad, user), label.astype(int))
    every = [index.reshape(-1) for index in np.indices(click.shape)]
    features = inputs(*every)
    proba = getattr(estimator, "predict_proba", None)
    rates = np.asarray(proba(features))[:, -1] if callable(proba) else np.asarray(estimator.predict(features))
    if rates.shape != every[0].shape or not np.isfinite(rates).all():
        raise ValueError(
            f"reward_predictor must predict one finite number per row, got an array of shape {rates.shape}"
        )
    return jnp.asarray(np.maximum(rates, 0.0).reshape(click.shape), float)


def _sample_ids(rng: np.random.Generator, rate: Array | None, count: int, horizon: int, size: int) -> np.ndarray:
    if rate is None:
        return rng.integers(count, size=size)
    average = np.asarray(rate, np.float64)[:horizon].mean(axis=0)
    return rng.choice(count, size=size, p=average / average.sum())
