"""ContextualAuction: bidders with ads to choose from meet users in single-slot auctions; AuctionGym's world."""
