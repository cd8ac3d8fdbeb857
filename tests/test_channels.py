"""What is used of a dataset or folder with several channels is said, until all of them can be used."""

from pathlib import Path

import pytest

from promise_cli.cli import preprocess_app
from promise_cli.dataset.folder import read_dataset
from promise_cli.predict.inputs import gather_inputs
from promise_cli.predict.predict_request import PredictRequest
from tests.conftest import edit_json
from tests.test_cli import run


@pytest.mark.parametrize(
    ("channels", "used", "others"),
    [
        ({"0": "CT", "1": "PET"}, "CT", "PET"),
        ({"1": "PET", "0": "CT"}, "CT", "PET"),
        ({"10": "c", "2": "b", "0": "CT"}, "CT", "b, c"),
        (
            {str(n): f"m{n}" for n in range(13)},
            "m0",
            "m1, m2, m3, m4, m5, m6, m7, m8, m9, m10 and 2 more",
        ),
    ],
)
def test_a_declared_channel_that_is_not_used_is_named(
    dataset: Path, channels: dict, used: str, others: str
) -> None:
    edit_json(dataset / "dataset.json", lambda content: content.update(modality=channels))
    done = run(preprocess_app, "98", "--root", dataset.parent, "--workers", "0")
    assert done.exit_code == 0
    assert (
        f"warning: {dataset}/dataset.json: declares {len(channels)} channels, but scans of several channels are not"
        f" supported; only the first is used ({used}), not {others}\n"
    ) in done.output
    assert read_dataset(dataset).modality == used


def test_a_dataset_of_one_channel_needs_no_note(dataset: Path) -> None:
    assert read_dataset(dataset).channel_note is None


def test_files_that_look_like_further_channels_are_named_in_prediction(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = dataset / "imagesTr"
    (images / "ball_001.nii.gz").rename(images / "ball_001_0000.nii.gz")
    (images / "ball_002.nii.gz").rename(images / "ball_001_0001.nii.gz")
    (images / "ball_003.nii.gz").rename(images / "ball_009_0001.nii.gz")  # there is no ball_009
    inputs = gather_inputs(PredictRequest(images=images, auto=True))
    assert len(inputs.clicks) == 5
    assert "ball_001_0001" not in inputs.clicks
    assert capsys.readouterr().err == (
        f"warning: {images}/ball_001_0001.nii.gz: channel 2 of case ball_001; a network sees only the first channel, so"
        " 1 such file is left out; rename a file that is a scan of its own\n"
    )
