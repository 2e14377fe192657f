"""Where real input lies: `shared/data` beside the project's own directory."""

from pathlib import Path

OPENLINEAGE = Path(__file__).parents[2].parent / "shared" / "data" / "openlineage"
