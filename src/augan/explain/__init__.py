"""What a generator and its discriminator have learnt: directions, geometry, attributions, inversion, a page of all."""

from augan.explain.attribution import (
    Attribution,
    grad_cam,
    integrated_gradients,
    last_maps,
    randomised,
    rank_correlation,
    sanity,
)
from augan.explain.direction import (
    Direction,
    chosen,
    coordinates,
    edit,
    load_directions,
    on_layers,
    save_directions,
)
from augan.explain.directions import METHODS, directions
from augan.explain.dissection import Unit, dissect, layers_with_maps
from augan.explain.effects import (
    ATTRIBUTES,
    attributes_for,
    decided_share,
    effect_sizes,
    responses,
    specificity,
    with_effects,
)
from augan.explain.files import write_edits, write_inversion
from augan.explain.geometry import (
    class_map,
    interpolations,
    nearest_real,
    path_length,
    spherical,
    truncated,
    truncation_sweep,
)
from augan.explain.inversion import Inversion, InversionConfig, LatentEncoder, invert, train_encoder
from augan.explain.model import OpenModel
from augan.explain.page import Explanation, explain
from augan.explain.players import Critic, load_critic, players
from augan.explain.story import Story, story
from augan.explain.supervised import learnt, supervised

__all__ = [
    "ATTRIBUTES",
    "METHODS",
    "Attribution",
    "Critic",
    "Direction",
    "Explanation",
    "Inversion",
    "InversionConfig",
    "LatentEncoder",
    "OpenModel",
    "Story",
    "Unit",
    "attributes_for",
    "chosen",
    "class_map",
    "coordinates",
    "decided_share",
    "directions",
    "dissect",
    "edit",
    "effect_sizes",
    "explain",
    "grad_cam",
    "integrated_gradients",
    "interpolations",
    "invert",
    "last_maps",
    "layers_with_maps",
    "learnt",
    "load_critic",
    "load_directions",
    "nearest_real",
    "on_layers",
    "path_length",
    "players",
    "randomised",
    "rank_correlation",
    "responses",
    "sanity",
    "save_directions",
    "specificity",
    "spherical",
    "story",
    "supervised",
    "train_encoder",
    "truncated",
    "truncation_sweep",
    "with_effects",
    "write_edits",
    "write_inversion",
]
