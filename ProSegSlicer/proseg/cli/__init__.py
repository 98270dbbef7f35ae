"""The command line: `proseg segment`, `batch`, `info` and `demo`."""
