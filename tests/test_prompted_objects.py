"""Predictions of several clicks at once belong to an object, as those of single clicks do."""

from pathlib import Path

import numpy as np
import pytest

from promise_cli.dataset.objects import TargetObject
from promise_cli.errors import PromptError
from promise_cli.prompts import Click, Lesion
from tests.shapes import values_of
from tests.standins import PerfectWindow, predictor_of
from tests.test_object_masks import BALL, BOX


def test_a_saved_mask_has_the_value_of_the_object_however_it_was_predicted(tmp_path: Path) -> None:
    scan = np.full((30, 16, 16), -50.0)
    scan[4:8, 6:10, 6:10] = scan[20:26, 6:10, 6:10] = 100.0
    other = TargetObject(name="Box", values=(3,), mask_value=3)
    both = predictor_of(
        16, PerfectWindow(), target_labels=(1, 3), target_name="x", objects=(BALL, other)
    )
    one = predictor_of(16, PerfectWindow(), target_label=3, target_name="Box", objects=(other,))
    named = Click((22, 7, 7), lesion=Lesion(1, "box", 4))
    for predictor, click in ((both, named), (one, Click((22, 7, 7)))):
        session = predictor.open(scan, affine=np.eye(4))
        found = session.prompt([click])
        assert np.unique(session.label_mask).tolist() == [0, 3]
        for prediction in (None, found):
            session.save(tmp_path / "mask.nii.gz", prediction=prediction, overwrite=True)
            assert np.unique(values_of(tmp_path / "mask.nii.gz")).tolist() == [0, 3]
        session.click((20, 7, 7), object="Box")
        assert len(session.clicks) == 2
        assert np.unique(session.label_mask).tolist() == [0, 3]
    session.save(tmp_path / "mask.nii.gz", prediction=session.slide(), overwrite=True)
    assert np.unique(values_of(tmp_path / "mask.nii.gz")).tolist() == [0, 3]


def test_a_mask_of_an_unknown_object_is_not_saved(tmp_path: Path) -> None:
    predictor = predictor_of(
        16, PerfectWindow(), target_labels=(1, 2), target_name="x", objects=(BALL, BOX)
    )
    session = predictor.open(np.full((8, 8, 8), 100.0), affine=np.eye(4))
    clicks = [Click((4, 4, 4), lesion=Lesion(1, name)) for name in ("Ball", "Box")]
    for prompted in ([Click((4, 4, 4))], clicks):
        found = session.prompt(prompted)
        assert session.mask.all()
        message = r"which object it is on; give object=\.\.\., one of Ball"
        for prediction in (None, found):
            with pytest.raises(PromptError, match=message):
                session.save(tmp_path / "mask.nii.gz", prediction=prediction)
        with pytest.raises(PromptError, match=message):
            assert session.label_mask.any()
    assert not (tmp_path / "mask.nii.gz").exists()


def test_clicks_that_follow_a_prompt_add_to_it() -> None:
    scan = np.full((30, 16, 16), -50.0)
    scan[4:8, 6:10, 6:10] = scan[20:26, 6:10, 6:10] = 100.0
    session = predictor_of(16, PerfectWindow()).open(scan, affine=np.eye(4))
    session.prompt([Click((5, 7, 7), lesion=Lesion(2, "left", 2))])
    assert session.click((22, 7, 7)).sum() == 4**3 + 6 * 4 * 4
