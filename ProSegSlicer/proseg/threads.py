"""How this project's own processes share the processor with whatever else runs."""

from __future__ import annotations

import os


def share_processor() -> None:
    """Let torch's threads sleep while they wait, instead of spinning; to be called before torch is loaded.

    Spinning threads take the processor from other programs, and where these want it too a run takes several times
    longer; on an idle machine there is no difference. Whoever has set the variable knows better.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
