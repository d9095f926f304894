"""The arguments of RTBGym's ``CustomizedRTBEnv``, and the functional core that they make of a market."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import jax.numpy as jnp
import numpy as np

from rtb_envs import validation
from rtb_envs.envs.ad_auction.environment import AdAuction
from rtb_envs.envs.ad_auction.predictor import check_estimator, fitted_rates
from rtb_envs.rtbgym.arguments import RTBArguments
from rtb_envs.rtbgym.simulator import Simulator, true_reward_rates

ActionType = Literal["discrete", "continuous"]
LARGEST_ADJUST_RATE = float(np.finfo(np.float32).max)
_LARGE = 1e9


@dataclass(frozen=True)
class Bidder:
    """How the bidder values impressions and what actions mean. Wrong values raise ValueError or TypeError."""

    reward_predictor: Any = None
    """A scikit-learn style estimator, fitted here; None bids by the true rates."""
    scaler: float | None = None
    """None makes the mean bid at adjust rate 1 the standard bid price."""
    action_min: float = 0.1
    action_max: float = 10.0
    action_type: ActionType = "discrete"
    n_actions: int = 10
    action_meaning: Any = None
    """[n_actions] adjust rates; None spaces them evenly in the logarithm."""

    def __post_init__(self) -> None:
        if self.reward_predictor is not None:
            check_estimator(self.reward_predictor)
        if self.scaler is not None:
            validation.number("scaler", self.scaler, 0, _LARGE, open_low=True)
        validation.number("action_min", self.action_min, 0, _LARGE)
        validation.number("action_max", self.action_max, self.action_min, _LARGE, open_low=True)
        validation.choice("action_type", self.action_type, get_args(ActionType))
        if self.action_type == "discrete":
            self._check_meanings()

    def _check_meanings(self) -> None:
        validation.integer("n_actions", self.n_actions, 2, 100_000)
        if self.action_meaning is not None:
            shapes = [(self.n_actions,)]
            validation.array("action_meaning", self.action_meaning, shapes, self.action_min, self.action_max)
        elif self.action_min <= 0:
            raise validation.wrong_value("action_min", "positive unless action_meaning is given", self.action_min)

    def options(self) -> dict[str, Any]:
        """The same as options of AdAuction, but for the predictor and the scaler, which RTBGym fits in its own way."""
        discrete = self.action_type == "discrete"
        return {
            "action_kind": self.action_type,
            "multiplier_low": self.action_min,
            "multiplier_high": self.action_max,
            **({"n_actions": self.n_actions, "action_meanings": self.action_meaning} if discrete else {}),
        }


def plain_core(arguments: RTBArguments) -> AdAuction:
    """The market of ``RTBEnv``: an oracle bidder and any adjust rate >= 0."""
    simulator = Simulator(arguments)
    options = arguments.options(simulator.instance, action_kind="continuous", multiplier_low=0.0)
    params = options.params_of(simulator.instance)
    rates = true_reward_rates(simulator.impressions(), params, arguments.objective)
    changes = {"scaler": _scaler(rates), "multiplier_high": LARGEST_ADJUST_RATE}
    numbers = {name: jnp.asarray(value, float) for name, value in changes.items()}
    return AdAuction(options.config(), params.replace(**numbers))


def customized_core(arguments: RTBArguments, bidder: Bidder) -> AdAuction:
    """The market of ``CustomizedRTBEnv`` around an ``RTBEnv`` with these arguments."""
    simulator = Simulator(arguments)
    options = arguments.options(simulator.instance, **bidder.options())
    params = options.params_of(simulator.instance)
    simulator.impressions()  # RTBGym's first sample went into the scaler of the environment that is wrapped.
    predicted = None
    if bidder.reward_predictor is not None:
        fit = simulator.impressions()
        labels = simulator.labels(fit, params)
        predicted = fitted_rates(bidder.reward_predictor, params, fit.ad, fit.user, fit.t, labels)
    scaler = bidder.scaler
    if scaler is None:
        sample = simulator.impressions()
        if predicted is None:
            scaler = _scaler(true_reward_rates(sample, params, arguments.objective))
        else:
            scaler = _scaler(np.asarray(predicted, np.float64)[sample.t, sample.ad, sample.user])
    return AdAuction(options.config(), params.replace(predicted_rate=predicted, scaler=jnp.asarray(scaler, float)))


def _scaler(rates: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """What makes the mean bid the standard bid price."""
    return 1 / max(float(rates.mean()), 1e-12)
