"""AdAuction: one advertiser paces a budget over an episode of auctions."""

from rtb_envs.envs.ad_auction.config import OBSERVATION_KEYS, Config
from rtb_envs.envs.ad_auction.curriculum import STAGES, curriculum_options
from rtb_envs.envs.ad_auction.economics import Expectation, expected_episode
from rtb_envs.envs.ad_auction.environment import AdAuction
from rtb_envs.envs.ad_auction.making import make_ad_auction
from rtb_envs.envs.ad_auction.noise import Auctions, Drawn, FirstObservation, Hidden, Recorded
from rtb_envs.envs.ad_auction.options import Options
from rtb_envs.envs.ad_auction.params import MarketShift, Params, derive
from rtb_envs.envs.ad_auction.presets import PRESETS, preset_options
from rtb_envs.envs.ad_auction.state import Hindsight, Offer, State

__all__ = [
    "OBSERVATION_KEYS",
    "PRESETS",
    "STAGES",
    "AdAuction",
    "Auctions",
    "Config",
    "Drawn",
    "Expectation",
    "FirstObservation",
    "Hidden",
    "Hindsight",
    "MarketShift",
    "Offer",
    "Options",
    "Params",
    "Recorded",
    "State",
    "curriculum_options",
    "derive",
    "expected_episode",
    "make_ad_auction",
    "preset_options",
]
