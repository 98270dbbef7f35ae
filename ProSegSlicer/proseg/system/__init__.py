"""Files, folders, signals and threads: what any program needs of the operating system."""
