"""Beside others: the same volume through this program and its peers, in turn, in one run."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.peers import bundle, nnunet, taps
from benchmarks.processes import RunError, call
from benchmarks.speed.plan import Plan
from benchmarks.speed.volumes import USUAL, name
from benchmarks.speed.warm import one
from benchmarks.tables import megabytes, seconds, table, times

TITLE = "Beside others"
TAPS, BUNDLE, NNUNET = "lavlab-taps", "MONAI bundle `prostate_mri_anatomy`", "like nnU-Net"
PEERS = {TAPS: taps, BUNDLE: bundle, NNUNET: nnunet}
MISSING = "the peers' environment is missing: python -m benchmarks.peers.environment"


def measure(plan: Plan) -> dict[str, Any]:
    """This program before, between and after its peers, so that a noisy minute meets them all; each peer once."""
    if not plan.peers.exists():
        return {"missing": MISSING}
    path, own, found = str(plan.volumes.path(USUAL)), [one(plan, USUAL)], {}
    for peer, module in PEERS.items():
        arguments = [path, str(plan.folder)] if module is taps else [path]
        try:
            found[peer] = call(f"{module.__name__}:measure", *arguments, python=plan.peers)
            plan.say(f"{peer}: {found[peer]['seconds']:.1f} s")
        except RunError as error:
            found[peer] = {"missing": str(error)}
        own.append(one(plan, USUAL))
    totals = [case["total"] for case in own]
    return {
        "own": {"seconds": statistics.median(totals), "all": totals, "peak_mb": max(case["peak_mb"] for case in own)},
        "peers": found,
        "repeats": plan.repeats,
    }


def ratio(found: dict[str, Any], peer: str) -> float | None:
    """How many times longer a peer takes; None where it was not measured."""
    taken = found.get("peers", {}).get(peer, {}).get("seconds")
    return taken / found["own"]["seconds"] if taken else None


def describe(found: dict[str, Any]) -> str:
    """The table and what the peers are."""
    if "missing" in found:
        return f"Not measured: {found['missing']}.\n"
    own = found["own"]
    rows = [["ProSegSlicer", "PZ, CG, volumes, flags", seconds(own["seconds"]), "1 ×", megabytes(own["peak_mb"])]]
    notes = []
    for peer, module in PEERS.items():
        case = found["peers"][peer]
        if "missing" in case:
            rows.append([peer, f"not measured: {case['missing']}", *["–"] * 3])
            continue
        passes = f"{module.WHAT} ({case['windows']} passes)"
        figures = [seconds(case["seconds"]), times(ratio(found, peer)), megabytes(case["peak_mb"])]
        rows.append([peer, passes, *figures])
        if case["note"]:
            notes.append(f"{peer} {case['version']}: {case['note']}.")
    spread = f"{seconds(min(own['all']))} to {seconds(max(own['all']))} s"
    return (
        f"{name(USUAL)}, warm, on the CPU, one after the other in one run. ProSegSlicer was measured before, between "
        f"and after the others ({spread}, each the median of {found['repeats']} runs), each peer once with its network "
        "loaded and run in. MONAI's bundle and the U-Net like nnU-Net's have untrained weights, which changes no "
        "speed; `benchmarks/peers` says which of their settings are published and which assumed.\n\n"
        + table(["Program", "What it does", "Seconds", "Times as long", "Peak memory (MB)"], rows, words=2)
        + "".join(f"\n{note}\n" for note in notes)
    )
