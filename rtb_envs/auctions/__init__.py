"""Auction mechanisms, market-price laws, budget rules and the hindsight optimum: arrays in, arrays out."""
