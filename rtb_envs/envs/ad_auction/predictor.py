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

    y is a Bernoulli(CTR) label, times a Bernoulli(CVR) label for conversions; ids follow the time-averaged sampling
    rates and t is uniform over the episode, as in RTBGym. Raises what ``check_estimator`` and ``fitted_rates`` raise.
    """
    check_estimator(estimator)
    rng = np.random.default_rng(seed)
    horizon = int(params.horizon)
    click, conversion = (np.asarray(rate, np.float64) for rate in true_rates(params))
    ad = _sample_ids(rng, params.ad_sampling_rate, click.shape[1], horizon, num_samples)
    user = _sample_ids(rng, params.user_sampling_rate, click.shape[2], horizon, num_samples)
    t = rng.integers(horizon, size=num_samples)
    label = rng.random(num_samples) < click[t, ad, user]
    if objective == "conversion":
        label &= rng.random(num_samples) < conversion[t, ad, user]
    return fitted_rates(estimator, params, ad, user, t, label)


def check_estimator(estimator: Any) -> None:
    """Raise TypeError unless ``estimator`` is scikit-learn style: ``fit``, and ``predict_proba`` or ``predict``."""
    predicts = any(callable(getattr(estimator, name, None)) for name in ("predict_proba", "predict"))
    if isinstance(estimator, type) or not callable(getattr(estimator, "fit", None)) or not predicts:
        raise TypeError(f"reward_predictor must have 'fit' and 'predict_proba' or 'predict', got {estimator!r}")


def fitted_rates(
    estimator: Any, params: Params, ad: np.ndarray, user: np.ndarray, t: np.ndarray, label: np.ndarray
) -> Float[Array, "steps ads users"]:
    """Fit ``estimator`` in place to ``label`` and evaluate it once on every step, ad and user.

    X is [ad features, user features, t]. The probability of label 1 is used of classifiers, what is predicted of
    others; at least 0. A table costs nothing in compiled code, whatever the estimator.

    Raises ValueError where all labels are equal for a classifier, and for predictions that are not finite.
    """
    ad_features, user_features = np.asarray(params.ad_features), np.asarray(params.user_features)

    def inputs(t: np.ndarray, ad: np.ndarray, user: np.ndarray) -> np.ndarray:
        return np.concatenate([ad_features[ad], user_features[user], t[:, None]], axis=1)

    classifies = callable(getattr(estimator, "predict_proba", None))
    if classifies and label.all() == label.any():
        raise ValueError(f"reward_predictor must see both labels, but all {label.size} were {int(label[0])}")
    estimator.fit(inputs(t, ad, user), label.astype(int))
    shape = (params.search_volume_mean.shape[0], ad_features.shape[0], user_features.shape[0])
    features = inputs(*(index.reshape(-1) for index in np.indices(shape)))
    predicted = estimator.predict_proba(features)[:, 1] if classifies else estimator.predict(features)
    rates = np.asarray(predicted, np.float64)
    if rates.shape != features.shape[:1]:
        raise ValueError(f"reward_predictor must predict one number per row, got an array of shape {rates.shape}")
    if not np.isfinite(rates).all():
        wrong = rates[~np.isfinite(rates)]
        raise ValueError(
            f"reward_predictor must predict finite numbers, got {wrong[0]} in {wrong.size} of {rates.size}"
        )
    return jnp.asarray(np.maximum(rates, 0.0).reshape(shape), float)


def _sample_ids(rng: np.random.Generator, rate: Array | None, count: int, horizon: int, size: int) -> np.ndarray:
    if rate is None:
        return rng.integers(count, size=size)
    average = np.asarray(rate, np.float64)[:horizon].mean(axis=0)
    return rng.choice(count, size=size, p=average / average.sum())
