"""Any functional core with an agent axis as a PettingZoo environment: all agents at once, or one after another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from gymnasium import logger, spaces
from gymnasium.error import ResetNeeded
from gymnasium.vector.utils import batch_differing_spaces
from pettingzoo import AECEnv, ParallelEnv
from pettingzoo.utils.conversions import parallel_to_aec_wrapper
from pettingzoo.utils.wrappers import OrderEnforcingWrapper

from rtb_envs import validation
from rtb_envs.adapters.actions import ActionCheck
from rtb_envs.adapters.driver import MAX_SEED, Driver
from rtb_envs.adapters.gymnasium import NEEDS_RESET, drawn_seed, renderer_of
from rtb_envs.multi_agent import MultiAgentEnvironment, make_multi_agent
from rtb_envs.render import Recorder

ZooRenderMode = Literal["human", "rgb_array", "ansi"]


class PettingZooEnv(ParallelEnv[str, npt.NDArray[Any], Any]):  # type: ignore[misc]
    """One functional core as a ``pettingzoo.ParallelEnv``: a step takes and returns dictionaries by agent.

    ``core`` is an id with its ``options``, or a core itself; ``params`` replaces its default parameters; ``max_cycles``
    truncates longer episodes for every agent that is left.

    Observations are rows of a fresh NumPy array, rewards, flags and scalars of info are Python numbers. An agent's info
    holds its own entries and the market's. ``state()`` is what all agents observe, in their order.
    ``reset(seed=s)`` begins episode 0 of lane key(s), ``reset()`` goes on to that lane's next episode; without any seed
    so far one is drawn from the operating system. ``options`` of ``reset`` are ignored, as PettingZoo's tests expect.
    """

    def __init__(
        self,
        core: str | MultiAgentEnvironment[Any, Any, Any],
        *,
        params: Any = None,
        render_mode: ZooRenderMode | None = None,
        max_cycles: int | None = None,
        **options: Any,
    ) -> None:
        if max_cycles is not None:
            max_cycles = validation.integer("max_cycles", max_cycles, 1, 2**31 - 1)
        self.core = _core(core, options)
        self.params = self.core.default_params if params is None else params
        render_modes = list(get_args(ZooRenderMode)) if self.core.render_panels else []
        validation.choice("render_mode", render_mode, (None, *render_modes))
        self.metadata = {"name": self.core.id, "render_modes": render_modes, "render_fps": 4, "is_parallelizable": True}
        self.render_mode = render_mode
        self.possible_agents = list(self.core.agents)
        self.agents: list[str] = []
        self.observation_spaces = {name: self.core.observation_space(self.params, name) for name in self.core.agents}
        self.action_spaces = {name: self.core.action_space(self.params, name) for name in self.core.agents}
        every_row: spaces.Space[Any] = batch_differing_spaces(list(self.observation_spaces.values()))
        self.state_space = spaces.flatten_space(every_row)
        actions = self.action_spaces.items()
        self._checks = {agent: ActionCheck(space, name=f"action of {agent!r}") for agent, space in actions}
        self._driver = Driver(self.core, self.params, None, max_episode_steps=max_cycles)
        renderer = renderer_of(self.core, self.params, "ansi" if render_mode == "human" else render_mode, max_cycles)
        self._recorder = None if renderer is None else Recorder(renderer)
        self._observation: npt.NDArray[Any] | None = None

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """What ``agent`` sees; the same object in every call."""
        return self.observation_spaces[validation.choice("agent", agent, self.possible_agents)]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """What ``agent`` may do; the same object in every call."""
        return self.action_spaces[validation.choice("agent", agent, self.possible_agents)]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, npt.NDArray[Any]], dict[str, dict[str, Any]]]:
        """Every agent's first observation of an episode, and empty infos.

        Raises TypeError or ValueError for a ``seed`` outside [0, 2**32 - 1].
        """
        if seed is not None:
            seed = validation.integer("seed", seed, 0, MAX_SEED)
        if seed is None and self._driver.started:
            self._observation = self._driver.restart()
        else:
            first = drawn_seed(np.random.default_rng(), 1) if seed is None else seed
            self._observation = self._driver.start(np.array([first], np.uint32))
        self.agents = list(self.possible_agents)
        if self._recorder is not None:
            self._recorder.clear()
        return self._rows(self.agents), {agent: {} for agent in self.agents}

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[
        dict[str, npt.NDArray[Any]],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Observations, rewards, terminations, truncations and infos of the agents that were alive.

        ``actions`` holds one for each of ``agents``, which loses those that leave. Raises TypeError or ValueError for
        an action that is missing, too much, or outside its agent's space, ``gymnasium.error.ResetNeeded`` before the
        first reset and after an episode's end; then nothing has changed.
        """
        if not self._driver.started:
            raise ResetNeeded(NEEDS_RESET)
        if not self.agents:
            raise ResetNeeded("the episode is over: call env.reset() before the next env.step()")
        step = self._driver.step(self._joint(actions))
        alive, left = self.agents, step.terminated | step.truncated
        self._observation = step.observation
        self.agents = [agent for agent in alive if not left[self.core.index(agent)]]
        if self._recorder is not None:
            self._recorder.record(step.info)
        reward, terminated, truncated = (
            dict(zip(self.possible_agents, part.tolist(), strict=True))
            for part in (step.reward, step.terminated, step.truncated)
        )
        return (
            self._rows(alive),
            {agent: reward[agent] for agent in alive},
            {agent: terminated[agent] for agent in alive},
            {agent: truncated[agent] for agent in alive},
            self._infos(step.info, alive),
        )

    def checked_action(self, agent: str, action: Any) -> npt.NDArray[Any]:
        """``action`` as compiled code takes it; TypeError or ValueError, naming ``agent``, outside its space."""
        return self._checks[agent](action)

    def state(self) -> npt.NDArray[Any]:
        """The observations of all agents, also of those that have left, one after another in one axis."""
        if self._observation is None:
            raise ResetNeeded(NEEDS_RESET)
        return self._observation.flatten()

    def render(self) -> Any:
        """The episode so far: uint8[height, width, 3] for "rgb_array", a str for "ansi"; "human" prints that text."""
        if self._recorder is None:
            logger.warn("render() shows nothing without a render_mode; give one when the environment is made")
            return None
        if not self._driver.started:
            raise ResetNeeded(NEEDS_RESET)
        frame = self._recorder.frame()
        if self.render_mode != "human":
            return frame
        print(frame)
        return None

    def close(self) -> None:
        """Nothing is held open."""

    def _rows(self, agents: list[str]) -> dict[str, npt.NDArray[Any]]:
        assert self._observation is not None
        return {agent: self._observation[self.core.index(agent)] for agent in agents}

    def _joint(self, actions: Mapping[str, Any]) -> npt.NDArray[Any]:
        """The actions as compiled code takes them [agents, ...]; zeros, which it ignores, for those that have left."""
        if not isinstance(actions, Mapping):
            raise validation.wrong_type("actions", "a dictionary from agents to their actions", actions)
        if set(actions) != set(self.agents):
            odd = sorted(set(actions) ^ set(self.agents), key=str)[0]
            fault = "lack that of" if odd in self.agents else "hold one of"
            raise ValueError(f"actions must hold one for each living agent and for no other, but they {fault} {odd!r}")
        checked = {agent: self.checked_action(agent, actions[agent]) for agent in self.agents}
        one = checked[self.agents[0]]
        joint = np.zeros((len(self.possible_agents), *one.shape), one.dtype)
        for agent, action in checked.items():
            joint[self.core.index(agent)] = action
        return joint

    def _infos(self, info: dict[str, Any], agents: list[str]) -> dict[str, dict[str, Any]]:
        market = {name: value for name, value in info.items() if name in self.core.market_info}
        own = {name: value.tolist() if value.ndim == 1 else value for name, value in info.items() if name not in market}
        infos = {}
        for agent in agents:
            i = self.core.index(agent)
            infos[agent] = {**{name: value[i] for name, value in own.items()}, **market}
        return infos


class _InTurn(parallel_to_aec_wrapper):  # type: ignore[misc]
    """PettingZoo's converter, with every action checked in its own step: it looks at none before the last agent's."""

    agent_selection: str

    def step(self, action: Any) -> None:
        """The next agent's action. TypeError or ValueError for one that it may not take; then it can act again."""
        agent, begins = self.agent_selection, self._agent_selector.is_first()
        if self.terminations[agent] or self.truncations[agent]:
            if action is not None:
                raise validation.wrong_value(f"action of {agent!r}, which has left,", "None", action)
            super().step(None)
            return
        try:
            # A copy: the caller may use one array for the agents that follow.
            action = self.env.checked_action(agent, action).copy()
        except ValueError:
            # PettingZoo's api_test begins with zeros, also where they are out of range: the cycle's end refuses them.
            if not begins or np.any(action):
                raise
        try:
            super().step(action)
        except ValueError:
            self.agent_selection = self._agent_selector.reset()
            raise


def aec_env(core: str | MultiAgentEnvironment[Any, Any, Any], **options: Any) -> AECEnv[str, Any, Any]:
    """``PettingZooEnv`` by PettingZoo's converter: agents act one after another, and mistakes in order are reported."""
    return OrderEnforcingWrapper(raw_aec_env(core, **options))


def raw_aec_env(core: str | MultiAgentEnvironment[Any, Any, Any], **options: Any) -> AECEnv[str, Any, Any]:
    """``aec_env`` without the wrapper that reports calls in a wrong order."""
    return _InTurn(PettingZooEnv(core, **options))


def _core(
    core: str | MultiAgentEnvironment[Any, Any, Any], options: dict[str, Any]
) -> MultiAgentEnvironment[Any, Any, Any]:
    if isinstance(core, str):
        return make_multi_agent(core, **options)
    if not isinstance(core, MultiAgentEnvironment):
        raise validation.wrong_type("core", "the id of an environment of many agents or such a functional core", core)
    if options:
        raise TypeError(f"options must be left out where core is no id, got {', '.join(options)}")
    return core
