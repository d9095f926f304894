"""RTBGym's recorded figures, and the AdAuction market with RTBGym's own parameters."""

import json
from pathlib import Path

import jax.numpy as jnp

from rtb_envs.auctions.market_prices import GammaPrice
from rtb_envs.envs.ad_auction import AdAuction, Options
from rtb_envs.envs.ad_auction.instance import Instance

DATA = Path(__file__).resolve().parents[1] / "data"


def load(name):
    """The contents of a recorded file."""
    return json.loads((DATA / name).read_text(encoding="utf-8"))


def instance_of(recorded):
    """The instance whose parameters RTBGym reported."""

    def array(name):
        return jnp.asarray(recorded[name], float)

    return Instance(
        array("ad_feature_vector"),
        array("user_feature_vector"),
        GammaPrice(array("winning_price_k"), array("winning_price_theta")),
        array("ctr_coef"),
        array("ctr_time_coef"),
        array("cvr_coef"),
        array("cvr_time_coef"),
    )


def market_of(recorded, **options):
    """RTBGym's market of the recorded parameters, with any multiplier allowed."""
    ads, users = recorded["ad_feature_vector"], recorded["user_feature_vector"]
    options = Options(
        horizon=len(recorded["ctr_time_coef"]),
        n_ads=len(ads),
        n_users=len(users),
        ad_feature_dim=len(ads[0]),
        user_feature_dim=len(users[0]),
        scaler=recorded["scaler"],
        multiplier_low=0.0,
        multiplier_high=100.0,
        compat="rtbgym",
        **options,
    )
    return AdAuction(options.config(), options.params_of(instance_of(recorded)))
