"""``python -m proseg.worker``: answer requests until the input ends."""

from proseg.worker.server import main

if __name__ == "__main__":
    main()
