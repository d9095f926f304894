"""RTBGym's environments (SCOPE-RL 0.2.1) under their own names and arguments, on the compiled AdAuction.

RTBGym's documented example runs with only its import changed::

    from rtb_envs.rtbgym import CustomizedRTBEnv, RTBEnv

    env = RTBEnv("click", cost_indicator="click", step_per_episode=14, initial_budget=5000, random_state=12345)
    env = CustomizedRTBEnv(original_env=env, reward_predictor=None, action_type="discrete")

The market of a ``random_state`` (ads, users, prices, rates, scaler, what a reward predictor is fitted on) is RTBGym's
of the same number. The draws within an episode follow the same laws by another generator.
"""

from rtb_envs.rtbgym.arguments import RTBArguments
from rtb_envs.rtbgym.bidder import Bidder
from rtb_envs.rtbgym.distributions import NormalDistribution
from rtb_envs.rtbgym.environments import CustomizedRTBEnv, RTBEnv, make_rtb_env
from rtb_envs.rtbgym.logistic import LogisticRegression

__all__ = [
    "Bidder",
    "CustomizedRTBEnv",
    "LogisticRegression",
    "NormalDistribution",
    "RTBArguments",
    "RTBEnv",
    "make_rtb_env",
]
