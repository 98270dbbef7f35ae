"""Other programs that outline the prostate on T2W MRI, to be timed beside this one; run in a Python of their own."""
