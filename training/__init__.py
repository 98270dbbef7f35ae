"""Data sets, training and evaluation of the network; not shipped with the extension."""
