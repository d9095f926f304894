"""Marketplace: buyers and sellers trade impression packages through an exchange, directly, or over a ledger."""

from rtb_envs.envs.marketplace.config import CHANNELS, SCENARIO_NAMES, SCENARIOS, Config
from rtb_envs.envs.marketplace.environment import Marketplace
from rtb_envs.envs.marketplace.making import make_marketplace
from rtb_envs.envs.marketplace.options import Options
from rtb_envs.envs.marketplace.packages import Packages
from rtb_envs.envs.marketplace.params import Params
from rtb_envs.envs.marketplace.simulation import Days, History, compiled_days, compiled_history
from rtb_envs.envs.marketplace.state import Accounts
from rtb_envs.envs.marketplace.trade import Trades

__all__ = [
    "CHANNELS",
    "SCENARIOS",
    "SCENARIO_NAMES",
    "Accounts",
    "Config",
    "Days",
    "History",
    "Marketplace",
    "Options",
    "Packages",
    "Params",
    "Trades",
    "compiled_days",
    "compiled_history",
    "make_marketplace",
]
