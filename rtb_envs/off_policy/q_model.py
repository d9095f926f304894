"""A model of the target policy's action values: fitted Q evaluation, linear in features, one model a time step.

Q_t(s, a) = theta_t . phi(s, a) is fitted backwards by ridge regression on reward + discount * E_target Q_{t+1} (fitted
Q evaluation: Le, Voloshin and Yue, "Batch Policy Learning under Constraints", ICML 2019, for a finite horizon). It need
not be right: the doubly robust estimator corrects it, and is the less noisy the better it is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from rtb_envs import validation

FloatArray = npt.NDArray[np.float64]
RIDGE = 1e-3
"""Penalty on squared coefficients per regressed step; features have standard deviations near 1."""


class Features(NamedTuple):
    """phi(s, a): for discrete actions 1 and the observation, one set for each action; for a Box all products of up to
    two of the observation's and the action's entries. Observations and Box actions are standardised, actions with
    positive bounds by their logarithm.
    """

    space: spaces.Space[Any]
    centre: FloatArray
    scale: FloatArray

    @classmethod
    def of(cls, observation: npt.NDArray[Any], space: spaces.Space[Any]) -> Features:
        """Features standardised over ``observation`` [steps, ...].

        Raises TypeError for actions that are neither Discrete nor a Box.
        """
        if not isinstance(space, spaces.Discrete | spaces.Box):
            raise validation.wrong_type("action_space", "Discrete or a Box", space)
        flat = observation.reshape(len(observation), -1).astype(np.float64)
        scale = flat.std(axis=0)
        return cls(space, flat.mean(axis=0), np.where(scale > 0, scale, 1.0))

    def __call__(self, observation: npt.NDArray[Any], action: npt.NDArray[Any]) -> FloatArray:
        """phi for each step: ``observation`` [steps, ...] and ``action`` [steps, ...] to [steps, features]."""
        seen = (observation.reshape(len(observation), -1) - self.centre) / self.scale
        one = np.ones((len(seen), 1))
        if isinstance(self.space, spaces.Discrete):
            chosen = action.reshape(-1, 1) == np.arange(self.space.start, self.space.start + self.space.n)
            products = chosen[:, :, None] * np.hstack([one, seen])[:, None, :]
            return np.asarray(products.reshape(len(seen), -1), np.float64)
        entries = np.hstack([one, seen, self._standardised(action.reshape(len(seen), -1))])
        first, second = np.triu_indices(entries.shape[1])
        return entries[:, first] * entries[:, second]

    def _standardised(self, action: npt.NDArray[Any]) -> FloatArray:
        """Box actions, centred between the bounds and scaled to a uniform law's standard deviation of 1."""
        assert isinstance(self.space, spaces.Box)
        low, high = (bound.reshape(-1).astype(np.float64) for bound in (self.space.low, self.space.high))
        if (low > 0).all():
            low, high, action = np.log(low), np.log(high), np.log(action)
        standardised: FloatArray = (action - (low + high) / 2) * np.sqrt(12) / (high - low)
        return standardised


def fit(
    taken: FloatArray,
    expected: FloatArray,
    reward: FloatArray,
    in_progress: npt.NDArray[np.bool_],
    discount: float,
    ridge: float = RIDGE,
) -> FloatArray:
    """Coefficients theta [steps, features].

    ``taken`` is phi of each logged step and ``expected`` its mean over the target's actions, both [episodes, steps,
    features]; ``reward`` and ``in_progress`` (whether the step took place) are [episodes, steps]. A step that no
    episode reached has zeros.
    """
    num_steps, num_features = taken.shape[1:]
    theta = np.zeros((num_steps, num_features))
    value_after = np.zeros(len(taken))
    for t in reversed(range(num_steps)):
        live = in_progress[:, t]
        if live.any():
            phi = taken[live, t]
            outcome = reward[live, t] + discount * value_after[live]
            gram = phi.T @ phi + ridge * len(phi) * np.eye(num_features)
            theta[t] = np.linalg.solve(gram, phi.T @ outcome)
        value_after = np.where(live, expected[:, t] @ theta[t], 0.0)
    return theta
