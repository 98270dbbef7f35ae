"""How this project's own processes share the processor with whatever else runs."""

from __future__ import annotations

import os

_LOADED_IN = os.getpid()


def share_processor() -> None:
    """Let torch's threads sleep while they wait, instead of spinning; to be called before torch is loaded.

    Spinning threads take the processor from other programs, and where these want it too a run takes several times
    longer; on an idle machine there is no difference. Whoever has set the variable knows better.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def threads_of(count: int) -> dict[str, str]:
    """Environment variables that give a process this many threads, as torch, numpy and SimpleITK read them.

    Whoever has set one of them knows better: it stays as it is.
    """
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
    return {name: os.environ.get(name, str(count)) for name in names}


def is_forked() -> bool:
    """Whether this process is a fork of the one that loaded this module.

    Torch's threads do not live on in a fork, but their pool believes that they do: what is then given to it never comes
    back, while one thread alone computes.
    """
    return os.getpid() != _LOADED_IN
