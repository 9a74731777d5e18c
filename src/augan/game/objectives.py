"""Pay-offs of the two players, as pure functions of logits.

A discriminator gives logits; its probability is D(x) = sigmoid(logit). Every loss here is a mean over the batch, to be
minimised by the player whom it names. All are written with softplus, so that no logit is too large for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import relu, softplus

from augan.core.errors import unknown_name

Logits = Float[Tensor, " b"]
Scalar = Float[Tensor, ""]


def minimax_value(real: Logits, fake: Logits) -> Scalar:
    """V(D, G) = E log D(x) + E log(1 - D(G(z))) (arXiv:1406.2661, equation 1); at most 0.

    At the equilibrium, where D says 1/2 everywhere, it is -log 4.
    """
    return -softplus(-real).mean() - softplus(fake).mean()


def minimax_discriminator(real: Logits, fake: Logits) -> Scalar:
    """-V(D, G): the discriminator maximises V."""
    return -minimax_value(real, fake)


def minimax_generator(real: Logits, fake: Logits) -> Scalar:
    """The part of V(D, G) that depends on G, E log(1 - D(G(z))), which the generator minimises: the exact game."""
    return -softplus(fake).mean()


def non_saturating_generator(real: Logits, fake: Logits) -> Scalar:
    """-E log D(G(z)): the same fixed point, with gradients that do not vanish early (arXiv:1406.2661, section 3)."""
    return softplus(-fake).mean()


def hinge_discriminator(real: Logits, fake: Logits) -> Scalar:
    """E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))) (arXiv:1705.02894, arXiv:1802.05957)."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def linear_generator(real: Logits, fake: Logits) -> Scalar:
    """-E D(G(z)), the generator of the hinge and Wasserstein games."""
    return -fake.mean()


def least_squares_discriminator(real: Logits, fake: Logits) -> Scalar:
    """1/2 E (D(x) - 1)^2 + 1/2 E D(G(z))^2 (arXiv:1611.04076, equation 9: a = 0, b = c = 1)."""
    return 0.5 * ((real - 1).square().mean() + fake.square().mean())


def least_squares_generator(real: Logits, fake: Logits) -> Scalar:
    """1/2 E (D(G(z)) - 1)^2 (arXiv:1611.04076, equation 9)."""
    return 0.5 * (fake - 1).square().mean()


def wasserstein_discriminator(real: Logits, fake: Logits) -> Scalar:
    """E D(G(z)) - E D(x) (arXiv:1701.07875); needs a Lipschitz constraint: spectral norm or the gradient penalty."""
    return fake.mean() - real.mean()


def relativistic_discriminator(real: Logits, fake: Logits) -> Scalar:
    """E softplus(-(D(x) - D(G(z)))) over pairs (arXiv:2501.05441, equation 2; arXiv:1807.00734)."""
    return softplus(fake - real).mean()


def relativistic_generator(real: Logits, fake: Logits) -> Scalar:
    """E softplus(-(D(G(z)) - D(x))) over pairs."""
    return softplus(real - fake).mean()


@dataclass(frozen=True)
class Objective:
    """Both players' losses, each a function of (real logits, fake logits).

    `generator_sees_real` says whether the generator's loss depends on the real logits; where it does not, they are
    not computed in its turn, and zeros are given.
    """

    discriminator_loss: Callable[[Tensor, Tensor], Tensor]
    generator_loss: Callable[[Tensor, Tensor], Tensor]
    generator_sees_real: bool = False


OBJECTIVES: dict[str, Objective] = {
    "minimax": Objective(minimax_discriminator, minimax_generator),
    "non-saturating": Objective(minimax_discriminator, non_saturating_generator),
    "hinge": Objective(hinge_discriminator, linear_generator),
    "least-squares": Objective(least_squares_discriminator, least_squares_generator),
    "wasserstein": Objective(wasserstein_discriminator, linear_generator),
    "relativistic": Objective(relativistic_discriminator, relativistic_generator, generator_sees_real=True),
}
"""What `--set game.objective=NAME` may name."""


def objective(name: str) -> Objective:
    """The objective called `name`.

    Raises:
        UserError: there is none; the message lists them.
    """
    if name not in OBJECTIVES:
        raise unknown_name("objective", name, OBJECTIVES)
    return OBJECTIVES[name]
