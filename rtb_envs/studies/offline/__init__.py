"""The offline study: does auction- and user-aware simulation change the decision that Thompson Sampling makes?"""
