"""Samples beside real items in a torch Dataset."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

import augan
from augan.augment import SyntheticMix
from augan.checkpoint import Model
from augan.core.errors import UserError
from augan.core.item import ItemSpec
from augan.networks import NetworkConfig, build
from common import shapes


@pytest.fixture(scope="module")
def model(tiny_run: augan.Run) -> Model:
    return tiny_run.load()


def data(form: str = "share") -> Any:
    images, labels = shapes({"a": 6, "b": 4})
    if form == "picture":
        return [(Image.fromarray(image[:, :, 0]), int(label)) for image, label in zip(images, labels, strict=True)]
    tensors = torch.from_numpy(images).permute(0, 3, 1, 2)
    forms = {"bytes": tensors, "share": tensors / 255, "same": tensors / 127.5 - 1, "wide": tensors.float()}
    return TensorDataset(forms[form], torch.from_numpy(labels))


def test_real_items_first_then_samples(model: Model) -> None:
    real = data()
    mix = SyntheticMix(real, model, ratio=1.5, weight=0.25, seed=3)
    assert len(mix) == 25
    for index in range(10):
        image, label, weight = mix[index]
        assert (label, weight) == (int(real[index][1]), 1.0)
        assert torch.equal(image, real[index][0])
    expected = model.sample(15, seed=3)
    for index in range(15):
        image, label, weight = mix[10 + index]
        assert (label, weight) == (index % 3, 0.25)
        torch.testing.assert_close(image, (expected[index] + 1) / 2, atol=1 / 250, rtol=0)
    assert mix[-1][1] == mix[24][1]
    with pytest.raises(IndexError):
        mix[25]


@pytest.mark.parametrize("form", ["bytes", "share", "same", "picture"])
def test_samples_have_the_form_of_the_real_images(form: str, model: Model) -> None:
    mix = SyntheticMix(data(form), model)
    real, sample = mix[0][0], mix[10][0]
    assert type(real) is type(sample)
    if form == "picture":
        assert (real.mode, real.size) == (sample.mode, sample.size)
        assert np.asarray(sample).std() > 0
    else:
        assert (real.shape, real.dtype) == (sample.shape, sample.dtype)


def test_batches(model: Model) -> None:
    images, labels, weights = next(iter(DataLoader(SyntheticMix(data(), model, weight=0.5), batch_size=20)))
    assert images.shape == (20, 1, 16, 16)
    assert labels.dtype == torch.int64
    assert weights.sum() == 10 + 10 * 0.5


def test_what_does_not_fit_is_one_line(model: Model) -> None:
    generator, _ = build(NetworkConfig(width=4), ItemSpec(channels=1, height=16, width=16))
    plain = Model(generator, ItemSpec(channels=1, height=16, width=16))
    images, labels = data().tensors
    cases: list[tuple[str, Any, Model, dict[str, Any]]] = [
        ("no classes", data(), plain, {}),
        ("above 0", data(), model, {"ratio": 0.0}),
        ("empty", [], model, {}),
        ("Give convert", data("wide"), model, {}),
        ("Give convert", [(images[0].numpy(), 0)], model, {}),
        (r"\(1, 8, 8\)", TensorDataset(images[:, :, :8, :8], labels), model, {}),
    ]
    for said, dataset, made_by, options in cases:
        with pytest.raises(UserError, match=said):
            SyntheticMix(dataset, made_by, **options)
    assert SyntheticMix(data("wide"), model, convert=lambda sample: sample * 2)[10][0].abs().max() <= 2
