"""AutoBidding: many bidders pace their budgets against one another in auctions of several slots."""

from rtb_envs.envs.auto_bidding.config import AUCTIONNET_KEYS, OBSERVATION_KEYS, UNITS, Config
from rtb_envs.envs.auto_bidding.environment import AutoBidding
from rtb_envs.envs.auto_bidding.making import PRESETS, make_auto_bidding, make_auto_bidding_seat, scripted_rivals
from rtb_envs.envs.auto_bidding.noise import Drawn, Opportunities, Recorded, Tick
from rtb_envs.envs.auto_bidding.options import BUDGETS, TARGETS, Options
from rtb_envs.envs.auto_bidding.params import BidderParams, Params, ValueLaw
from rtb_envs.envs.auto_bidding.state import History, State, TickMeans

__all__ = [
    "AUCTIONNET_KEYS",
    "BUDGETS",
    "OBSERVATION_KEYS",
    "PRESETS",
    "TARGETS",
    "UNITS",
    "AutoBidding",
    "BidderParams",
    "Config",
    "Drawn",
    "History",
    "Opportunities",
    "Options",
    "Params",
    "Recorded",
    "State",
    "Tick",
    "TickMeans",
    "ValueLaw",
    "make_auto_bidding",
    "make_auto_bidding_seat",
    "scripted_rivals",
]
