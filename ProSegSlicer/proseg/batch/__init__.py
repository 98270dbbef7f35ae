"""Many cases into one folder: which, in what order, by whom, and what of them is done."""
