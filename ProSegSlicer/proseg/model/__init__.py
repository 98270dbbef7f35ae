"""The networks, their weights, and what they run on and look at."""
