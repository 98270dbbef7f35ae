"""Cases to learn from: found, read, brought to the network's grid, dealt into folds and augmented."""
