"""A linear classifier on fixed descriptors: multinomial logistic regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

PENALTIES = (10.0, 1.0, 0.1, 0.01, 1e-3, 1e-4)
"""Strengths of the regularisation to choose from, the strongest first."""
STEPS = 200

Labelled = tuple[np.ndarray, np.ndarray]
"""Descriptors (N, F) and classes (N,) as whole numbers."""


@dataclass(frozen=True)
class Linear:
    """Scores of the classes: (descriptor - mean) / scale @ weights + bias.

    Attributes:
        weights: (F, classes); bias: (classes,).
        mean, scale: (F,) of the training descriptors.
    """

    weights: Tensor
    bias: Tensor
    mean: Tensor
    scale: Tensor

    def scores(self, descriptors: np.ndarray) -> Tensor:
        """(N, classes)."""
        return (torch.from_numpy(descriptors) - self.mean) / self.scale @ self.weights + self.bias


def fit(train: Labelled, classes: int, penalty: float) -> Linear:
    """Minimise the mean cross-entropy plus penalty / 2 times the sum of the squared weights.

    Descriptors are standardised first; numbers that never change stay 0. Deterministic: from zero, by L-BFGS
    in double precision.
    """
    x, y = torch.from_numpy(train[0]), torch.from_numpy(train[1])
    mean, scale = x.mean(0), x.std(0, correction=0)
    scale = torch.where(scale > 0, scale, 1)
    x = (x - mean) / scale
    weights = torch.zeros(x.shape[1], classes, dtype=x.dtype, requires_grad=True)
    bias = torch.zeros(classes, dtype=x.dtype, requires_grad=True)
    solver = torch.optim.LBFGS([weights, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def objective() -> Tensor:
        solver.zero_grad()
        loss = F.cross_entropy(x @ weights + bias, y) + penalty / 2 * weights.square().sum()
        loss.backward()
        return loss

    solver.step(objective)
    return Linear(weights.detach(), bias.detach(), mean, scale)


def predict(model: Linear, descriptors: np.ndarray) -> np.ndarray:
    """The class with the highest score of each descriptor (N,)."""
    return model.scores(descriptors).argmax(1).numpy()


def fit_chosen(train: Labelled, validation: Labelled, classes: int) -> tuple[Linear, float, float]:
    """Fit with each of `PENALTIES` and keep the best on the validation split, the stronger one of equals.

    Returns:
        The classifier, its penalty, and its accuracy on the validation split.
    """
    fitted = [(fit(train, classes, penalty), penalty) for penalty in PENALTIES]
    accuracies = [float((predict(model, validation[0]) == validation[1]).mean()) for model, _ in fitted]
    best = int(np.argmax(accuracies))  # the first of equals
    return *fitted[best], accuracies[best]
