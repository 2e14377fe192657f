"""What goes wrong, in the words that the user sees."""


class ToolError(Exception):
    """Something that the user can do something about."""

    def __init__(self, what: str, way_out: str = "") -> None:
        super().__init__(what)
        self.way_out = way_out

    def __str__(self) -> str:
        what = f"error: {self.args[0]}"
        return f"{what}\n  what to do: {self.way_out}" if self.way_out else what


class ComposeError(ToolError):
    """The compose file cannot be read, or says what this tool does not understand."""
