"""Training: losses, schedules, runs, and the weights files made of them."""
