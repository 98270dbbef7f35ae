"""The painted spacer lies behind the gland, and the page counts what the flag told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from training.judge.spacers import Judged, page, painted


def test_a_spacer_lies_behind_the_gland_and_is_bright(phantom) -> None:
    image = sitk.Cast(phantom.image, sitk.sitkFloat32)
    gland = sitk.GetArrayFromImage(phantom.zones) > 0
    made, gel = painted(image, gland)
    before, after = sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(made)
    assert gel.any()
    assert not (gel & gland).any()
    for k in np.flatnonzero(gel.any(axis=(1, 2))):
        for i in np.flatnonzero(gel[k].any(axis=0)):
            assert np.flatnonzero(gel[k, :, i]).min() > np.flatnonzero(gland[k, :, i]).max()
    assert np.median(after[gel]) > 0.8 * np.percentile(before, 99)
    assert (made.GetOrigin(), made.GetDirection()) == (image.GetOrigin(), image.GetDirection())


def test_the_page_counts_what_was_left_out_drawn_and_told() -> None:
    out, asked, none = frozenset({"spacer_left_out"}), frozenset({"spacer_drawn"}), frozenset()
    cases = [Judged(0.5, out, none, -1.5), Judged(3.0, asked, none, 3.5), Judged(4.0, none, asked, 4.0)]
    text = " ".join(page(cases, [Path("a.pt"), Path("b.pt")]).split())
    assert "In 1 of 3 cases (33%) it was told from the peripheral zone, left out" in text
    assert "More than 2 mL of it stayed within the contours in 2, in 1 of them without a flag" in text
    assert (
        "grew by 2.0 mL on the mean of all cases (3.0 mL without sign; from -1.5 to 4.0; by more than 2 mL in 2)"
        in text
    )
    assert (
        "nothing was left out in 3, and the flag *spacer_drawn*, which leaves the contours alone, was raised in 1"
        in text
    )
    assert "3 cases that none of the 2 weights files has learned from" in text
