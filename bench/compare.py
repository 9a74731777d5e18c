"""A GAN, an autoencoder, a VAE and a VAE-GAN of the same networks on MNIST-5k: one thread, three seeds, equal time.

The time is processor time of one thread, so that other work on the machine takes none of it away: 30 seconds for each
model and seed. `python -m bench.compare run` trains, measures and writes the section, and goes on where it was stopped;
`report` writes it, and the measured part of docs/compare.md, from the outcome: bench/compare.json, and pictures,
docs/images/compare.png.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from typing import Any

from augan.core.files import read_json, write_json
from augan.data import demo_digits
from augan.versus import compare
from augan.versus.report import table_of
from bench.report import machine, table, write_section

OUT = Path("runs") / "bench-compare"
FOUND = Path(__file__).parent / "compare.json"
PICTURES = Path(__file__).parent.parent / "docs" / "images" / "compare.png"
SECONDS = 30
TITLE = "A GAN beside autoencoders"
ANSWER = Path(__file__).parent.parent / "docs" / "compare.md"
MARKS = ("<!-- measured -->", "<!-- /measured -->")


def run() -> None:
    """Trains and measures what is missing."""
    start = time.process_time()
    found = compare(
        demo_digits(),
        OUT,
        minutes=SECONDS / 60,
        clock="processor",
        settings=["training.threads=1"],
        device="cpu",
        resume=(OUT / "settings.json").exists(),
        tell=lambda text: print(text, flush=True),
    )
    header, rows = table_of(found)
    document: dict[str, Any] = {key: value for key, value in found.to_json().items() if key != "out"}
    spent = time.process_time() - start
    write_json(FOUND, {**document, "table": [header, *rows], "cpu_seconds": spent, "machine": machine()})
    shutil.copyfile(OUT / f"sheet-{found.config.seeds[0]}.png", PICTURES)


def report() -> None:
    """Writes the section."""
    document = read_json(FOUND)
    header, *rows = document["table"]
    facts, seeds = document["facts"], document["settings"]["seeds"]
    text = (
        f"On {document['machine']}; other work ran beside. {' '.join((__doc__ or '').split())} Networks: "
        f"{facts['networks']['name']}, width {facts['networks']['width']}, latent {facts['networks']['latent_size']}; "
        f"{facts['learnt_from']:,} images to learn from, {facts['held_out']:,} held out, of which "
        f"{facts['reconstructed']} are reconstructed. The run took "
        f"{document['cpu_seconds']:.0f} s of processor time where it did not go on with an earlier one. "
        f"Means over {len(seeds)} seeds with 95 % intervals."
    )
    said = "\n".join(f"- {line}" for line in document["reading"])
    write_section("compare", TITLE, f"{text}\n\n{table(header, rows)}\n\n{said}")
    answer = (
        f"{len(seeds)} seeds, {SECONDS} seconds of processor time for each model and seed; the whole table is in "
        f"[benchmarks.md](benchmarks.md#{TITLE.lower().replace(' ', '-')}).\n\n{said}\n\n"
        "![Real digits; for each model its reconstructions of them, and new samples](images/compare.png)\n\n"
        '*Held-out digits; for each model what it makes of them ("again") and its samples ("new"), of the first seed.*'
    )
    page = ANSWER.read_text()
    begin, rest = page.split(MARKS[0])
    ANSWER.write_text(f"{begin}{MARKS[0]}\n{answer}\n{MARKS[1]}{rest.split(MARKS[1])[1]}")


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="do what is missing, then write the report")
    commands.add_parser("report", help="write the section from what is there")
    if parser.parse_args().command == "run":
        run()
    report()


if __name__ == "__main__":
    main()
