"""Where real input lies: `shared/data` beside the project's own directory."""

from pathlib import Path

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
OPENLINEAGE = SHARED / "openlineage"
