"""`augan` and `python -m augan`."""

import os

from augan.core.threads import prepare_environment


def main() -> None:
    """Runs the command line. The environment is prepared before anything imports torch."""
    prepare_environment()
    from augan.cli.app import app

    if "RANK" not in os.environ:  # one process: help and versions load nothing heavy
        app()
        return
    from augan.core.world import leave

    with leave():
        app()


if __name__ == "__main__":
    main()
