"""Sends many damaged requests to promise-serve in this process, and counts how they are answered.

    python -m tests.benchmarks.serve_requests 10000 [SEED]

It trains a tiny network on a phantom of balls first, which takes about ten seconds.
"""

import os
import sys
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np

from promise_cli.preprocess.command import preprocess
from promise_cli.serve.serve_request import ServeRequest
from promise_cli.serve.service import Service
from promise_cli.session.predictor import Predictor
from promise_cli.train import TrainRequest, train
from tests.conftest import RUN, write_dataset
from tests.fuzz_serve import Calls, fuzz


def main(number: int, seed: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        write_dataset(Path("Task98_Balls"), 7)
        preprocess("98", workers=0)
        train(TrainRequest(preset="tiny", epochs=1, device="cpu"))
        images = Path("Task98_Balls/imagesTr")
        service = Service(ServeRequest(images=images, device="cpu"), Predictor.load(RUN, "cpu"))
        voxels = np.asanyarray(nib.load(images / "ball_007.nii.gz").dataobj)
        counts = fuzz(Calls(service, voxels, "ball_007"), number, seed)
    print({status: counts[status] for status in sorted(counts)})  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
