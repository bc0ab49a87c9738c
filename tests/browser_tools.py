"""What all tests in real browsers share (tests/browser/)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")
BROWSER = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
    # A browser belongs to the loop it was started in.
    pytest.mark.asyncio(loop_scope="session"),
]
"""`pytestmark` of every file in tests/browser/"""
ARGUMENTS = (
    "--no-sandbox",
    # WebGL without a graphics card, for the map.
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--autoplay-policy=no-user-gesture-required",
    # A microphone that beeps, for pages that are allowed one.
    "--use-fake-device-for-media-stream",
)
HOSTILE = (
    '<img src=x onerror="window.ran=1"><script>window.ran=1</script>寿司 \' " & ${window.ran=1} javascript:window.ran=1'
)


def watch(page: Any) -> list[str]:
    """What goes wrong in a page from now on: errors nobody caught, and what the Content-Security-Policy stopped."""
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda m: problems.append(m.text) if "Content Security Policy" in m.text else None)
    return problems


async def violations(page: Any) -> list[str]:
    """What axe-core finds wrong with the page as it stands (WCAG 2 A and AA, best practices)."""
    import axe_playwright_python

    source = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
    await page.evaluate(source)
    found = await page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    return [
        f"{rule['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
        for rule in found
        for node in rule["nodes"]
    ]
