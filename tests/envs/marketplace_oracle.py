"""The marketplace written again in plain Python, one package after another, from the packages' draws."""

import numpy as np


def amount(price_mills, impressions):
    """Cents: whole mills of the thousands and of the rest, each rounded down, as money is defined."""
    thousands, rest = divmod(impressions, 1000)
    return (price_mills * thousands + price_mills * rest // 1000) // 10


def share(value, ten_thousandths):
    return value // 10_000 * ten_thousandths + value % 10_000 * ten_thousandths // 10_000


def play(scenario, channel, budget, packages, counts, kept, options):
    """Trades of a run: a list of days of lists of dictionaries.

    ``packages`` has [days, packages] arrays by name, ``kept`` the number of facts [days, buyers] known on each day.
    """
    remaining = [int(x) for x in budget]
    turn = [0, 0, 0, 0]
    per_buyer = len(budget) // options.buyers
    fee = round(options.fee() * 10_000)
    on_top = scenario == "a" and options.fee_mode == "markup"
    days = []
    for day, count in enumerate(counts):
        trades = []
        for i in range(count):
            draw = {name: column[day, i].tolist() for name, column in packages.items()}
            offers = {}
            for c in range(len(budget)):
                bid, floor = draw["bid_cpm"][c], draw["floor_cpm"]
                charge = lambda total: total + (share(total, fee) if on_top else 0)  # noqa: E731
                if channel[c] != draw["channel"] or charge(amount(floor, draw["impressions"])) > remaining[c]:
                    continue
                if bid < floor and scenario == "a":
                    continue
                offer = bid if bid >= floor else draw["counter_cpm"]
                fits = charge(amount(offer, draw["impressions"])) <= remaining[c]
                tree = fits and offer <= share(draw["target_cpm"], 11_000)
                escalated = not tree and remaining[c] < int(budget[c]) // 10
                rules = escalated and fits and offer <= share(draw["target_cpm"], 11_500)
                if tree or rules:
                    offers[c] = offer
            trades.append(_settled(scenario, draw, offers, remaining, turn, kept[day], per_buyer, fee, on_top, options))
        days.append(trades)
    return days


def _settled(scenario, draw, offers, remaining, turn, kept, per_buyer, fee, on_top, options):
    if not offers:
        return {"status": 1, "campaign": -1, "charge": 0, "payout": 0, "fee": 0, "delivered": 0}
    if scenario == "a":
        winner = max(offers, key=lambda c: (offers[c], -c))
        others = [bid for c, bid in offers.items() if c != winner]
        price = max([draw["floor_cpm"], *others])
    else:
        winner = min(offers, key=lambda c: (c - turn[draw["channel"]]) % len(remaining))
        price = offers[winner]
    turn[draw["channel"]] = winner + 1
    facts = int(kept[winner // per_buyer])
    false = draw["claim_uniform"] < np.float32(options.false_claim_rate * (2 - facts / 12))
    stands = false and draw["claim_error"] > 100
    stands = stands and scenario != "c" and not (scenario == "a" and draw["corrected_uniform"] < options.corrected_rate)
    total = amount(price, draw["impressions"])
    if stands and draw["fails_uniform"] < 0.5:
        return {"status": 3, "campaign": winner, "charge": 0, "payout": 0, "fee": 0, "delivered": 0}
    if stands:
        assert not on_top
        total = min(total + share(total, draw["overpay"]), remaining[winner])
    rate = {"a": fee, "b": 0, "c": round(options.platform_fee * 10_000)}[scenario]
    kept_back = share(total, rate)
    charge = total + (kept_back if on_top else 0)
    remaining[winner] -= charge
    delivered = draw["impressions"]
    payout = total - (0 if on_top else kept_back)
    return {
        "status": 2,
        "campaign": winner,
        "charge": charge,
        "payout": payout,
        "fee": kept_back,
        "delivered": delivered,
    }
