"""Any functional core with an agent axis as a Ray RLlib ``MultiAgentEnv`` (new API stack); needs the extra ``[rllib]``.

RLlib's own ``ParallelPettingZooEnv`` does not serve markets in which agents leave: an episode in whose last step some
agents are terminated and others truncated never ends there, and what is truncated is learned from as if terminated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from ray.rllib.env.multi_agent_env import MultiAgentEnv

from rtb_envs import validation
from rtb_envs.action_scale import ActionScale, check_bounds, logarithmic
from rtb_envs.adapters.actions import ActionCheck
from rtb_envs.adapters.driver import MAX_SEED
from rtb_envs.adapters.pettingzoo import PettingZooEnv

Observations = dict[str, npt.NDArray[Any]]
Infos = dict[str, dict[str, Any]]
Flags = dict[str, bool]


class RLlibEnv(MultiAgentEnv):
    """A market of many agents as RLlib's runners step it: ``config.environment(RLlibEnv, env_config={"core": id})``.

    ``config`` is the ``env_config``: "core", an id or a functional core, and the other arguments of ``PettingZooEnv``.

    - Observations are the market's. Actions too, but entries that the market's ``action_scale`` spreads evenly in the
      logarithm are given as natural logarithms, in a Box of their logarithms' bounds: RLlib spreads actions evenly.
    - An agent that is terminated is so in its last step. When the episode ends, "__all__" of the truncated tells of
      those that are left and would have gone on, and their own flags stay False: RLlib takes an episode in which every
      agent has a flag of its own for terminated, and would bootstrap no value.
    - Infos are those of agents in their last step; every step's would be sent to the learner.
    - ``reset(seed=s)`` begins episode 0 of lane key(s) in RLlib's local process. Runner w > 0 begins that of a seed
      drawn from (s, w), because RLlib gives environment i of runner w the seed s + w + i, which others have too.

    Raises ValueError or TypeError for a wrong ``config``.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        if not isinstance(config, Mapping) or "core" not in config:
            raise validation.wrong_type("env_config", 'a mapping with the entry "core", an id or a core', config)
        self._market = PettingZooEnv(**config)
        self._runner = int(getattr(config, "worker_index", 0) or 0)
        self.metadata = dict(self._market.metadata)
        self.render_mode = self._market.render_mode
        self.possible_agents = list(self._market.possible_agents)
        # Not those that are left: RLlib's checks look agents up here after the step in which they left.
        self.agents = self.possible_agents
        self.observation_spaces = dict(self._market.observation_spaces)
        self.action_spaces = dict(self._market.action_spaces)
        self._log_actions = {}
        for name, space in self._market.action_spaces.items():
            if isinstance(space, spaces.Box) and logarithmic(self._market.core.action_scale, space.shape).any():
                self._log_actions[name] = _LogActions(space, self._market.core.action_scale, f"action of {name!r}")
                self.action_spaces[name] = self._log_actions[name].space

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observations, Infos]:
        """Every agent's first observation, and empty infos; ``options`` are ignored."""
        if seed is not None:
            seed = validation.integer("seed", seed, 0, MAX_SEED)
            if self._runner:
                seed = int(np.random.SeedSequence((seed, self._runner)).generate_state(1)[0])
        return self._market.reset(seed=seed)

    def step(self, action_dict: Mapping[str, Any]) -> tuple[Observations, dict[str, float], Flags, Flags, Infos]:
        """Observations, rewards, terminated, truncated and infos of the agents that were alive; ``action_dict`` has an
        action of each."""
        actions = dict(action_dict)
        for name in actions.keys() & self._log_actions.keys():
            actions[name] = self._log_actions[name].in_market(actions[name])
        observations, rewards, terminated, truncated, infos = self._market.step(actions)
        left = {name: info for name, info in infos.items() if terminated[name] or truncated[name]}
        if self._market.agents:
            return observations, rewards, terminated | {"__all__": False}, truncated | {"__all__": False}, left
        cut_off = any(truncated.values())
        own = dict.fromkeys(truncated, False)
        return observations, rewards, terminated | {"__all__": not cut_off}, own | {"__all__": cut_off}, left

    def render(self) -> Any:
        """What ``PettingZooEnv.render`` gives."""
        return self._market.render()

    def close(self) -> None:
        """Nothing is held open."""


class _LogActions:
    """A Box in which entries that ``scale`` spreads in the logarithm are logarithms, and the way back from it."""

    def __init__(self, space: spaces.Box, scale: ActionScale, name: str) -> None:
        check_bounds(name, space, scale)
        self._market, self._log = space, logarithmic(scale, space.shape)
        low, high = (np.log(bound, out=bound.copy(), where=self._log) for bound in (space.low, space.high))
        self.space = spaces.Box(low, high, space.shape, np.float32)
        self._check = ActionCheck(self.space, name=name)

    def in_market(self, action: Any) -> npt.NDArray[Any]:
        """The market's action; TypeError or ValueError for one outside ``space``."""
        checked = self._check(action)
        # The exponential of a bound's logarithm may be rounded beyond the bound.
        market: npt.NDArray[Any] = np.exp(checked, out=checked.copy(), where=self._log)
        np.clip(market, self._market.low, self._market.high, out=market)
        return market
