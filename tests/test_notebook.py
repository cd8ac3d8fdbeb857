"""In a notebook, a session shows its scan and its mask, and the notebook of the documentation runs."""

import json
import sys
import types
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from promise_cli.errors import VolumeError
from promise_cli.session.session import Session
from tests.conftest import OBLIQUE, RUN, affine_of, write_case
from tests.standins import PerfectWindow, predictor_of

NOTEBOOK = Path(__file__).resolve().parents[1] / "docs" / "clicks.ipynb"
CLICK = (9, 12, 7)


class NiiVue:
    """A stand-in for ipyniivue's widget, used if ipyniivue is not installed."""

    def __init__(self, height: int) -> None:
        self.height = height
        self.scene = types.SimpleNamespace()

    def load_volumes(self, volumes: list[dict[str, Any]]) -> None:
        self.volumes = [types.SimpleNamespace(**one) for one in volumes]

    def broadcast_to(self, other: object, options: dict[str, bool]) -> None:
        self.other_nv, self.sync_opts = [other], options


class GridBox:
    """A stand-in for the box of ipywidgets."""

    def __init__(self, children: Sequence[NiiVue], layout: object) -> None:
        self.children, self.layout = tuple(children), layout


@pytest.fixture
def widgets(monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("ipyniivue") is None:
        viewer = types.SimpleNamespace(NiiVue=NiiVue)
        box = types.SimpleNamespace(GridBox=GridBox, Layout=types.SimpleNamespace)
        monkeypatch.setitem(sys.modules, "ipyniivue", viewer)
        monkeypatch.setitem(sys.modules, "ipywidgets", box)


def opened(axes: str = "PIR") -> Session:
    """Open an oblique scan with a bright ball around `CLICK`."""
    grid = np.indices((20, 24, 16)).transpose(1, 2, 3, 0)
    ball = ((grid - CLICK) ** 2).sum(-1) < 16
    affine = OBLIQUE @ affine_of(axes, (1.0, 1.1, 1.2), (3, -4, 5))
    array = np.where(ball, 100, -50).astype(np.int16)
    return predictor_of(24, PerfectWindow()).open(array, affine=affine)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR"])
@pytest.mark.usefixtures("widgets")
def test_a_notebook_shows_the_scan_next_to_its_mask(axes: str) -> None:
    session = opened(axes)
    session.click(CLICK)
    left, right = session.show().children
    (scan,) = left.volumes
    under, over = right.volumes
    assert bytes(scan.data) == bytes(under.data)
    mask = nib.Nifti1Image.from_bytes(bytes(over.data))
    voxels = nib.Nifti1Image.from_bytes(bytes(scan.data))
    assert np.array_equal(mask.affine, voxels.affine)
    assert np.array_equal(np.asanyarray(mask.dataobj) > 0, np.asanyarray(voxels.dataobj) > 0)
    there = mask.affine @ [*np.argwhere(mask.dataobj).mean(axis=0), 1]
    here = session.scan.stored_grid.world(CLICK)
    assert np.allclose(there[:3], here, atol=1e-3)
    share = nib.affines.apply_affine(np.linalg.inv(mask.affine), here) + 0.5
    for side, other in ((left, right), (right, left)):
        assert np.allclose(side.scene.crosshair_pos, share / mask.shape, atol=1e-3)
        assert side.other_nv == [other]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.usefixtures("widgets")
def test_without_a_click_the_middle_of_the_scan_is_shown_without_a_mask() -> None:
    left, right = opened().show(height=200).children
    assert left.height == right.height == 200
    assert np.allclose(left.scene.crosshair_pos, 0.5)
    assert not nib.Nifti1Image.from_bytes(bytes(right.volumes[1].data)).get_fdata().any()
    with pytest.raises(VolumeError, match="channel 2: give a number from 1 to 1"):
        opened().show(channel=2)


def test_without_the_extra_show_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipyniivue", None)
    with pytest.raises(VolumeError) as raised:
        opened().show()
    assert str(raised.value) == (
        "show() needs the package ipyniivue; install it with pip install 'promise_cli[notebook]'"
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.usefixtures("widgets")
def test_the_notebook_of_the_documentation_runs(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "results").symlink_to(trained / RUN.parts[0])
    case = write_case(tmp_path / "Task98_Balls", 7)
    (tmp_path / "imgs").symlink_to(tmp_path / "Task98_Balls" / "imagesTr")
    monkeypatch.chdir(tmp_path)
    assert NOTEBOOK.stat().st_size < 100_000
    content = json.loads(NOTEBOOK.read_text())
    names: dict[str, Any] = {}
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert capsys.readouterr().out.count(f"<Session on imgs/{case}.nii.gz") == 3
    saved = nib.load("clicked.nii.gz")
    assert np.array_equal(np.asanyarray(saved.dataobj) > 0, names["mask"])
    assert np.allclose(saved.affine, nib.load(f"imgs/{case}.nii.gz").affine)
