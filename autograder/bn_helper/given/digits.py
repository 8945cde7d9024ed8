"""Handwritten digits to train on.

They are the test set of *Optical Recognition of Handwritten Digits*: E. Alpaydin and C. Kaynak (1998), UCI Machine
Learning Repository, https://doi.org/10.24432/C50P49, in the copy that scikit-learn ships (digits.csv.gz, unchanged).
Licence: Creative Commons Attribution 4.0 International, https://creativecommons.org/licenses/by/4.0/.
"""

from pathlib import Path

import numpy as np

FILE = Path(__file__).resolve().parents[1] / "digits.csv.gz"
_TRAIN_SIZE = 1437  # four fifths


def load_digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Read 1797 images of 8 x 8 pixels, and split them, always in the same way.

    Returns
    -------
    x, labels : ndarray of shape (1437, 64) and (1437,)
        Images to train on, a row each, with pixels from -1 (paper) to 1 (ink), and their digits.
    x_held_out, labels_held_out : ndarray of shape (360, 64) and (360,)
        Images to test on.

    Raises
    ------
    FileNotFoundError
        If the file with the images is not there.
    """
    if not FILE.is_file():
        raise FileNotFoundError(f"{FILE.name} is missing in bn_helper: download the assignment's whole folder again")
    table = np.loadtxt(FILE, delimiter=",")  # (1797, 65): 64 pixels from 0 to 16, and the digit
    order = np.random.default_rng(0).permutation(len(table))
    train, held_out = order[:_TRAIN_SIZE], order[_TRAIN_SIZE:]
    pixels, digits = table[:, :64] / 8 - 1, table[:, 64].astype(int)
    return pixels[train], digits[train], pixels[held_out], digits[held_out]
