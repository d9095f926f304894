"""Retargeting: advertisers compete, impression by impression, for customers on a six-stage journey."""

from rtb_envs.envs.retargeting.accounting import Reward
from rtb_envs.envs.retargeting.config import CENTS, OBSERVATION_KEYS, POLICY_KEYS, UNITS, Config
from rtb_envs.envs.retargeting.curriculum import curriculum_options
from rtb_envs.envs.retargeting.customers import Customer, read
from rtb_envs.envs.retargeting.discrete import DiscreteSeat
from rtb_envs.envs.retargeting.environment import Retargeting
from rtb_envs.envs.retargeting.making import (
    RIVAL_STRATEGIES,
    SEAT_STRATEGIES,
    make_retargeting,
    make_retargeting_seat,
    scripted_rivals,
    scripted_seats,
)
from rtb_envs.envs.retargeting.noise import Arrivals, Drawn, Population, Recorded, Responses
from rtb_envs.envs.retargeting.options import Options
from rtb_envs.envs.retargeting.params import AdvertiserParams, Params, ResponseParams
from rtb_envs.envs.retargeting.state import AgentTotals, MarketTotals, State

__all__ = [
    "CENTS",
    "OBSERVATION_KEYS",
    "POLICY_KEYS",
    "RIVAL_STRATEGIES",
    "SEAT_STRATEGIES",
    "UNITS",
    "AdvertiserParams",
    "AgentTotals",
    "Arrivals",
    "Config",
    "Customer",
    "DiscreteSeat",
    "Drawn",
    "MarketTotals",
    "Options",
    "Params",
    "Population",
    "Recorded",
    "ResponseParams",
    "Responses",
    "Retargeting",
    "Reward",
    "State",
    "curriculum_options",
    "make_retargeting",
    "make_retargeting_seat",
    "read",
    "scripted_rivals",
    "scripted_seats",
]
