"""Logits and gradients on the card, compared with those of the CPU in fp32."""

import torch
from torch import Tensor

from experiments.gpu.rig import (
    DEVICE,
    SIZES,
    build,
    recipe_of,
    relative,
    report,
    reported,
    sample_of,
)
from promise_cli.network.device import Precision, autocast, set_up_device
from promise_cli.network.promise import ProMISe
from promise_cli.train.losses import total_loss

WAYS: tuple[tuple[str, Precision, bool], ...] = (
    ("fp32", "fp32", False),
    ("fp32 with TF32", "fp32", True),
    ("bf16", "bf16", True),
    ("fp16", "fp16", True),
)


def main() -> None:
    """Report the differences for each precision."""
    model = build("paper", SIZES.encoder, SIZES.agreement_edge)
    expected = _logits_and_gradients(model.to("cpu"), torch.device("cpu"), "fp32")
    model.to(DEVICE)
    for name, precision, tf32 in WAYS:
        if DEVICE.type == "cpu" and precision == "fp16":
            continue
        with reported(agreement=name):
            set_up_device(DEVICE, precision)
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
            logits, gradients = _logits_and_gradients(model, DEVICE, precision)
            report(
                agreement=name,
                logits=relative(logits, expected[0]),
                gradients=relative(gradients, expected[1]),
            )


def _logits_and_gradients(
    model: ProMISe, device: torch.device, precision: Precision
) -> tuple[Tensor, Tensor]:
    recipe = recipe_of("paper", precision)
    sample = sample_of(model.config.patch_size, recipe).to(device)
    model.train().zero_grad()
    with autocast(device, precision):
        logits = model(sample.image, sample.clicks, sample.signs)
    scale = 1024.0 if precision == "fp16" else 1.0
    (scale * total_loss(logits, sample.target, recipe.loss)[0]).backward()  # type: ignore[no-untyped-call]
    gradients = [p.grad.flatten().cpu() / scale for p in model.parameters() if p.grad is not None]
    return logits.detach().float().cpu(), torch.cat(gradients)


if __name__ == "__main__":
    main()
