"""Marketplace behind PettingZoo, every buyer an agent: ``from rtb_envs import marketplace_v0``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rtb_envs.adapters.pettingzoo import PettingZooEnv, aec_env, raw_aec_env

if TYPE_CHECKING:
    from pettingzoo import AECEnv

ID = "marketplace_v0"


def parallel_env(**options: Any) -> PettingZooEnv:
    """All agents at once; ``options`` are those of ``PettingZooEnv`` and of ``Marketplace``."""
    return PettingZooEnv(ID, **options)


def env(**options: Any) -> AECEnv[str, Any, Any]:
    """One agent after another, with PettingZoo's wrapper that reports calls in a wrong order."""
    return aec_env(ID, **options)


def raw_env(**options: Any) -> AECEnv[str, Any, Any]:
    """``env`` without that wrapper."""
    return raw_aec_env(ID, **options)
