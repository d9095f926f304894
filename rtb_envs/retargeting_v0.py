"""Retargeting behind PettingZoo, every advertiser an agent: ``from rtb_envs import retargeting_v0``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rtb_envs.adapters.pettingzoo import PettingZooEnv, aec_env, raw_aec_env

if TYPE_CHECKING:
    from pettingzoo import AECEnv

ID = "retargeting_v0"


def parallel_env(**options: Any) -> PettingZooEnv:
    """All advertisers at once; ``options`` are those of ``PettingZooEnv`` and of ``Retargeting``."""
    return PettingZooEnv(ID, **options)


def env(**options: Any) -> AECEnv[str, Any, Any]:
    """One advertiser after another, with PettingZoo's wrapper that reports calls in a wrong order."""
    return aec_env(ID, **options)


def raw_env(**options: Any) -> AECEnv[str, Any, Any]:
    """``env`` without that wrapper."""
    return raw_aec_env(ID, **options)
