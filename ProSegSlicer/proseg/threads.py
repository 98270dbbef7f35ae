"""How this project's own processes share the processor with whatever else runs."""

from __future__ import annotations

import os


def share_processor() -> None:
    """Let torch's threads sleep while they wait, instead of spinning; to be called before torch is loaded.

    Spinning threads take the processor from other programs, and where these want it too a run takes far longer: beside
    two busy programs on two cores 5.5 s instead of 1.5. On an idle machine there is no difference. Whoever has set the
    variable knows better.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
