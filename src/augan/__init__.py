"""augan."""
from augan.core.threads import prepare_environment as _prepare_environment

_prepare_environment()
