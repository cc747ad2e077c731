"""Every page in every state that there are pictures of (bin/screenshots): accessible, and fit for a telephone and for
whoever reads it at twice its size."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from tests.e2e.conftest import axe, narrow_enough, within_reach

sys.path.append(str(Path(__file__).parents[2] / "bin" / "lib"))


WINDOW, TWICE_AS_LARGE, TELEPHONE = (1280, 800), (640, 400), (360, 800)
"""In CSS pixels: a window at 200 % has half of them."""


def test_every_page_in_every_state_is_accessible_and_fits_a_telephone_and_a_zoom_of_200_percent(
    chromium: Browser,
) -> None:
    import screenshots

    wrong: list[str] = []

    def look(page: Any, scene: Any, width: int) -> None:
        sizes = [WINDOW, TWICE_AS_LARGE] if width == WINDOW[0] else [TELEPHONE]
        for size in sizes:
            page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
            try:
                narrow_enough(page)
                within_reach(page)
                if size == WINDOW:
                    axe(page)
            except AssertionError as error:
                wrong.append(f"{scene.name}, {size[0]} px: {error}")

    missing = screenshots.look_at_all(chromium, set(), 60, [WINDOW, TELEPHONE], look)
    assert not wrong, "\n\n".join(wrong)
    assert not missing
