"""Names of everything that acts: rules, which are built, and learners, which are trained.

Both end as a policy (``rtb_envs.policies.policy.Policy``) for rollouts and evaluation.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Protocol

import jax.numpy as jnp
import numpy as np
from jax import Array

from agents.a2c_settings import A2CSettings
from agents.dqn import DQN
from agents.dqn_settings import DQNSettings
from agents.learner_settings import LearnerSettings
from agents.ppo import PPO
from agents.ppo_settings import PPOSettings
from rtb_envs import validation
from rtb_envs.adapters.actions import ActionCheck
from rtb_envs.core import Environment
from rtb_envs.policies.adaptive_linear import AdaptiveLinear
from rtb_envs.policies.adaptive_pacing import AdaptivePacing
from rtb_envs.policies.bid_shading import BidShading
from rtb_envs.policies.broi import BROI
from rtb_envs.policies.constant import Constant
from rtb_envs.policies.constant_bid import ConstantBid
from rtb_envs.policies.dual_mirror_descent import DualMirrorDescent
from rtb_envs.policies.dual_ogd import DualOGD
from rtb_envs.policies.linear import Linear
from rtb_envs.policies.mcpc import MaxCPC
from rtb_envs.policies.min_pacing import MinPacing
from rtb_envs.policies.multivariable_pid import MultivariablePID
from rtb_envs.policies.mystique import Mystique
from rtb_envs.policies.online_lp import OnlineLP
from rtb_envs.policies.ortb import ORTB
from rtb_envs.policies.pid import PID
from rtb_envs.policies.placement import FixedPlacement, ThresholdPlacement, UtilityPlacement
from rtb_envs.policies.policy import Policy
from rtb_envs.policies.random_bid import RandomBid
from rtb_envs.policies.rlb import RLB
from rtb_envs.policies.throttling import Throttling
from rtb_envs.policies.traffic_aware_pid import TrafficAwarePID
from rtb_envs.policies.truthful import Truthful
from rtb_envs.policies.uniform_random import UniformRandom


class Learner(Protocol):
    """What can be trained. A state is a frozen pytree that holds everything the next update depends on."""

    @property
    def settings(self) -> LearnerSettings:
        """Its hyper-parameters."""

    @property
    def steps_per_update(self) -> int:
        """Environment steps that one update takes, all lanes together."""

    def init(self, seed: int, params: Any) -> Any:
        """The state before the first update."""

    def restart(self, state: Any, params: Any) -> Any:
        """``state`` with a new episode begun in every lane."""

    def update(self, state: Any, params: Any) -> tuple[Any, dict[str, Array]]:
        """The state after one iteration in the market ``params``, and scalar metrics."""

    def policy(self, state: Any) -> Policy:
        """The policy to act by."""


def _constant(env: Environment[Any, Any, Any], params: Any = None, *, action: Any) -> Policy:
    """``action`` in every step; TypeError or ValueError if it is not in the environment's action space."""
    given = ActionCheck(env.action_space(env.default_params if params is None else params))(action)
    return Constant(jnp.asarray(given, jnp.int32 if np.issubdtype(given.dtype, np.integer) else float))


_RULES: dict[str, Callable[..., Policy]] = {
    "constant": _constant,
    "random": UniformRandom.for_env,
    "linear": Linear.for_env,
    "pid": PID.for_env,
    "ta_pid": TrafficAwarePID.for_env,
    "m_pid": MultivariablePID.for_env,
    "alm": AdaptiveLinear.for_env,
    "mystique": Mystique.for_env,
    "adaptive_pacing": AdaptivePacing.for_env,
    "dual_mirror_descent": DualMirrorDescent.for_env,
    "online_lp": OnlineLP.for_env,
    "min_pacing": MinPacing.for_env,
    "broi": BROI.for_env,
    # These act by bid curves.
    "constant_bid": ConstantBid.for_env,
    "random_bid": RandomBid.for_env,
    "truthful": Truthful.for_env,
    "mcpc": MaxCPC.for_env,
    "ortb1": partial(ORTB.for_env, win_model="reciprocal"),
    "ortb2": partial(ORTB.for_env, win_model="quadratic"),
    "rlb": RLB.for_env,
    "bid_shading": BidShading.for_env,
    "dual_ogd": DualOGD.for_env,
    "throttling": Throttling.for_env,
    # These open ad slots.
    "fixed": FixedPlacement.for_env,
    "threshold": ThresholdPlacement.for_env,
    "utility": UtilityPlacement.for_env,
}


@dataclass(frozen=True)
class _Algorithm:
    learner: Callable[[Environment[Any, Any, Any], Any], Learner]
    settings: type[Any]


_LEARNERS = {
    "a2c": _Algorithm(PPO, A2CSettings),
    "dqn": _Algorithm(DQN, DQNSettings),
    "ppo": _Algorithm(PPO, PPOSettings),
}
# Asynchronous actors bring nothing to a compiled batch of environments.
_SYNONYMS = {"a3c": "a2c"}


def rules() -> list[str]:
    """The names that ``make_rule`` takes, sorted."""
    return sorted(_RULES)


def learners() -> list[str]:
    """The names that ``make_learner`` takes, sorted."""
    return sorted(_LEARNERS)


def canonical(name: str) -> str:
    """The name of a learner that ``name`` is a synonym of, or ``name``."""
    return _SYNONYMS.get(name, name)


def make_rule(name: str, env: Environment[Any, Any, Any], params: Any = None, **options: Any) -> Policy:
    """The rule ``name`` for an environment; ``options`` are those of the rule's own constructor.

    Raises ValueError for an unknown name or for an environment that the rule can not act in, TypeError for an option
    that the rule does not have or one that it needs and for what is no environment, and what the rule raises for wrong
    values.
    """
    rule = _RULES[validation.choice("name", name, rules())]
    if not isinstance(env, Environment):
        raise validation.wrong_type("env", "an environment of one agent, as rtb_envs.make returns", env)
    required, optional = _options_of(rule)
    if unknown := sorted(set(options) - {*required, *optional}):
        known = ", ".join((*required, *optional)) or "no options"
        raise TypeError(f"unknown option {unknown[0]!r}; the rule {name!r} takes {known}")
    if missing := [option for option in required if option not in options]:
        raise TypeError(f"the rule {name!r} needs the option {missing[0]!r}")
    return rule(env, params, **options)


def _options_of(rule: Callable[..., Policy]) -> tuple[list[str], list[str]]:
    """The names of the options that a rule needs, and of those that it takes besides."""
    settled = rule.keywords if isinstance(rule, partial) else {}
    options = [
        parameter
        for parameter in inspect.signature(rule).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.name not in settled
    ]
    required = [option.name for option in options if option.default is option.empty]
    return required, [option.name for option in options if option.name not in required]


def make_learner(name: str, env: Environment[Any, Any, Any], **hyperparameters: Any) -> Learner:
    """The learner ``name`` for an environment; ``hyperparameters`` are those fields of its settings that differ.

    "a3c" is taken for "a2c", its synchronous form. Lists are taken for tuples, as configuration files have no tuples.
    Raises ValueError for an unknown name or field, and ValueError or TypeError for a wrong value.
    """
    chosen = learner_settings(name, **hyperparameters)
    return _LEARNERS[canonical(name)].learner(env, chosen)


def learner_settings(name: str, **hyperparameters: Any) -> Any:
    """The settings of the learner ``name``; takes and raises what ``make_learner`` does."""
    name = canonical(name)
    algorithm = _LEARNERS[validation.choice("name", name, learners())]
    known = [field.name for field in fields(algorithm.settings)]
    for field in hyperparameters:
        if field not in known:
            raise ValueError(f"hyperparameters of {name} must be among {', '.join(known)}; got {field!r}")
    values = {field: tuple(value) if isinstance(value, list) else value for field, value in hyperparameters.items()}
    return algorithm.settings(**values)
