"""Every page in every state that there are pictures of (bin/screenshots): accessible, and fit for a telephone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from tests.e2e.conftest import axe, narrow_enough

sys.path.append(str(Path(__file__).parents[2] / "bin" / "lib"))


def test_every_page_in_every_state_is_accessible_and_fits_a_telephone(chromium: Browser) -> None:
    import screenshots

    wrong: list[str] = []

    def look(page: Any, scene: Any, width: int) -> None:
        try:
            narrow_enough(page)
            if width > 1000:
                axe(page)
        except AssertionError as error:
            wrong.append(f"{scene.name}, {width} px: {error}")

    missing = screenshots.look_at_all(chromium, set(), 60, [(1280, 800), (360, 800)], look)
    assert not wrong, "\n\n".join(wrong)
    assert not missing
