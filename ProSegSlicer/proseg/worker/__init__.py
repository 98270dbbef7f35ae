"""A process that segments for a program that must neither wait nor fall with it: both ends of the conversation."""
