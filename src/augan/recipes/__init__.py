"""Named, complete configurations, as functions of what the data is and how much time there is."""

from augan.recipes.recipes import RECIPES, Budget, recipe_config

__all__ = ["RECIPES", "Budget", "recipe_config"]
