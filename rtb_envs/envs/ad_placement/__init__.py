"""AdPlacement: a publisher decides how many ad slots to open on each page view."""

from rtb_envs.envs.ad_placement.auction import REASONS, Candidates, Sale, candidates, sell
from rtb_envs.envs.ad_placement.catalogue import (
    CLASSIC_ADVERTISERS,
    CLASSIC_SLOT_TYPES,
    REAL_ADVERTISERS,
    REAL_SLOT_TYPES,
    Advertiser,
    SlotType,
)
from rtb_envs.envs.ad_placement.config import OBSERVATION_KEYS, Config
from rtb_envs.envs.ad_placement.curriculum import curriculum_options
from rtb_envs.envs.ad_placement.environment import AdPlacement
from rtb_envs.envs.ad_placement.event import Event, play_event, terms
from rtb_envs.envs.ad_placement.making import make_ad_placement
from rtb_envs.envs.ad_placement.noise import Drawn, Recorded, Response, Visit
from rtb_envs.envs.ad_placement.options import Options
from rtb_envs.envs.ad_placement.params import Params, derive
from rtb_envs.envs.ad_placement.state import State

__all__ = [
    "CLASSIC_ADVERTISERS",
    "CLASSIC_SLOT_TYPES",
    "OBSERVATION_KEYS",
    "REAL_ADVERTISERS",
    "REAL_SLOT_TYPES",
    "REASONS",
    "AdPlacement",
    "Advertiser",
    "Candidates",
    "Config",
    "Drawn",
    "Event",
    "Options",
    "Params",
    "Recorded",
    "Response",
    "Sale",
    "SlotType",
    "State",
    "Visit",
    "candidates",
    "curriculum_options",
    "derive",
    "make_ad_placement",
    "play_event",
    "sell",
    "terms",
]
