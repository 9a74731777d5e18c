"""Data: anything on disk becomes a `Source`, a `Loader` makes batches of it, `inspect` says what is in it."""

from augan.data.arrays import StoredArray, npz_keys, stored_images
from augan.data.cache import cache_folder
from augan.data.demo import demo_digits, imbalanced, write_folder
from augan.data.films import Cutting
from augan.data.inspect import DataReport, inspect
from augan.data.listing import printable
from augan.data.loader import Batch, IndexStream, Loader
from augan.data.opening import open
from augan.data.source import ArraySource, Origin, Sizes, Source, SubsetSource, class_counts, subset

__all__ = [
    "ArraySource",
    "Batch",
    "Cutting",
    "DataReport",
    "IndexStream",
    "Loader",
    "Origin",
    "Sizes",
    "Source",
    "StoredArray",
    "SubsetSource",
    "cache_folder",
    "class_counts",
    "demo_digits",
    "imbalanced",
    "inspect",
    "npz_keys",
    "open",
    "printable",
    "stored_images",
    "subset",
    "write_folder",
]
