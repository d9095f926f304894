"""Click rates predicted from a log of impressions: Avazu's file → Parquet → LightGBM → pool of contexts."""
