"""ContextualAuction auction by auction in NumPy and exact rational money: what the compiled one is held to."""

from fractions import Fraction

import numpy as np

MICROS = 1_000_000


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def best_ads(context, embedding, value, belief=None):
    """For each bidder: its ad, the ad's value, estimated and true CTR, and the best expected value of its ads."""
    truth = sigmoid(embedding @ context)
    estimate = truth
    if belief is not None:
        observed = np.append(context[: belief.shape[-1] - 1], 1)
        estimate = sigmoid(belief @ observed)
    ad = np.argmax(estimate * value, axis=-1)
    row = np.arange(len(ad))
    return ad, value[row, ad], estimate[row, ad], truth[row, ad], (truth * value).max(-1)


def auction(bids, pricing):
    """Winner, price and second highest bid among positive ``bids`` in micros; None if there is no winner."""
    ranked = sorted((-bid, bidder) for bidder, bid in enumerate(bids) if bid > 0)
    if not ranked:
        return None
    first, second = -ranked[0][0], -ranked[1][0] if len(ranked) > 1 else 0
    return ranked[0][1], first if pricing == "first_price" else second, second


def round_metrics(bids, takes_part, value, estimated_ctr, ctr, best, uniform, pricing):
    """A dictionary of each bidder's amounts of one round; ``bids`` are whole micros, other money is in currency."""
    bidders = len(bids)
    outcome = auction([bid if takes_part[i] else 0 for i, bid in enumerate(bids)], pricing)
    zero = [Fraction(0)] * bidders
    names = [
        "welfare",
        "spend",
        "surplus",
        "allocation_regret",
        "estimation_regret",
        "overbid_regret",
        "underbid_regret",
    ]
    amounts = {name: list(zero) for name in names}
    winner, price, second = outcome if outcome else (-1, 0, 0)
    for i in range(bidders):
        if not takes_part[i]:
            continue
        true_value = Fraction(float(ctr[i])) * Fraction(float(value[i])) * MICROS
        amounts["allocation_regret"][i] = Fraction(float(best[i])) * MICROS - true_value
        amounts["estimation_regret"][i] = (Fraction(float(estimated_ctr[i])) * Fraction(float(value[i]))) * MICROS
        amounts["estimation_regret"][i] -= true_value
        if i == winner:
            amounts["welfare"][i] = round(float(value[i]) * MICROS) * int(uniform < ctr[i])
            amounts["spend"][i] = price
            amounts["surplus"][i] = amounts["welfare"][i] - price
            amounts["overbid_regret"][i] = price - second
        elif price < round(true_value):
            amounts["underbid_regret"][i] = price - bids[i]
    return winner, price, {name: [float(amount) for amount in row] for name, row in amounts.items()}
