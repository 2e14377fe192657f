"""Requests to DynamoDB and its replies: deadlines, lost replies, and the fast path of a client.

This module imports no costly module before a client is made.
"""

from __future__ import annotations

from typing import Any


def install(session: Any) -> None:
    """Make all clients that this botocore session creates from now on reject incomplete and foreign replies."""
    from pipemodels.transport.replies import install_guard

    install_guard(session)
