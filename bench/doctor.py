"""Does the doctor name what was planted, and is it silent where nothing is?

Ten runs of 30 seconds with one thing wrong each, and ten healthy ones of recipe `auto`. Right is a planted run whose
first finding is its cause, and a healthy run without findings. With a folder as its argument the runs are kept there,
and those that it holds are only judged again.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import augan
from augan.api import doctor, resolve
from augan.core.errors import AuganError
from augan.networks import build
from bench.report import table, write_section
from bench.sets import SETS

MINUTES = 0.5


class Blind(nn.Module):
    """A discriminator that sees nothing of its images."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        noise = torch.randn(len(images), device=images.device)
        return noise * 1e-3 + self.weight + 0 * images.flatten(1).sum(1)


class Deaf(nn.Module):
    """A generator that hears nothing of its latents."""

    def __init__(self, generator: nn.Module, share: float) -> None:
        super().__init__()
        self.generator, self.share = generator, share
        self.latent_size, self.classes = generator.latent_size, generator.classes

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        heard = self.share * latents
        return self.generator(heard) if labels is None else self.generator(heard, labels)


@dataclass(frozen=True)
class Case:
    """A run, and what its first finding should say ("" for none)."""

    name: str
    cause: str
    data: str
    settings: tuple[str, ...] = ()
    seed: int = 0
    items: int = 0
    shuffled: bool = False
    networks: Callable[[Any], dict[str, nn.Module]] | None = field(default=None, repr=False)

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Images and labels."""
        data, random = SETS[self.data](), np.random.default_rng(self.seed)
        images, labels = data.images, data.labels
        if self.items:
            chosen = random.permutation(len(images))[: self.items]
            images, labels = images[chosen], labels[chosen]
        return images, random.permutation(labels) if self.shuffled else labels


def _blind(source: Any) -> dict[str, nn.Module]:
    return {"discriminator": Blind()}


def _deaf(share: float) -> Callable[[Any], dict[str, nn.Module]]:
    def make(source: Any) -> dict[str, nn.Module]:
        torch.manual_seed(0)
        return {"generator": Deaf(build(resolve(source, images=1000)[1].networks, source.item)[0], share)}

    return make


DEAD, RATE, HEART = "does not learn", "rate is too high", "by heart"
LABELS, COLLAPSE = "labels", "collapsed"
FEW = ("game.adaptive=[]", "data.min_images_per_class=2")
NO_MATCH = ("game.matching=0", "game.r1_gamma=0", "game.r2_gamma=0")
CASES = [
    Case("discriminator at a millionth of the rate", DEAD, "digits", ("training.discriminator_rate=1e-6",)),
    Case("discriminator without eyes", DEAD, "fashion-5k", NO_MATCH, networks=_blind),
    Case("32 times the rate", RATE, "digits", ("training.learning_rate=0.05", "training.learning_rate_end=0.05")),
    Case("64 times the rate", RATE, "cifar-5k", ("training.learning_rate=0.1", "training.learning_rate_end=0.1")),
    Case("50 images", HEART, "digits", FEW, items=50),
    Case("50 images", HEART, "cifar-5k", FEW, items=50),
    Case("labels shuffled", LABELS, "digits", shuffled=True),
    Case("labels shuffled", LABELS, "cifar-5k", shuffled=True),
    Case("generator deaf to latents", COLLAPSE, "digits", networks=_deaf(0.0)),
    Case("generator nearly deaf to latents", COLLAPSE, "fashion-5k", networks=_deaf(1e-4)),
    *(Case("healthy", "", "digits", seed=seed) for seed in range(3)),
    *(Case("healthy", "", "fashion-5k", seed=seed) for seed in range(2)),
    *(Case("healthy", "", "cifar-5k", seed=seed) for seed in range(2)),
    Case("healthy", "", "cifar"),
    Case("healthy", "", "emoji"),
    Case("healthy", "", "fashion"),
]


def play(case: Case, out: Path) -> None:
    """The run itself."""
    source = augan.open(case.arrays(), min_images_per_class=2 if case.items else 0)
    networks = case.networks(source) if case.networks else {}
    settings = ["training.snapshots=4", *case.settings]
    try:
        augan.train(source, minutes=MINUTES, out=out, seed=case.seed, settings=settings, **networks)
    except AuganError as error:  # diverged too often: the doctor is to say why
        print(error)


def main() -> None:
    """Runs the benchmark."""
    with tempfile.TemporaryDirectory() as temporary:
        judge(Path(sys.argv[1] if len(sys.argv) > 1 else temporary))


def judge(folder: Path) -> None:
    """Trains what `folder` does not hold, and writes the section."""
    rows, right = [], 0
    for number, case in enumerate(CASES):
        if not (folder / str(number)).exists():
            play(case, folder / str(number))
        found = doctor(folder / str(number))
        first = found.findings[0] if found.findings else None
        good = first is None if not case.cause else first is not None and case.cause in first.cause
        right += good
        said = "; ".join(f"{finding.cause} ({finding.evidence})" for finding in found.findings) or "nothing"
        rows.append([case.name, case.data, case.seed, said, "yes" if good else "**no**"])
        print(rows[-1], flush=True)
    body = [
        " ".join((__doc__ or "").split()),
        f"{right} of {len(CASES)} are right.",
        table(["planted", "data", "seed", "found", "right"], rows),
    ]
    write_section("doctor", "The doctor", "\n\n".join(body))


if __name__ == "__main__":
    main()
