"""Marketplace: buyers and sellers trade impression packages through an exchange, directly, or over a ledger."""
