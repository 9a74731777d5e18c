"""How a GAN differs from autoencoders of the same networks, on the same data, in the same time."""

from augan.versus.coders import Coder, log_probability
from augan.versus.columns import COLUMNS, Column
from augan.versus.config import MODELS, VersusConfig
from augan.versus.density import Mixture, fit_mixture
from augan.versus.measure import laplacian_variance, probe_accuracy
from augan.versus.reading import Expectation
from augan.versus.statistics import Interval, difference, interval
from augan.versus.study import Versus, compare

__all__ = [
    "COLUMNS",
    "MODELS",
    "Coder",
    "Column",
    "Expectation",
    "Interval",
    "Mixture",
    "Versus",
    "VersusConfig",
    "compare",
    "difference",
    "fit_mixture",
    "interval",
    "laplacian_variance",
    "log_probability",
    "probe_accuracy",
]
