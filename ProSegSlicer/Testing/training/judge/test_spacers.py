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


def test_the_page_counts_what_was_drawn_and_told() -> None:
    cases = [Judged(5.0, True, False, 6.0), Judged(3.0, False, False, 3.5), Judged(0.5, False, True, -0.5)]
    text = " ".join(page(cases, [Path("a.pt"), Path("b.pt")]).split())
    assert "in 2 cases more than 2 mL of it were drawn, 4.0 mL on the mean" in text
    assert "the gland grew by 3.0 mL on the mean of all cases, by 6.0 mL at most" in text
    assert "told of 1 of these (50%), and falsely of 1 of the 3 cases as they are (33%)" in text
    assert "3 cases that none of the 2 weights files has learned from" in text
