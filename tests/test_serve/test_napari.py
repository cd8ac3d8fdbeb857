"""The plugin nnInteractive of napari, on a screen in memory: its mask layer is the mask of promise-predict.

These tests need Xvfb (`apt-get install xvfb libgl1-mesa-dri libxcb-cursor0`), napari, PyQt6, and the packages
napari-nninteractive and napari-toolkit.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from promise_cli.serve.service import Service
from tests.conftest import OBLIQUE
from tests.test_serve.predicted import CLICKS, predicted
from tests.test_serve.test_viewers import voxels

pytest.importorskip("napari")
pytest.importorskip("napari_nninteractive")
# The warnings of the plugin and of what it imports are not ours to fix.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(shutil.which("Xvfb") is None, reason="needs Xvfb"),
]

POINT, BOX, SCRIBBLE, LASSO = range(4)
"""Numbers of the plugin's tools."""
MASK = "nnInteractive - Label Layer"


class Plugin:
    """The plugin in an invisible window of napari."""

    def __init__(self) -> None:
        import napari
        from napari.utils.notifications import notification_manager
        from napari_nninteractive import nnInteractiveWidget
        from qtpy.QtWidgets import QApplication

        self.viewer = napari.Viewer(show=False)
        self.widget: Any = nnInteractiveWidget(self.viewer)
        self.viewer.window.add_dock_widget(self.widget)
        self.turn = QApplication.instance().processEvents
        self.records = notification_manager.records
        self.records.clear()

    def wait(self, until: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not until():
            self.turn()
            time.sleep(0.01)
            assert time.monotonic() < end, self.said()

    def said(self) -> list[str]:
        return [record.message for record in self.records]

    def connect(self, address: str) -> None:
        self.widget.server_url_edit.setText(address)
        self.widget.connect_btn.click()
        self.wait(lambda: self.widget._remote_connected)

    def initialize(self) -> None:
        """Press Initialize, which sends the image, and choose the tool for points."""
        self.widget.init_button.click()
        self.wait(lambda: self.widget._session_locked and self.widget._upload_dialog is not None)
        self.wait(lambda: self.widget._upload_dialog is None)
        self.choose(POINT)

    def choose(self, tool: int, sign: int = 1) -> Any:
        """Choose a tool and a sign, and return the layer on which it draws."""
        self.widget.interaction_button.buttons[tool].click()
        self.widget.prompt_button.buttons[1 - sign].click()
        return self.viewer.layers[self.widget.layer_dict[tool]]

    @property
    def mask(self) -> np.ndarray:
        return self.viewer.layers[MASK].data


@pytest.fixture(scope="module")
def screen() -> Iterator[str]:
    """Return the name of a screen in memory. All tests share it, because Qt uses the first screen of a process only."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x960x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as running:
        os.close(write)
        with os.fdopen(read) as name:
            yield f":{name.readline().strip()}"
        running.terminate()


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, screen: str) -> Iterator[Plugin]:
    monkeypatch.setenv("DISPLAY", screen)
    monkeypatch.setenv("QT_QPA_PLATFORM", "xcb")
    monkeypatch.setenv("LIBGL_ALWAYS_SOFTWARE", "1")
    for variable in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("NAPARI_CONFIG", str(tmp_path / "napari.yaml"))
    from napari.utils.notifications import notification_manager

    with notification_manager:  # shows errors in slots, as napari does
        plugin = Plugin()
        yield plugin
        plugin.widget._release_session()
        plugin.viewer.close()
        plugin.turn()


def test_clicks_in_napari_give_the_mask_of_promise_predict(address: str, plugin: Plugin) -> None:
    plugin.connect(address)
    plugin.viewer.add_image(voxels(), name="scan", affine=OBLIQUE)
    plugin.initialize()
    for number, (point, sign) in enumerate(CLICKS, 1):
        plugin.choose(POINT, sign).add(np.array(point, float))
        assert np.array_equal(plugin.mask, predicted(CLICKS[:number]))
    plugin.widget.undo_button.click()
    assert np.array_equal(plugin.mask, predicted(CLICKS[:2]))
    plugin.widget.reset_interaction_button.click()
    assert not plugin.mask.any()
    plugin.choose(POINT).add(np.array(CLICKS[0][0], float))
    assert np.array_equal(plugin.mask, predicted(CLICKS[:1]))
    plugin.widget.reset_button.click()  # the next object begins without clicks
    assert not plugin.mask.any()
    assert all("non-orthogonal" in message for message in plugin.said())


def test_strokes_and_boxes_in_napari_lead_to_clicks(address: str, plugin: Plugin) -> None:
    plugin.connect(address)
    plugin.viewer.add_image(voxels(), name="scan", scale=(1, 0.9, 1.5))
    plugin.initialize()
    plugin.viewer.dims.set_current_step(0, 13)
    box = [(13, 11, 7), (13, 11, 12), (13, 14, 12), (13, 14, 7)]
    plugin.choose(BOX).add(np.array(box, float), shape_type="rectangle")
    assert np.array_equal(plugin.mask, predicted(CLICKS[:1]))
    scribble = plugin.choose(SCRIBBLE)
    scribble.brush_size = 1
    scribble.on_draw()
    with scribble.block_history():
        for j in range(10, 16):
            scribble.paint((13, j, 9), 1)
    along = [((13, 11, 9), 1), ((13, 14, 9), 1)]
    assert np.array_equal(plugin.mask, predicted([*CLICKS[:1], *along]))
    plugin.widget.undo_button.click()
    plugin.viewer.dims.set_current_step(0, 16)
    lasso = [(16, 12, 9), (16, 12, 13), (16, 16, 13), (16, 16, 9)]
    plugin.choose(LASSO).add(np.array(lasso, float), shape_type="polygon")
    assert np.array_equal(plugin.mask, predicted(CLICKS[:2]))
    assert plugin.said() == []


def test_napari_shows_refusals_and_continues_after_its_session_has_ended(
    address: str, service: Service, plugin: Plugin
) -> None:
    plugin.viewer.add_image(voxels() + 1, name="filtered")
    plugin.widget.server_url_edit.setText(address)
    plugin.widget.init_button.click()
    plugin.wait(lambda: "none of the scans of this server" in " ".join(plugin.said()))
    plugin.viewer.layers.remove("filtered")
    plugin.viewer.add_image(voxels(), name="scan", scale=(1, 0.9, 1.5))
    plugin.initialize()
    for point, sign in CLICKS[:2]:
        plugin.choose(POINT, sign).add(np.array(point, float))
    for token in service.sessions.tokens():
        service.sessions.end(token)
    plugin.choose(POINT, 0).add(np.array(CLICKS[2][0], float))
    assert "session lost" in plugin.said()[-1]
    plugin.initialize()
    assert np.array_equal(plugin.mask, predicted(CLICKS[:2]))
    plugin.choose(POINT, 0).add(np.array(CLICKS[2][0], float))
    assert np.array_equal(plugin.mask, predicted(CLICKS))
    plugin.widget.undo_button.click()
    plugin.widget.undo_button.click()
    assert np.array_equal(plugin.mask, predicted(CLICKS[:1]))
    plugin.viewer.add_labels(np.ones(voxels().shape, np.uint8), name="drawn")
    plugin.widget.label_for_init.setCurrentText("drawn")
    plugin.widget.load_mask_btn.click()
    assert "a segmentation that this server has not made" in plugin.said()[-1]
    plugin.choose(POINT).add(np.array(CLICKS[1][0], float))
    assert np.array_equal(plugin.mask, predicted(CLICKS[:2]))
