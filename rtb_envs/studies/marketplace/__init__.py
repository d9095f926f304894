"""The marketplace study: exchange, direct trade and ledger over thirty days, recorded in a tamper-evident store."""
