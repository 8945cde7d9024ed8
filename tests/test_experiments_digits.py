"""The digits are what their README says, and are always split in the same way."""

import hashlib
import re

import numpy as np

from chapters.experiments import digits


def test_there_are_1797_images_with_pixels_from_0_to_16_and_labels_from_0_to_9():
    data = digits.load()
    assert data.x.shape == (1797, 64)
    assert data.x.dtype == np.float64
    assert set(np.unique(data.x)) == set(range(17))
    assert data.labels.shape == (1797,)
    assert set(data.labels) == set(range(10))


def test_the_first_image_is_a_zero_with_ink_around_an_empty_middle():
    data = digits.load()
    image = data.x[0].reshape(8, 8)
    assert data.labels[0] == 0
    assert image[3:5, 3:5].sum() == 0
    assert image[1, 2:6].min() > 9


def test_every_example_is_either_trained_on_or_tested_on_and_the_split_never_changes():
    data = digits.load()
    assert (len(data.train), len(data.test)) == (1437, 360)
    np.testing.assert_array_equal(np.sort(np.concatenate([data.train, data.test])), np.arange(1797))
    np.testing.assert_array_equal(data.train[:5], digits.load().train[:5])
    assert (data.train.sum(), data.test.sum()) == (1294001, 319705)


def test_every_digit_is_in_both_parts_in_number():
    data = digits.load()
    assert np.bincount(data.labels[data.train]).min() > 120
    assert np.bincount(data.labels[data.test]).min() > 25


def test_the_readme_states_source_licence_citation_and_the_right_checksum():
    readme = (digits.DATA.parent / "README.md").read_text(encoding="utf8")
    for word in ("UCI Machine Learning Repository", "CC BY 4.0", "Alpaydin", "10.24432/C50P49", "scikit-learn"):
        assert word in readme
    assert re.search(r"`([0-9a-f]{64})`", readme)[1] == hashlib.sha256(digits.DATA.read_bytes()).hexdigest()
