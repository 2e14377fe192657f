"""The way to DynamoDB and back: what counts as its reply, and what is done with anything else.

This module imports nothing costly before a client is made.
"""

from __future__ import annotations

from typing import Any


def install(session: Any) -> None:
    """Have the clients of a botocore session, which have not been made yet, take only whole replies of DynamoDB's."""
    from pipemodels.transport.replies import install_guard

    install_guard(session)
