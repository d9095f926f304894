"""One opportunity of Retargeting in plain Python, written from its specification and independent of the package."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal

CTR_STAGE = (0.8, 1.2, 1.5, 0.9, 1.1, 1.3)
CVR_STAGE = (1, 1, 2.0, 1, 1, 1.5)
REVENUE_STAGE = (1, 1, 1, 1, 1.5, 2)
ORGANIC = (0.002, 0.004, 0.010, 0.004, 0.006, 0.002)


def half_up(value: Decimal) -> int:
    """To whole units, halves up."""
    return int(value.quantize(Decimal(1), ROUND_HALF_UP))


def auction(actions, stage, remaining):
    """Winner (None without one), price, surcharge, and who takes part, in money units."""
    bids, rates, part = [], [], []
    for (bid, target, intensity), left in zip(actions, remaining, strict=True):
        factor = 1.2 if math.floor(target + 0.5) == stage else 0.5
        units = round(min(max(bid * factor, 0.01), 20) * 10_000)
        rate = Decimal(round(0.015 * (intensity - 1) ** 2 * 10_000)) / 10_000
        bids.append(units)
        rates.append(rate)
        part.append(units >= 500 and units + half_up(units * rate) <= left and left >= 600)
    entrants = [i for i in range(len(bids)) if part[i]]
    if not entrants:
        return None, 0, 0, part
    winner = max(entrants, key=lambda i: (bids[i], -i))
    second = max([bids[i] for i in entrants if i != winner], default=0)
    price = min(max(500, second) + 100, bids[winner])
    return winner, price, half_up(price * rates[winner]), part


def respond(customer, agent, intensity, hours, ctr, drift, draw):
    """The customer after an opportunity that ``agent`` won (None: nobody), and what happened; ``draw`` by name."""
    c = {name: list(value) if isinstance(value, list) else value for name, value in customer.items()}
    stage = c["stage"]
    click = conversion = False
    if agent is not None:
        n = 1 + c["pressure"][agent] * 2 ** (-(hours - c["last_exposure"][agent]) / 48)
        logit = math.log(ctr / (1 - ctr)) + 0.2 * draw["ctr_noise"]
        rate = 1 / (1 + math.exp(-logit)) * drift * CTR_STAGE[stage]
        rate *= (0.7 + 0.3 * math.exp(-0.62 * (n - 1))) * (1 + 0.05 * intensity)
        click = draw["click"] < min(rate, 0.95)
        conversion = click and draw["conversion"] < min(1, c["conversion_probability"] * CVR_STAGE[stage])
        c["pressure"][agent], c["last_exposure"][agent] = n, hours
        if click:
            c["touch_agent"], c["touch_hours"] = [agent], [hours]
    exposed = any(hours - at <= 168 for at in c["last_exposure"])
    organic = not conversion and draw["organic"] < ORGANIC[stage] * (1.1 if exposed else 1)
    revenue = 0.0
    if conversion or organic:
        mean = 50 * REVENUE_STAGE[stage]
        revenue = round(math.exp(math.log(mean) - 0.125 + 0.5 * draw["revenue"]), 2)
    credited = None
    if (conversion or organic) and c["touch_agent"][0] >= 0 and hours - c["touch_hours"][0] <= 720:
        credited = c["touch_agent"][0]
    first = revenue > 0 and c["purchases"] == 0
    idle = hours - c["last_activity"]
    c["visits"] += 1
    c["last_activity"] = hours
    if revenue:
        c["purchases"] += 1
        c["total_spent"] += revenue
        c["cart_value"] = 0.0
        c["lifetime_value"] = 0.9 * c["lifetime_value"] + 0.1 * 12 * 0.3 * revenue
    elif click and draw["cart"] < 0.25:
        c["cart_value"] += 10 + 140 * draw["cart_value"]
    rules = ((idle > 720, 5), (c["purchases"] > 2, 4), (c["purchases"] > 0, 3), (c["cart_value"] > 0, 2))
    c["stage"] = next((name for holds, name in (*rules, (c["visits"] > 3, 1)) if holds), 0)
    happened = {"click": click, "conversion": conversion, "organic": organic, "revenue": revenue}
    return c, {**happened, "credited": credited, "first": first}
