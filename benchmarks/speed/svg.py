"""The few shapes of SVG that the picture needs."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

INK, QUIET, GRID = "#1f2430", "#5b6270", "#dfe3ea"


class Svg:
    """A white sheet; lengths are pixels, y grows downwards.

    Args:
        width: of the sheet.
        height: of the sheet.
    """

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height, self._parts = width, height, []  # type: float, float, list[str]
        self.box(0, 0, width, height, "#ffffff")

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """A filled rectangle."""
        self._add("rect", x=x, y=y, width=max(0.0, width), height=height, fill=colour)

    def line(self, points: Sequence[tuple[float, float]], colour: str = GRID, width: float = 1.0) -> None:
        """A line through points."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._add("polyline", points=path, fill="none", stroke=colour, stroke_width=width)

    def dot(self, x: float, y: float, colour: str) -> None:
        """A small disc."""
        self._add("circle", cx=x, cy=y, r=3.5, fill=colour)

    def text(self, x: float, y: float, text: str, anchor: str = "start", size: float = 12, colour: str = INK) -> None:
        """Text whose baseline starts, has its middle, or ends at a point."""
        self._add("text", text, x=x, y=y, text_anchor=anchor, font_size=size, fill=colour)

    def title(self, x: float, y: float, text: str) -> None:
        """A heading."""
        self._add("text", text, x=x, y=y, font_size=14, font_weight="bold", fill=INK)

    def __str__(self) -> str:
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {self.height:g}"'
        return f'{head} font-family="Helvetica, Arial, sans-serif">\n' + "\n".join(self._parts) + "\n</svg>\n"

    def _add(self, tag: str, inner: str = "", **attributes: str | float) -> None:
        told = " ".join(f'{key.replace("_", "-")}="{_plain(value)}"' for key, value in attributes.items())
        self._parts.append(f"<{tag} {told}>{escape(inner)}</{tag}>" if inner else f"<{tag} {told}/>")


def _plain(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")
