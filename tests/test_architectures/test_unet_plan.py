"""nnU-Net's rules for strides and kernels, on examples that were worked out by hand."""

from pathlib import Path

import pytest

from promise_cli.dataset.plan import Plan
from promise_cli.disk.records import load_record
from promise_cli.network.architecture import Setting
from promise_cli.network.registry import plan_network
from promise_cli.network.rivals.unet_plan import plan_unet

ONE, TWO, THREE = (1, 1, 1), (2, 2, 2), (3, 3, 3)


def test_a_cube_of_128_is_halved_five_times_to_four() -> None:
    plan = plan_unet((128, 128, 128), (1, 1, 1))
    assert plan.strides == (ONE, TWO, TWO, TWO, TWO, TWO)
    assert plan.kernels == (THREE,) * 6
    assert plan.multiple == (32, 32, 32)


def test_thick_slices_get_flat_kernels_and_strides_until_voxels_are_nearly_cubes() -> None:
    """Voxels of 1 x 1 x 5 mm become 2 x 2 x 5 and then 4 x 4 x 5 mm, whose edges differ by less than a factor of 2."""
    plan = plan_unet((256, 256, 32), (1.0, 1.0, 5.0))
    flat_kernel, flat_stride = (3, 3, 1), (2, 2, 1)
    # In plane only to 128 and 64; then all axes to 32/16, 16/8 and 8/4; at last in plane only to 4.
    assert plan.strides == (ONE, flat_stride, flat_stride, TWO, TWO, TWO, flat_stride)
    assert plan.kernels == (flat_kernel, flat_kernel, THREE, THREE, THREE, THREE, THREE)
    assert plan.multiple == (64, 64, 8)


def test_a_spacing_of_exactly_twice_the_finest_counts_as_coarse() -> None:
    plan = plan_unet((64, 64, 64), (1.0, 1.0, 2.0))
    assert plan.kernels[0] == (3, 3, 1)
    assert plan.strides[1] == (2, 2, 1)
    assert plan.strides[2] == TWO


def test_a_size_that_is_odd_is_rounded_up_on_the_way_down() -> None:
    """An edge of 50 is halved three times, to 25, 13 and 7, so the patch must be a multiple of 8."""
    plan = plan_unet((50, 50, 50), (1, 1, 1))
    assert plan.strides == (ONE, TWO, TWO, TWO)
    assert plan.multiple == (8, 8, 8)


@pytest.mark.parametrize(("edge", "stages"), [(11, 1), (12, 2), (16, 2), (24, 3)])
def test_a_single_axis_is_halved_only_from_twelve_on(edge: int, stages: int) -> None:
    """The other two axes, of 4 voxels, are too short to be halved at all."""
    assert len(plan_unet((edge, 4, 4), (1, 1, 1)).strides) == stages


def test_a_patch_that_is_too_small_to_be_halved_has_one_stage() -> None:
    plan = plan_unet((7, 7, 7), (1, 1, 1))
    assert (plan.strides, plan.kernels, plan.multiple) == ((ONE,), (THREE,), ONE)


def test_the_network_is_planned_on_the_plan_that_preprocessing_wrote(preprocessed: Path) -> None:
    plan = load_record(Plan, preprocessed / "preprocessed" / "Task98_Balls" / "plans.json")
    setting = Setting(patch_size=plan.patch_size, spacing=plan.spacing, small=False)
    config = plan_network("dynunet", setting)
    assert config.patch_size == 128
    assert config.strides == (ONE, TWO, TWO, TWO, TWO, TWO)
    assert config.widths == (32, 64, 128, 256, 320, 320)


def test_the_patch_is_rounded_up_to_what_the_stages_halve() -> None:
    setting = Setting(patch_size=50, spacing=(1.0, 1.0, 1.0), small=False)
    config = plan_network("dynunet", setting)
    assert (config.patch_size, config.widths) == (56, (32, 64, 128, 256))
    assert {name: plan_network(name, setting).patch_size for name in ("segresnet", "ux_net")} == {
        "segresnet": 56,
        "ux_net": 64,
    }
    assert plan_network("nnformer", setting).windows() == (4, 4, 4, 2)
