"""Logs as Minari datasets, the Farama Foundation's format for offline reinforcement learning (extra ``[offline]``).

A dataset lies in the folder MINARI_DATASETS_PATH, or ~/.minari/datasets. By Minari's convention an episode of T steps
has T + 1 rows in each entry of ``infos``, the first being the reset's: here zeros, as environments tell nothing then.
So ``infos["log_propensity"][1:]`` are the propensities of the episode's T actions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from rtb_envs import validation
from rtb_envs.files import whole_or_nothing
from rtb_envs.logs.episode_log import AnyArray, EpisodeLog

if TYPE_CHECKING:
    from pathlib import Path

LOG_PROPENSITY = "log_propensity"


def write_minari(log: EpisodeLog, dataset_id: str, description: str | None = None) -> Path:
    """Write ``log`` as the Minari dataset ``dataset_id``, of the form "(namespace/)name-v0"; returns its folder.

    ``recover_environment()`` of the dataset makes the environment again where the log tells its options and JSON can
    hold them; otherwise the dataset has its spaces only. Raises ValueError for an id of another form or one that is
    taken, ModuleNotFoundError where Minari is not installed.
    """
    import minari
    from minari.dataset.minari_dataset import parse_dataset_id
    from minari.dataset.minari_storage import MinariStorage
    from minari.namespace import create_namespace, list_local_namespaces
    from minari.storage.datasets_root_dir import get_dataset_path

    try:
        namespace = parse_dataset_id(dataset_id)[0]
    except (ValueError, TypeError):  # an id without version is Minari's own TypeError
        form = 'of the form "(namespace/)name-v0", a namespace of at least two characters'
        raise validation.wrong_value("dataset_id", form, dataset_id) from None
    folder: Path = get_dataset_path(dataset_id).absolute()  # Minari can not tell the size of a relative one
    if folder.exists():
        raise validation.wrong_value("dataset_id", f"new, but there is the folder {folder}", dataset_id)

    if namespace is not None and namespace not in list_local_namespaces():
        create_namespace(namespace)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with whole_or_nothing(folder) as unfinished:
        unfinished.mkdir()
        storage = MinariStorage.new(
            unfinished / "data",
            observation_space=log.observation_space,
            action_space=log.action_space,
            env_spec=_env_spec(log),
        )
        storage.update_metadata({"dataset_id": dataset_id, "minari_version": minari.__version__})
        if description is not None:
            storage.update_metadata({"description": description})
        storage.update_episodes(_episodes(log))
    return folder


def read_minari(dataset_id: str) -> EpisodeLog:
    """The log in the local Minari dataset ``dataset_id``; entries of info are those that every episode has by step.

    Raises FileNotFoundError where there is none, ModuleNotFoundError where Minari is not installed.
    """
    import minari

    dataset = minari.load_dataset(dataset_id)
    episodes = list(dataset.iterate_episodes())
    spec = dataset.spec.env_spec
    core, *_ = [*([] if spec is None else [spec.kwargs.get("core")]), None]

    def joined(name: str) -> AnyArray:
        return np.concatenate([getattr(episode, name) for episode in episodes])

    infos = [episode.infos or {} for episode in episodes]
    info = {name: np.concatenate([entry[name][1:] for entry in infos]) for name in infos[0]}
    return EpisodeLog(
        env_id=core if core is not None else dataset_id,
        options=None if core is None else {name: value for name, value in spec.kwargs.items() if name != "core"},
        observation_space=dataset.observation_space,
        action_space=dataset.action_space,
        seed=None,
        lengths=np.array([len(episode) for episode in episodes]),
        observation=np.concatenate([episode.observations[:-1] for episode in episodes]),
        final_observation=np.stack([episode.observations[-1] for episode in episodes]),
        action=joined("actions"),
        log_propensity=info.pop(LOG_PROPENSITY, None),
        reward=joined("rewards"),
        terminated=joined("terminations"),
        truncated=joined("truncations"),
        info=info,
    )


def _env_spec(log: EpisodeLog) -> Any:
    """How Gymnasium makes the log's environment; None where that can not be told in JSON."""
    import gymnasium

    from rtb_envs.registry import list_envs

    if log.options is None or log.env_id not in list_envs():
        return None
    spec = gymnasium.spec(log.env_id)
    spec.kwargs = {**spec.kwargs, **log.options}
    try:
        json.dumps(spec.kwargs)
    except TypeError:
        return None
    return spec


def _episodes(log: EpisodeLog) -> Iterator[Any]:
    """The episodes as Minari's buffers."""
    from minari.data_collector import EpisodeBuffer

    known = {} if log.log_propensity is None else {LOG_PROPENSITY: log.log_propensity}
    infos = {**log.info, **known}
    for episode, (first, length) in enumerate(zip(log.first_step, log.lengths, strict=True)):
        rows = slice(first, first + length)
        yield EpisodeBuffer(
            id=episode,
            observations=np.concatenate([log.observation[rows], log.final_observation[episode : episode + 1]]),
            actions=log.action[rows],
            rewards=log.reward[rows],
            terminations=log.terminated[rows],
            truncations=log.truncated[rows],
            infos={name: np.concatenate([np.zeros_like(value[:1]), value[rows]]) for name, value in infos.items()},
        )
