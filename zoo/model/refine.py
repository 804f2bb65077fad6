"""Fine-tuning on a single picture, before its shape is read off (MarrNet, arXiv:1711.03129, section 3.4).

The trained weights are never written to: each picture moves copies of them, and the next begins anew. So a
prediction depends on its picture alone, not on the others of its batch.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from zoo.config import ModelConfig
from zoo.losses import LOSSES, Loss
from zoo.model.optim import build_optimizer, set_lr
from zoo.seeding import derive
from zoo.transforms.frames import to_frame
from zoo.transforms.preprocess import Preprocess
from zoo.types import Batch, Prediction, joined


def refine_fields(config: ModelConfig) -> frozenset[str]:
    """Fields of `Batch` that the losses of the fine-tuning read."""
    if not config.refine.steps:
        return frozenset()
    return frozenset().union(
        *(LOSSES.get(config.losses[key].name).cls.batch_fields for key in config.refine.losses)
    )


@torch.inference_mode(False)
def refine(model: nn.Module, config: ModelConfig, preprocess: Preprocess, batch: Batch) -> Prediction:
    """Predictions, in the model's frame, after fine-tuning on each picture as `config.refine` says.

    Args:
        model: a `zoo.model.Reconstructor` in evaluation mode, so that normalisation statistics stay as they
            are.
        config: the model's.
        preprocess: the model's.
        batch: on the model's device.
    """
    losses = {
        key: LOSSES.get(part.name).cls(part.config)
        for key, part in config.losses.items()
        if key in config.refine.losses
    }
    return joined([_one(model, config, preprocess, batch.item(i), losses) for i in range(len(batch))])


def _one(
    model: nn.Module, config: ModelConfig, preprocess: Preprocess, batch: Batch, losses: dict[str, Loss]
) -> Prediction:
    settings = config.refine
    batch = to_frame(batch, config.frame)
    image = preprocess(batch.image, depth=batch.depth)
    weights = {
        name: nn.Parameter(parameter.detach().clone())
        for name, parameter in model.named_parameters()
        if name.partition(".")[0] in settings.trains
    }

    def predict() -> Prediction:
        return functional_call(model, dict[str, Tensor](weights), (image,), {"batch": batch})

    optimizer = build_optimizer(settings.optimizer, list(weights.values()))
    for step in range(settings.steps):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(step, "refine"))
            found = predict()
            terms = [loss.config.weight * cast(Tensor, loss(found, batch)) for loss in losses.values()]
        set_lr(optimizer, settings.optimizer, step, settings.steps)
        optimizer.zero_grad(set_to_none=True)
        torch.stack(terms).sum().backward(inputs=list(weights.values()))
        optimizer.step()
    with torch.no_grad():
        return predict()
