"""Errors as the user sees them."""


class ToolError(Exception):
    """An error that the user can resolve; the message says how."""

    def __init__(self, what: str, way_out: str = "") -> None:
        super().__init__(what)
        self.way_out = way_out

    def __str__(self) -> str:
        what = f"error: {self.args[0]}"
        return f"{what}\n  what to do: {self.way_out}" if self.way_out else what


class ComposeError(ToolError):
    """The compose file cannot be read, or contains settings that this tool does not support."""
