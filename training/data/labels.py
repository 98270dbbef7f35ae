"""Label values that only training knows."""

GLAND_UNKNOWN_ZONE = 3  # inside the gland, zone not annotated
