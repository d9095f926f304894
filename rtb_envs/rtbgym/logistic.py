"""A logistic regression: the reward predictor of RTBGym's registered environments."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import expit

FloatArray = npt.NDArray[np.float64]
_MAX_ITERATIONS = 100
_TOLERANCE = 1e-10


class LogisticRegression:
    """Maximum likelihood with a penalty of ``|coefficients|^2`` / 2, none on the intercept.

    The optimum that scikit-learn's estimator of this name approaches with its defaults. By Newton's method with step
    halving.
    """

    coefficients: FloatArray
    """One for each column of X, then the intercept; there after ``fit``."""

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> LogisticRegression:
        """Fit labels ``y`` in {0, 1} of shape (n,) to inputs ``X`` of shape (n, d).

        Raises ValueError where only one label occurs: no finite intercept is likeliest then.
        """
        inputs, labels = _with_intercept(X), np.asarray(y, np.float64)
        if set(np.unique(labels)) != {0.0, 1.0}:
            raise ValueError(f"y must hold both labels, 0 and 1, got only {sorted(set(labels))[:3]}")
        penalty = np.append(np.ones(inputs.shape[1] - 1), 0.0)

        def loss(coefficients: FloatArray) -> float:
            logit = inputs @ coefficients
            return float(np.sum(np.logaddexp(0, logit) - labels * logit) + 0.5 * penalty @ coefficients**2)

        self.coefficients = np.zeros(inputs.shape[1])
        for _ in range(_MAX_ITERATIONS):
            probability = expit(inputs @ self.coefficients)
            gradient = inputs.T @ (probability - labels) + penalty * self.coefficients
            curvature = (inputs * (probability * (1 - probability))[:, None]).T @ inputs + np.diag(penalty)
            step = np.linalg.lstsq(curvature, gradient, rcond=None)[0]
            before = loss(self.coefficients)
            while loss(self.coefficients - step) > before and np.abs(step).max() > _TOLERANCE:
                step = step / 2
            self.coefficients = self.coefficients - step
            if np.abs(step).max() < _TOLERANCE:
                break
        return self

    def predict_proba(self, X: npt.ArrayLike) -> FloatArray:
        """Probabilities of the labels 0 and 1, shape (n, 2)."""
        probability: FloatArray = expit(_with_intercept(X) @ self.coefficients)
        return np.stack([1 - probability, probability], axis=1)


def _with_intercept(X: npt.ArrayLike) -> FloatArray:
    inputs = np.asarray(X, np.float64)
    return np.concatenate([inputs, np.ones((inputs.shape[0], 1))], axis=1)
