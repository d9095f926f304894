"""Environments behind the interfaces of other libraries; generic over every functional core."""
