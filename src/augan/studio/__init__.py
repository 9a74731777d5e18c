"""The studio: one local page on which to train, look, explore, curate and translate, in any browser.

What the page does it asks of functions in this room, which call those of `augan.api` and start commands of augan; none
of them knows of HTTP but `augan.studio.server`.
"""

from augan.studio.curate import Curation, export_curated
from augan.studio.jobs import JobBoard
from augan.studio.look import run_card, run_page
from augan.studio.workspace import Workspace

__all__ = ["Curation", "JobBoard", "Workspace", "export_curated", "run_card", "run_page"]
