"""What a market of bidders with budgets achieves together: liquid welfare, the most that any could have, and envy.

For one market at a time, in NumPy on the host: yardsticks of outcomes, not parts of a compiled step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rtb_envs import validation


def liquid_welfare(value: ArrayLike, budget: ArrayLike) -> NDArray[np.float64]:
    """Sum over bidders of min(budget, value): what they could pay for what they got (Dobzinski & Paes Leme, 2014).

    ``value`` [..., bidders] is each bidder's total over its auctions, in the money unit of ``budget`` [..., bidders];
    an infinite budget is none. The result is [...]. Raises ValueError for numbers below 0 and for NaN.
    """
    worth = validation.array("value", value, None, 0)
    limit = validation.array("budget", budget, None, 0, infinite=True)
    total: NDArray[np.float64] = np.minimum(worth, limit).sum(axis=-1)
    return total


def envy(value: ArrayLike, share: ArrayLike, payment: ArrayLike, budget: ArrayLike = np.inf) -> NDArray[np.float64]:
    """The most that each bidder [bidders] would gain by another's auctions at what that one pays; 0 for no envy.

    ``value`` and ``share`` [bidders, auctions] are what an auction is worth to each bidder and how much of it each has,
    ``payment`` and ``budget`` [bidders] in the same money. Only what the own budget can pay for is envied. The
    notion is Foley's (Resource Allocation and the Public Sector, 1967).
    """
    worth, held = np.asarray(value, np.float64), np.asarray(share, np.float64)
    paid = np.asarray(payment, np.float64)
    surplus = worth @ held.T - paid  # of each bidder with what each other one has
    affordable = paid <= np.asarray(budget, np.float64)[..., None]
    gain: NDArray[np.float64] = np.where(affordable, surplus - np.diag(surplus)[:, None], 0.0)
    largest: NDArray[np.float64] = gain.max(axis=1)
    return largest


def largest_liquid_welfare(value: ArrayLike, budget: ArrayLike, exposure: ArrayLike = (1.0,)) -> float:
    """The largest liquid welfare of any allocation of divisible slots, by a linear program (HiGHS).

    ``value`` [bidders, auctions] (finite, >= 0) is what an exposed impression is worth to each bidder, ``budget``
    [bidders] (>= 0, infinite for none) in the same money. A bidder holds at most one slot of an auction; slot s brings
    ``exposure[s]`` (in [0, 1]) times the value. No mechanism that keeps budgets and charges nobody more than its value
    can earn more. Raises ValueError for other shapes or numbers.
    """
    worth = np.asarray(value, np.float64)
    if worth.ndim != 2 or 0 in worth.shape:
        raise validation.wrong_value("value", "an array [bidders, auctions]", worth.shape)
    bidders, auctions = worth.shape
    worth = validation.array("value", worth, [(bidders, auctions)], 0)
    limit = np.asarray(budget, np.float64)
    if limit.shape != (bidders,) or not (limit >= 0).all():
        raise validation.wrong_value("budget", f"{bidders} numbers >= 0", budget)
    curve = validation.array("exposure", exposure, [(max(np.size(exposure), 1),)], 0, 1)
    return _solve(worth, limit, curve)


def _solve(value: NDArray[np.float64], budget: NDArray[np.float64], exposure: NDArray[np.float64]) -> float:
    """max sum(u): u_i <= budget_i, u_i <= the value of what i holds, each slot held once, one slot to a bidder."""
    from scipy import sparse
    from scipy.optimize import linprog

    (bidders, auctions), slots = value.shape, exposure.size
    brought = sparse.block_diag([np.outer(row, exposure).reshape(1, -1) for row in value])
    once = sparse.hstack([sparse.eye(auctions * slots)] * bidders)
    one_slot = sparse.kron(sparse.eye(bidders * auctions), np.ones((1, slots)))
    counted = sparse.vstack([sparse.eye(bidders), sparse.csr_matrix((auctions * (slots + bidders), bidders))])
    limits = np.append(np.zeros(bidders), np.ones(auctions * (slots + bidders)))
    held = bidders * auctions * slots
    solved = linprog(
        np.append(-np.ones(bidders), np.zeros(held)),
        A_ub=sparse.hstack([counted, sparse.vstack([-brought, once, one_slot])]).tocsr(),
        b_ub=limits,
        bounds=np.stack([np.zeros(bidders + held), np.append(budget, np.full(held, np.inf))], axis=1),
    )
    return float(-solved.fun)
