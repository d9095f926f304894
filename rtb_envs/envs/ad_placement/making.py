"""Building an AdPlacement from options: the entry point of the registry."""

from __future__ import annotations

from typing import Any

from rtb_envs.envs.ad_placement.environment import AdPlacement
from rtb_envs.envs.ad_placement.options import Options, option_names


def make_ad_placement(**options: Any) -> AdPlacement:
    """An AdPlacement with ``options``, see ``Options``.

    Raises TypeError for an unknown option, ValueError or TypeError for a wrong one, each naming it.
    """
    if unknown := sorted(set(options) - set(option_names())):
        raise TypeError(f"unknown option {unknown[0]!r}; AdPlacement takes {', '.join(option_names())}")
    chosen = Options(**options)
    return AdPlacement(chosen.config(), chosen.params(), chosen.names())
