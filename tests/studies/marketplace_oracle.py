"""The figures of a market once more, from the rows of an SQLite file alone: no line of the package takes part."""

import json
import sqlite3
from collections import Counter


def figures(path, run, scenario, seed):
    """By the names of the results, what the rows of a market come to."""
    columns = "number, day, hour, kind, buyer, seller, body"
    query = f"SELECT {columns} FROM entries WHERE run = ? AND scenario = ? AND seed = ? ORDER BY number"
    with sqlite3.connect(path) as connection:
        rows = connection.execute(query, (run, scenario, seed)).fetchall()
    entries = [(kind, json.loads(body)) for _, _, _, kind, _, _, body in rows]
    sizes = [size(row, scenario, seed) for row in rows]
    deals, settlements, deliveries = (
        [b for k, b in entries if k == kind] for kind in ("deal", "settlement", "delivery")
    )
    charge, payout = (sum(b[name] for b in settlements) for name in ("charge", "payout"))
    delivered = sum(b["impressions"] for b in deliveries)
    ledger = sum(1.5 * (0.001 + 1e-7 * n + 0.0005 + 1e-5 * n / 1024) for n in sizes) if scenario == "c" else 0.0
    goals, reached = {b["campaign"]: b["goal"] for k, b in entries if k == "campaign"}, Counter()
    for body in deliveries:
        reached[body["campaign"]] += body["impressions"]
    claims, severities = Counter(b["claim"] for b in deals), Counter(b["severity"] for b in deals)
    spend = charge / 100 + ledger
    return {
        "opportunities": sum(kind == "bid_request" for kind, _ in entries),
        "deals": len({b["package"] for b in deals}),
        "repeated_deals": len(deals) - len({b["package"] for b in deals}),
        "failed_deals": sum(b["impressions"] == 0 for b in deliveries),
        "buyer_charge_usd": charge / 100,
        "seller_payout_usd": payout / 100,
        "fees_usd": sum(b["fee"] for b in settlements) / 100,
        "fee_rate": (charge - payout) / charge,
        "overpaid_usd": sum(b["overpaid"] for b in settlements) / 100,
        "ledger_cost_usd": ledger,
        "buyer_spend_usd": spend,
        "delivered_impressions": delivered,
        "effective_cpm_usd": 1000 * spend / delivered,
        "goal_attainment": sum(min(1, reached[c] / goal) for c, goal in goals.items()) / len(goals),
        "rot_events": sum(b["facts_lost"] for k, b in entries if k == "context_rot"),
        "restarts": sum(b["restart"] for k, b in entries if k == "context_rot"),
        "claims": len(deals),
        "false_claims_standing": claims["stands"],
        "false_claims_corrected": claims["corrected"],
        "false_claims_stopped": claims["stopped"],
        "false_claims_minor": severities["minor"],
        "false_claims_moderate": severities["moderate"],
        "false_claims_severe": severities["severe"],
        "hallucination_rate": claims["stands"] / len(deals),
        "entries": len(rows),
        "entry_bytes": sum(sizes),
    }


def size(row, scenario, seed):
    """Bytes of an entry with its place, as JSON without spaces."""
    number, day, hour, kind, buyer, seller, body = row
    place = {"number": number, "day": day, "hour": hour, "kind": kind, "buyer": buyer, "seller": seller}
    return len(
        json.dumps({**place, "scenario": scenario, "seed": seed, "body": json.loads(body)}, separators=(",", ":"))
    )
