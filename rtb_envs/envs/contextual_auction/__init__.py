"""ContextualAuction: bidders with ads to choose from meet users in single-slot auctions; AuctionGym's world."""

from rtb_envs.envs.contextual_auction.allocators import BayesianLogistic, Oracle, Posterior
from rtb_envs.envs.contextual_auction.bidders import EmpiricallyShaded, FixedShading, Truthful
from rtb_envs.envs.contextual_auction.catalogue import Catalogue, sample_catalogue
from rtb_envs.envs.contextual_auction.config import Config
from rtb_envs.envs.contextual_auction.environment import OBSERVATION_KEYS, ContextualAuction
from rtb_envs.envs.contextual_auction.experiment import Experiment
from rtb_envs.envs.contextual_auction.learning import Allocator, Bidder, Log, Memory, Shading
from rtb_envs.envs.contextual_auction.making import make_contextual_auction, make_contextual_auction_seat
from rtb_envs.envs.contextual_auction.metrics import Totals
from rtb_envs.envs.contextual_auction.offers import Offers
from rtb_envs.envs.contextual_auction.options import Options
from rtb_envs.envs.contextual_auction.policy_learning import DoublyRobust, PolicyLearning
from rtb_envs.envs.contextual_auction.rivals import ShadingRule
from rtb_envs.envs.contextual_auction.rounds import Rounds, draw_rounds
from rtb_envs.envs.contextual_auction.settlement import Results, settle
from rtb_envs.envs.contextual_auction.simulation import Advertisers, simulate
from rtb_envs.envs.contextual_auction.state import Outcome, Params, State
from rtb_envs.envs.contextual_auction.value_learning import ValueLearning

__all__ = [
    "OBSERVATION_KEYS",
    "Advertisers",
    "Allocator",
    "BayesianLogistic",
    "Bidder",
    "Catalogue",
    "Config",
    "ContextualAuction",
    "DoublyRobust",
    "EmpiricallyShaded",
    "Experiment",
    "FixedShading",
    "Log",
    "Memory",
    "Offers",
    "Options",
    "Oracle",
    "Outcome",
    "Params",
    "PolicyLearning",
    "Posterior",
    "Results",
    "Rounds",
    "Shading",
    "ShadingRule",
    "State",
    "Totals",
    "Truthful",
    "ValueLearning",
    "draw_rounds",
    "make_contextual_auction",
    "make_contextual_auction_seat",
    "sample_catalogue",
    "settle",
    "simulate",
]
