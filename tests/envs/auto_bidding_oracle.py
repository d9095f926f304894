"""One tick of AutoBidding in plain Python, one opportunity after another: the rules as documented."""

import math

import numpy as np

UNITS = 10_000


def play_tick(value, response, multiplier, factor, budget, exposure, reserve):
    """Totals of a tick in which nobody has left yet; money in whole units.

    ``value`` [agents, opportunities], ``response`` [slots, opportunities]; the others by agent or slot. Bids are
    computed in float32, as the market does, and everything else exactly.
    """
    agents, opportunities = value.shape
    left, playing = [int(b) for b in budget], [True] * agents
    totals = {name: [0] * agents for name in ("bid_count", "win", "impression", "conversion", "cost")}
    revenue, least_winning_cost = 0, 0
    bids = np.asarray(np.float32(multiplier)[:, None] * np.float32(value) * np.float32(UNITS), np.float32)
    for j in range(opportunities):
        for i in range(agents):
            if playing[i] and math.floor(bids[i, j]) > left[i]:
                playing[i] = False
        taking_part = [i for i in range(agents) if playing[i] and bids[i, j] > 0 and bids[i, j] >= reserve]
        for i in range(agents):
            totals["bid_count"][i] += playing[i]
        ranking = sorted(taking_part, key=lambda i: (-bids[i, j], i))
        slots = len(exposure)
        before = True
        for slot, i in enumerate(ranking[:slots]):
            next_bid = float(bids[ranking[slot + 1], j]) if slot + 1 < len(ranking) else reserve
            price = math.floor(max(next_bid, reserve))
            assert reserve <= price <= bids[i, j]
            totals["win"][i] += 1
            rate = float(value[i, j]) * factor[i]
            shown = before and response[slot, j] < exposure[slot]
            if shown:
                totals["impression"][i] += 1
                totals["cost"][i] += price
                left[i] -= price
                revenue += price
            if before and response[slot, j] < exposure[slot] * rate:
                totals["conversion"][i] += 1
            before = shown
        last = float(bids[ranking[slots], j]) if len(ranking) > slots else reserve
        least_winning_cost += math.floor(max(last, reserve)) if len(ranking) >= slots else reserve
    return totals, revenue, least_winning_cost, playing, left
