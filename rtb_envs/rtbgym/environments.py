"""RTBGym's two environment classes as Gymnasium environments, and the core behind its registered ids."""

from __future__ import annotations

import inspect
from dataclasses import fields
from numbers import Real
from typing import Any

import gymnasium
import numpy as np

from rtb_envs import validation
from rtb_envs.adapters.gymnasium import GymEnv
from rtb_envs.envs.ad_auction.environment import AdAuction
from rtb_envs.render import RenderMode
from rtb_envs.rtbgym.arguments import RTBArguments
from rtb_envs.rtbgym.bidder import Bidder, customized_core, plain_core
from rtb_envs.rtbgym.logistic import LogisticRegression

OBS_KEYS = (
    "timestep",
    "remaining_budget",
    "budget_consumption_rate",
    "cost_per_mille_of_impression",
    "winning_rate",
    "reward",
    "adjust_rate",
)


class _RTBGymEnv(GymEnv):
    """What both classes share: RTBGym's attributes, and scalars as continuous actions."""

    obs_keys = OBS_KEYS
    reward_range = (0.0, float("inf"))
    action_dim = 1
    action_type: str
    arguments: RTBArguments

    def __init__(self, core: AdAuction, arguments: RTBArguments, render_mode: RenderMode | None) -> None:
        super().__init__(core, render_mode=render_mode)
        self.arguments = arguments
        self.objective = arguments.objective
        self.cost_indicator = arguments.cost_indicator
        self.step_per_episode = arguments.step_per_episode
        self.initial_budget = arguments.initial_budget

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Observation, reward, terminated, truncated and info of one step; see ``GymEnv.step``.

        A continuous action may be a number or an array of shape (1,).
        """
        is_number = isinstance(action, Real) or (isinstance(action, np.ndarray) and action.ndim == 0)
        if self.action_type == "continuous" and is_number:
            action = np.reshape(action, (1,))
        return super().step(action)


class RTBEnv(_RTBGymEnv):
    """RTBGym's ``RTBEnv``: pace a budget over an episode; arguments as in ``RTBArguments``.

    - Observation: float32[7], ``obs_keys``. As in RTBGym, the entries after the remaining budget are noise in the first
      observation of an episode, and the last step returns the next episode's first observation.
    - Action: the adjust rate, a finite number >= 0, or an array of it of shape (1,).
    - Reward: kept conversions (or clicks) of the step. Termination: after ``step_per_episode`` steps; never truncated.
    - info: RTBGym's search_volume, impression, click, conversion, average_bid_price, and more; see ``AdAuction``.

    Different from RTBGym: every environment is independent of the others, ``reset(seed=)`` decides all draws of its
    episodes, observations are float32, laws are written for JAX, and a step after the end raises ``ResetNeeded``.
    """

    action_type = "continuous"

    def __init__(self, *arguments: Any, render_mode: RenderMode | None = None, **named_arguments: Any) -> None:
        known = [field.name for field in fields(RTBArguments)]
        if unknown := sorted(set(named_arguments) - set(known)):
            raise TypeError(f"unknown argument {unknown[0]!r}; it must be one of {', '.join(known)}, render_mode")
        checked = RTBArguments(*arguments, **named_arguments)
        super().__init__(plain_core(checked), checked, render_mode)
        self.action_space = gymnasium.spaces.Box(0, np.inf, (1,), np.float32)
        self.standard_bid_price = checked.standard_bid_price.mean


RTBEnv.__signature__ = inspect.signature(RTBArguments)  # type: ignore[attr-defined]


class CustomizedRTBEnv(_RTBGymEnv):
    """RTBGym's ``CustomizedRTBEnv``: the market of an ``RTBEnv`` with a bidder of its own and discrete actions.

    ``action_meaning`` None spaces the adjust rates evenly in the logarithm from ``action_min`` to ``action_max``;
    ``scaler`` None makes the mean bid at adjust rate 1 the standard bid price. Observation, reward and end are those of
    ``RTBEnv``; the action is an integer below ``n_actions`` or, with ``action_type="continuous"``, an adjust rate in
    [action_min, action_max]. ``env`` is the environment given; unlike in RTBGym its own bidder stays as it is.

    Raises TypeError for another ``original_env`` than an ``RTBEnv``, and what ``Bidder`` raises.
    """

    def __init__(
        self,
        original_env: RTBEnv,
        reward_predictor: Any = None,
        scaler: float | None = None,
        action_min: float = 0.1,
        action_max: float = 10.0,
        action_type: str = "discrete",
        n_actions: int = 10,
        action_meaning: Any = None,
        *,
        render_mode: RenderMode | None = None,
    ) -> None:
        if not isinstance(original_env, RTBEnv):
            raise validation.wrong_type("original_env", "an RTBEnv", original_env)
        bidder = Bidder(reward_predictor, scaler, action_min, action_max, action_type, n_actions, action_meaning)  # type: ignore[arg-type]
        super().__init__(customized_core(original_env.arguments, bidder), original_env.arguments, render_mode)
        self.env = original_env
        self.action_type = bidder.action_type
        meanings = self.params.action_meanings
        self.action_meaning = None if meanings is None else np.asarray(meanings)
        self.n_actions = None if meanings is None else len(meanings)


def make_rtb_env(action_kind: str, **arguments: Any) -> AdAuction:
    """The functional core of RTBGym's registered ids; ``arguments`` are those of ``RTBEnv`` and ``CustomizedRTBEnv``.

    RTBGym registers random_state 12345 and a logistic regression as reward predictor; these are the defaults.
    ``reward_predictor=None`` bids by the true rates. Raises TypeError for an unknown argument, ValueError or TypeError
    for a wrong one, each naming it.
    """
    of_bidder = [field.name for field in fields(Bidder) if field.name != "action_type"]
    of_market = [field.name for field in fields(RTBArguments)]
    if unknown := sorted(set(arguments) - {*of_bidder, *of_market}):
        raise TypeError(f"unknown option {unknown[0]!r}; it must be one of {', '.join(of_market + of_bidder)}")
    given = {"random_state": 12345, "reward_predictor": LogisticRegression(), **arguments}
    bidder = Bidder(action_type=action_kind, **{name: given[name] for name in of_bidder if name in given})  # type: ignore[arg-type]
    return customized_core(RTBArguments(**{name: given[name] for name in of_market if name in given}), bidder)
