"""Which code made a figure: a hash of the sources that decide it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import jax

ROOT = Path(__file__).resolve().parents[2]
# What is imported to play, to train and to judge. Tables and pictures are drawn anew each time.
SOURCES = (
    "agents",
    "rtb_envs/auctions",
    "rtb_envs/users",
    "rtb_envs/policies",
    "rtb_envs/envs/ad_auction",
    "rtb_envs/envs/auto_bidding",
    "rtb_envs/envs/multiplier_adjustment.py",
    "rtb_envs/core.py",
    "rtb_envs/random.py",
    "rtb_envs/metrics.py",
    "rtb_envs/multi_agent.py",
    "rtb_envs/seat.py",
    "training/rule_grids.py",
    "training/updates.py",
    *(f"benchmarks/pacing/{name}.py" for name in ("budgets", "cells", "learning", "markets", "methods", "playing")),
)


def of_code(root: Path = ROOT) -> str:
    """A hash of every source that decides the benchmark's figures, and of JAX's version."""
    parts = [jax.__version__]
    for source in SOURCES:
        path = root / source
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        for file in files:
            parts += [file.relative_to(root).as_posix(), file.read_text(encoding="utf-8")]
    return short_hash(*parts)


def short_hash(*parts: str) -> str:
    """Twelve hexadecimal digits of SHA-256 over ``parts``, whose limits count."""
    digest = hashlib.sha256()
    for part in parts:
        text = part.encode()
        digest.update(len(text).to_bytes(8, "big") + text)
    return digest.hexdigest()[:12]
