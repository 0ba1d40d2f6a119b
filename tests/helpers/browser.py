"""A browser without a screen, neuroglancer in it, and the pictures that it should show."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
DRIVER = shutil.which("chromedriver")
BEYOND = (32, 64, 128)
"""Colour of what is beyond the image."""
SIZE = (400, 300)

# Without a graphics card, and without looking for anything beyond loopback.
FLAGS = (
    "--headless=new",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-proxy-server",
    "--window-size=800,600",
)

needs_browser = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="no Chromium or no chromedriver (Debian: chromium-driver)"
)


@contextmanager
def open_browser(directory: Path) -> Iterator[Any]:
    """Give a driver of a browser that keeps what it keeps in a directory."""
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (*FLAGS, f"--user-data-dir={directory}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


@contextmanager
def open_viewer(directory: Path) -> Iterator[tuple[Any, Any]]:
    """Give neuroglancer, in a browser that shows only its canvas, and the browser's driver."""
    neuroglancer = pytest.importorskip("neuroglancer")
    with open_browser(directory) as driver:
        neuroglancer.set_server_bind_address("127.0.0.1")
        viewer = neuroglancer.Viewer()
        with viewer.config_state.txn() as config:
            config.show_ui_controls = False
            config.show_panel_borders = False
        with viewer.txn() as state:
            state.dimensions = um(neuroglancer, ["x", "y", "z"], 1)
            state.show_axis_lines = state.show_scale_bar = False
            state.show_default_annotations = False
            state.cross_section_background_color = "#{:02x}{:02x}{:02x}".format(*BEYOND)
        driver.get(viewer.get_viewer_url())
        try:
            yield viewer, driver
        finally:
            neuroglancer.stop()


def um(neuroglancer: Any, names: list[str], scales: Any) -> Any:
    """Return dimensions in micrometres."""
    return neuroglancer.CoordinateSpace(names=names, units="um", scales=np.full(len(names), scales))


def look(viewer, path, layout, position, pixel):
    """Return the picture, (y, x, 3), with `position` (x, y, z) in the middle; kept as a PNG."""
    with viewer.txn() as state:
        state.layout, state.position, state.cross_section_scale = layout, position, pixel
    screenshot = viewer.screenshot(size=SIZE).screenshot
    path.write_bytes(screenshot.image)
    return screenshot.image_pixels[..., :3]


def picture(levels, level, layout, position, pixel):
    """Return the picture that there should be of one level, point by point."""
    array, scale, translation = levels[level]
    names = ["x", "y", "z"]
    at = dict(zip(names, map(np.atleast_2d, np.array(position, float)), strict=True))
    width, height = SIZE
    across, down = layout
    at[across] = at[across] + (np.arange(width) + 0.5 - width / 2)[None, :] * pixel
    at[down] = at[down] + (np.arange(height) + 0.5 - height / 2)[:, None] * pixel
    inside, index = np.ones((height, width), bool), []
    for axis, name in ((1, "z"), (2, "y"), (3, "x")):
        k = np.rint((at[name] - translation[axis]) / scale[axis]).astype(int)
        inside = inside & (k >= 0) & (k < array.shape[axis])
        index.append(np.broadcast_to(k.clip(0, array.shape[axis] - 1), (height, width)))
    out = np.moveaxis(array[:, *index], 0, -1)
    return np.where(inside[..., None], out, np.uint8(BEYOND))
