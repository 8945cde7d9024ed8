"""The handwritten digits on which the book's networks are trained."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

DATA = Path(__file__).resolve().parents[2] / "assets" / "data" / "digits.csv.gz"

TRAIN_SIZE = 1437  # four fifths


class Digits(NamedTuple):
    """Images of handwritten digits, and which of them to train on.

    Attributes
    ----------
    x : ndarray of shape (1797, 64), float64
        Each row an image of 8 x 8 pixels, row by row, with whole numbers from 0 (paper) to 16 (ink).
    labels : ndarray of shape (1797,), integer
        The digit, from 0 to 9.
    train, test : ndarray of shape (1437,) and (360,), integer
        Indices of the examples to train on and of those to test on; each example is in one of the two.
    """

    x: np.ndarray
    labels: np.ndarray
    train: np.ndarray
    test: np.ndarray


def load():
    """Read the digits of the UCI test set, and split them, always in the same way.

    Returns
    -------
    digits : Digits
        Source, licence and citation of the data stand in `assets/data/README.md`.
    """
    table = np.loadtxt(DATA, delimiter=",", dtype=np.int64)  # (1797, 65)
    order = np.random.default_rng(0).permutation(len(table))
    return Digits(table[:, :-1].astype(np.float64), table[:, -1], order[:TRAIN_SIZE], order[TRAIN_SIZE:])
