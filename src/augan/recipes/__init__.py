"""Named, complete configurations, as functions of what the data is and how much time there is."""

from augan.recipes.demo import Demo, run_demo
from augan.recipes.file import Wishes, config_text, read_wishes
from augan.recipes.recipes import READINGS, RECIPES, Budget, recipe_config

__all__ = [
    "READINGS",
    "RECIPES",
    "Budget",
    "Demo",
    "Wishes",
    "config_text",
    "read_wishes",
    "recipe_config",
    "run_demo",
]
