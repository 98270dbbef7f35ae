"""Smooth, anti-aliased contours of masks on a grey slice."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageFilter

Colour = tuple[int, int, int]

LINE_WIDTH, FILL = 1.7, 0.04  # of a contour, pixels; opacity inside it
SMOOTHING = 0.6  # of contours, voxels: below 0.74 a layer one voxel thin keeps its contour


def outlined(
    grey: np.ndarray, contours: Iterable[tuple[np.ndarray, Colour]], size: tuple[int, int], fill: float = FILL
) -> Image.Image:
    """Draw a slice with contours, the later ones on top.

    Args:
        grey: the slice (J, I), uint8.
        contours: masks (J, I), bool, and the colour of each; an empty mask has no contour.
        size: width and height of the picture in pixels.
        fill: opacity of the colour inside a contour, 0..1.

    Returns:
        The picture, RGB.
    """
    tile = Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC)
    pixels = np.repeat(np.asarray(tile, np.float32)[..., None], 3, axis=2)
    for mask, colour in contours:
        if mask.any():
            depth = _depth(mask, size)
            line = np.clip(LINE_WIDTH / 2 + 0.5 - np.abs(depth - LINE_WIDTH / 2), 0, 1)
            opacity = np.maximum(line, fill * (depth > 0))[..., None]
            pixels += opacity * (np.array(colour, np.float32) - pixels)
    return Image.fromarray(pixels.astype(np.uint8))


def bright(colour: Colour) -> Colour:
    """The same hue at full brightness and more saturated, to stand out on grey."""
    low, high = min(colour), max(colour)
    red, green, blue = (round(90 + 165 * (channel - low) / (high - low)) for channel in colour)
    return red, green, blue


def _depth(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """How deep each pixel of the picture lies inside a mask, in pixels, near its border; negative outside.

    To first order this is the smoothed mask's height above one half over its slope, so a line of constant width along
    it is smooth and anti-aliased without tracing any contour.
    """
    pixels_per_voxel = min(size[0] / mask.shape[1], size[1] / mask.shape[0])
    soft = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.NEAREST)
    soft = soft.filter(ImageFilter.GaussianBlur(SMOOTHING * pixels_per_voxel))
    height = np.asarray(soft, np.float32) / 255 - 0.5
    slope = np.hypot(*np.gradient(height))
    return height / np.maximum(slope, 1e-3)
