"""Thousands of damaged files and hundreds of faults, none of which may cost a result, hang or leave anything behind."""
