"""Trained policies on disk: one file that needs no environment, no learner and no checkpoint to be used.

``policy.npz`` is a NumPy archive: every array of the policy under its path in the pytree, and ``spec``, the JSON of
what fixes its shapes. Its checksums tell a damaged file from a whole one.
"""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from agents.distributions import Actions, BoxActions, DiscreteActions
from agents.memory import Memory
from agents.network_policy import NetworkPolicy, PolicySpec
from rtb_envs import compile, validation
from rtb_envs.action_scale import ActionScale
from rtb_envs.files import whole_or_nothing

FILE_NAME = "policy.npz"
AGENTS_FOLDER = "agents"
"""Where the run of a team keeps its policies, a folder for each agent."""
FORMAT = 1
_SPEC, _CHOICES = "spec", "choices"


class SavedPolicy:
    """A trained policy that acts on NumPy observations, one environment's or a batch of them.

    It remembers the episode it is in: call ``reset`` when one ends.
    """

    def __init__(self, policy: NetworkPolicy, choices: Any = None) -> None:
        self.policy = policy
        """The same as a policy for ``rtb_envs.rollout``."""
        self.choices = choices
        """What each index of a discrete network stands for in a market whose actions are no indices; else None."""
        self._act = compile.jit(jax.vmap(lambda policy, *carry: policy.act(None, *carry), (None, 0, 0)))
        self._memory: Memory | None = None

    def reset(self, over: Any = None) -> None:
        """Forget the episode in progress; of a batch, only those marked in ``over`` (booleans [batch])."""
        if over is None or self._memory is None:
            self._memory = None
            return
        mask = np.atleast_1d(np.asarray(over))
        if mask.dtype != bool or mask.shape != self._memory.seen.shape:
            raise ValueError(f"over must be booleans of shape {self._memory.seen.shape}, got {over!r}")
        keep = jax.numpy.asarray(~mask)
        self._memory = jax.tree.map(lambda x: x * keep.reshape(-1, *(1,) * (x.ndim - 1)), self._memory)

    def act(self, observation: Any) -> Any:
        """The action for an observation in the environment's action space, or a batch of actions for a batch of them.

        A batch leads with one more axis. A single discrete action is an int, everything else an array. Raises
        ValueError, and remembers nothing, for another shape, a value that is not finite, or a batch of another size
        than the one in progress.
        """
        shape = self.policy.spec.observation_shape
        try:
            given = np.asarray(observation, np.float32)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"observation must be numbers, got {validation.shown(observation)}") from None
        if given.shape[given.ndim - len(shape) :] != shape or given.ndim - len(shape) not in (0, 1):
            sizes = ", ".join(map(str, shape))
            raise ValueError(f"observation must have shape {shape} or (batch, {sizes}), got shape {given.shape}")
        if not np.isfinite(given).all():
            raise ValueError(f"observation must be finite, got {validation.shown(observation)}")
        is_single = given.shape == shape
        batch = given[None] if is_single else given
        action, self._memory = self._act(self.policy, self._memory_of(len(batch)), batch)
        if self.choices is not None:
            action = self.choices[np.asarray(action)]
            return np.array(action[0] if is_single else action)
        if not is_single:
            return np.array(action)
        return int(action[0]) if isinstance(self.policy.spec.actions, DiscreteActions) else np.array(action[0])

    def _memory_of(self, size: int) -> Memory:
        """The memory of the batch in progress, or of one that begins."""
        if self._memory is None:
            blank = self.policy.init(None)
            return jax.tree.map(lambda x: jax.numpy.zeros((size, *x.shape), x.dtype), blank)
        if len(self._memory.seen) != size:
            before = len(self._memory.seen)
            raise ValueError(f"observation must be of {before} environments, as before, got {size}: call reset() first")
        return self._memory


def save(policy: NetworkPolicy, run_dir: str | os.PathLike[str], choices: Any = None) -> Path:
    """Write ``policy`` into the folder ``run_dir``, whole or not at all; returns the file's path.

    ``choices`` [count, ...] are the actions that the indices of a discrete policy stand for, where they do.
    """
    path = Path(run_dir) / FILE_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: np.asarray(leaf) for name, leaf in _named_leaves(policy)}
    if choices is not None:
        arrays[_CHOICES] = np.asarray(choices)
    spec = json.dumps({"format": FORMAT, **asdict(policy.spec)})
    with whole_or_nothing(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, allow_pickle=False, **{_SPEC: np.array(spec)}, **arrays)
    return path


def load(run_dir: str | os.PathLike[str], agent: str | None = None) -> SavedPolicy:
    """The policy that was saved into ``run_dir``, a run's folder or the file itself; of a team's run, ``agent``'s.

    Raises FileNotFoundError where there is none and ValueError for an agent that the team has not or a file that is
    damaged or of another kind.
    """
    path, seats = Path(run_dir), Path(run_dir, AGENTS_FOLDER)
    if seats.is_dir():
        names = sorted(folder.name for folder in seats.iterdir())
        if agent is None or agent not in names:
            raise ValueError(f"agent must be one of {', '.join(names)} for the run of a team, {path}; got {agent!r}")
        path = seats / agent
    elif agent is not None:
        raise FileNotFoundError(f"agent must be left out but for the run of a team, got {agent!r}: there is no {seats}")
    if path.is_dir():
        path = path / FILE_NAME
    if not path.is_file():
        raise FileNotFoundError(f"run_dir must hold a saved policy, but there is no file {path}")
    try:
        return SavedPolicy(*_read(path))
    except (ValueError, KeyError, TypeError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} must be a saved policy, but it is damaged or of another kind: {error}") from error


def _read(path: Path) -> tuple[NetworkPolicy, Any]:
    with np.load(path, allow_pickle=False) as archive:
        arrays: dict[str, NDArray[Any]] = {name: archive[name] for name in archive.files}
    choices = arrays.pop(_CHOICES, None)
    spec = _spec(json.loads(str(arrays.pop(_SPEC))))
    empty = NetworkPolicy.empty(spec)
    expected = dict(_named_leaves(empty))
    found = {name: (array.shape, array.dtype) for name, array in arrays.items()}
    if found != {name: (leaf.shape, leaf.dtype) for name, leaf in expected.items()}:
        raise ValueError(f"its arrays do not fit its spec: {found}")
    leaves = [jax.numpy.asarray(arrays[name]) for name in expected]
    return jax.tree.unflatten(jax.tree.structure(empty), leaves), choices


def _spec(fields: dict[str, Any]) -> PolicySpec:
    version = fields.pop("format")
    if version != FORMAT:
        raise ValueError(f"its format is {version}, and this version reads {FORMAT}")
    return PolicySpec(
        observation_shape=tuple(fields["observation_shape"]),
        actions=_actions(fields["actions"]),
        hidden_sizes=tuple(fields["hidden_sizes"]),
        activation=fields["activation"],
        memory_decays=tuple(fields["memory_decays"]),
    )


def _actions(fields: dict[str, Any]) -> Actions:
    if fields["kind"] == "discrete":
        return DiscreteActions(fields["count"], fields["start"], tuple(fields["factors"]))
    low, high, shape = (tuple(fields[name]) for name in ("low", "high", "shape"))
    scale: ActionScale = tuple(fields["scale"]) if isinstance(fields["scale"], list) else fields["scale"]
    return BoxActions(low, high, shape, scale)


def _named_leaves(policy: Any) -> list[tuple[str, Any]]:
    leaves = jax.tree_util.tree_flatten_with_path(policy)[0]
    return [(jax.tree_util.keystr(path, simple=True, separator="/"), leaf) for path, leaf in leaves]
