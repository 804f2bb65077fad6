"""A linear classifier on fixed descriptors: multinomial logistic regression by scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo.errors import UserError

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

PENALTIES = (10.0, 1.0, 0.1, 0.01, 1e-3, 1e-4)
"""Strengths of the regularisation to choose from, the strongest first."""
STEPS = 2000
"""Steps of L-BFGS at most; scikit-learn warns where they do not suffice."""

Labelled = tuple[np.ndarray, np.ndarray]
"""Descriptors (N, F) and classes (N,) as whole numbers."""


def require_sklearn() -> None:
    """Say what to install where scikit-learn is missing, before anything is trained.

    Raises:
        UserError: it cannot be imported.
    """
    try:
        import sklearn.linear_model
        import sklearn.pipeline
        import sklearn.preprocessing  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"this study needs scikit-learn ({error}); it comes with the extra 'studies': "
            f'pip install -e ".[studies]"'
        ) from error


def fit(train: Labelled, penalty: float) -> Pipeline:
    """Minimise the mean cross-entropy plus penalty / 2 times the sum of the squared weights.

    Descriptors are standardised first; numbers that never change stay 0. Deterministic.

    Raises:
        UserError: there is only one class.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = train
    if len(np.unique(y)) < 2:
        raise UserError("all training shapes are of one category; a classifier needs two or more")
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1 / (len(y) * penalty), max_iter=STEPS))
    return model.fit(np.asarray(x, np.float64), y)


def fit_chosen(train: Labelled, validation: Labelled) -> tuple[Pipeline, float, float]:
    """Fit with each of `PENALTIES` and keep the best on the validation split, the stronger one of equals.

    Returns:
        The classifier, its penalty, and its accuracy on the validation split.
    """
    fitted = [(fit(train, penalty), penalty) for penalty in PENALTIES]
    accuracies = [float((model.predict(validation[0]) == validation[1]).mean()) for model, _ in fitted]
    best = int(np.argmax(accuracies))  # the first of equals
    return *fitted[best], accuracies[best]
