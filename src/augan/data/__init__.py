"""Data: anything on disk becomes a `Source`, a `Loader` makes batches of it, `inspect` says what is in it."""

from augan.data.arrays import StoredArray, npz_keys, stored_images
from augan.data.cache import cache_folder
from augan.data.demo import demo_digits, imbalanced, write_folder
from augan.data.films import Cutting
from augan.data.inspect import DataReport, inspect
from augan.data.listing import printable
from augan.data.loader import Batch, IndexStream, Loader
from augan.data.opening import open, open_like
from augan.data.recordings import Recordings, open_recordings
from augan.data.sounds import SoundReading
from augan.data.source import ArraySource, Origin, Sizes, Source, SubsetSource, class_counts, subset
from augan.data.spectrograms import as_pictures, picture_item, to_pictures
from augan.data.windows import Windowing

__all__ = [
    "ArraySource",
    "Batch",
    "Cutting",
    "DataReport",
    "IndexStream",
    "Loader",
    "Origin",
    "Recordings",
    "Sizes",
    "SoundReading",
    "Source",
    "StoredArray",
    "SubsetSource",
    "Windowing",
    "as_pictures",
    "cache_folder",
    "class_counts",
    "demo_digits",
    "imbalanced",
    "inspect",
    "npz_keys",
    "open",
    "open_like",
    "open_recordings",
    "picture_item",
    "printable",
    "stored_images",
    "subset",
    "to_pictures",
    "write_folder",
]
