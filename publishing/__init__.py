"""From this repository to one that Slicer's Extensions Index takes: a copy with a fresh history, and the rules."""
