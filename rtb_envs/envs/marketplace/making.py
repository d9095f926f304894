"""Building a Marketplace from options: the entry point of the registry."""

from __future__ import annotations

from typing import Any

from rtb_envs.envs.marketplace.environment import Marketplace
from rtb_envs.envs.marketplace.options import Options, option_names


def make_marketplace(**options: Any) -> Marketplace:
    """A Marketplace in which every buyer is an agent, with ``options`` (see ``Options``).

    Raises TypeError for an unknown option, ValueError or TypeError for a wrong one, each naming it.
    """
    unknown = sorted(set(options) - set(option_names()))
    if unknown:
        raise TypeError(f"unknown option {unknown[0]!r}; Marketplace takes {', '.join(option_names())}")
    chosen = Options(**options)
    return Marketplace(chosen.config(), chosen.params())
