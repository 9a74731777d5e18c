"""Libraries that only some users need."""

from __future__ import annotations

import importlib
from types import ModuleType

from augan.core.errors import UserError


def require(module: str, extra: str, purpose: str) -> ModuleType:
    """Imports `module`, or says which extra of augan brings it.

    Raises:
        UserError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(f"{purpose} needs {module}. Install it with: pip install 'augan[{extra}]'") from error
