"""Who takes an offer: a decision tree first, then rules or a given answer for what the tree passes on."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Int

from rtb_envs.envs.marketplace.money import share_of

TREE_CEILING = 11_000
"""The tree accepts up to 1.1 times the target."""
RULE_CEILING = 11_500
"""The rules deal within 15 % of the target."""
ESCALATION_SHARE = 10
"""The tree passes on what it does not accept once less than a tenth of the budget is left."""
NO_ANSWER, REJECT, ACCEPT = -1, 0, 1


class Decisions(NamedTuple):
    """What campaigns decide about an offer; arrays [campaigns]."""

    accepted: Bool[Array, "campaigns"]
    escalated: Bool[Array, "campaigns"]
    """The tree passed the decision on."""
    open: Bool[Array, "campaigns"]
    """Passed on and within the budget: what an answer can change."""
    refused: Bool[Array, "campaigns"]
    """A given answer accepted what the budget does not cover, so it does not count."""


def decide(
    offered_cpm: Int[Array, "campaigns"],
    cost: Int[Array, "campaigns"],
    remaining: Int[Array, "campaigns"],
    budget: Int[Array, "campaigns"],
    target_cpm: Int[Array, ""],
    answers: Int[Array, "campaigns"],
) -> Decisions:
    """Accept iff offered <= 1.1 target and spent + cost <= budget; else escalate iff remaining / total < 0.1.

    ``answers`` hold what somebody else decided of escalated offers, ``NO_ANSWER`` where the rules decide: they accept
    iff the offer is within 15 % of the target. No answer can overspend a budget.
    """
    affordable = cost <= remaining
    by_tree = affordable & (offered_cpm <= share_of(target_cpm, jnp.int32(TREE_CEILING)))
    escalated = ~by_tree & (remaining < budget // ESCALATION_SHARE)
    by_rules = offered_cpm <= share_of(target_cpm, jnp.int32(RULE_CEILING))
    wanted = jnp.where(answers == NO_ANSWER, by_rules, answers == ACCEPT)
    accepted = by_tree | (escalated & wanted & affordable)
    return Decisions(accepted, escalated, escalated & affordable, escalated & (answers == ACCEPT) & ~affordable)
