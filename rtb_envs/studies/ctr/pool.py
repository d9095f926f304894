"""The pool of contexts that environments sample from: impressions of a log with their predicted click rates."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np

from rtb_envs.files import write_atomically
from rtb_envs.studies.ctr.avazu import LogError
from rtb_envs.studies.ctr.conversion import hashes
from rtb_envs.studies.ctr.model import Floats, load, read_log
from rtb_envs.users.context_pool import ContextPool

CONTEXTS = 16_384


def make_pool(
    log_path: Path, model_folder: Path, target: Path, contexts: int = CONTEXTS, non_clicks_kept: float = 1.0
) -> float:
    """Write a pool of ``contexts`` impressions of a log (Parquet), and return its mean click rate.

    They are those with the smallest hashes of their ``id``, hence a sample of all days. ``non_clicks_kept`` is the
    share of the non-clicks that the log kept when it was sampled; below 1, predictions are brought back to the click
    rate of the market (see ``recalibrate``). Raises LogError when the log has too few rows or cannot be read.
    """
    if contexts < 1:
        raise LogError(f"contexts: got {contexts}, must be at least 1")
    if not 0 < non_clicks_kept <= 1:
        raise LogError(f"non_clicks_kept: got {non_clicks_kept}, must lie in (0, 1]")
    model = load(model_folder)
    log = read_log(log_path, needs_clicks=False)
    if log.height < contexts:
        raise LogError(f"{log_path} has {log.height} rows, fewer than the {contexts} contexts asked for")
    sample = log[np.sort(np.argsort(hashes(log["id"].to_numpy()), kind="stable")[:contexts])]
    ctr = recalibrate(model.predict(sample), non_clicks_kept).astype(np.float32)
    arrays = {field.name: sample[field.name].to_numpy() for field in fields(ContextPool) if field.name != "ctr"}
    target.parent.mkdir(parents=True, exist_ok=True)
    with_name = target if target.suffix == ".npz" else target.with_name(target.name + ".npz")
    write_atomically(with_name, lambda path: np.savez_compressed(path, allow_pickle=False, ctr=ctr, **arrays))
    return float(ctr.mean(dtype=np.float64))


def recalibrate(probability: Floats, non_clicks_kept: float) -> Floats:
    """Click probabilities of a market from those of a log that kept a share w of the non-clicks: p / (p + (1 − p)/w)
    (He et al., *Practical Lessons from Predicting Clicks on Ads at Facebook*, ADKDD 2014, section 6.3)."""
    return probability / (probability + (1 - probability) / non_clicks_kept)
