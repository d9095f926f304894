"""Logged data: whole episodes and single auctions as arrays, polars frames, Parquet files and Minari datasets."""

from rtb_envs.logs.auction_log import AuctionLog
from rtb_envs.logs.episode_log import EpisodeLog
from rtb_envs.logs.minari_datasets import read_minari

__all__ = ["AuctionLog", "EpisodeLog", "read_minari"]
