"""Check whether LocalStack's DynamoDB works: ask LocalStack, then send DynamoDB a request."""

import json
import os
from dataclasses import dataclass
from http.client import HTTPException
from urllib.request import ProxyHandler, build_opener

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

SECONDS = 5
"""The time limit of one check."""

# states of a service that do not change by waiting
_HOPELESS = {
    "disabled": "LocalStack runs without DynamoDB",
    "error": "LocalStack's DynamoDB failed to start",
}


@dataclass(frozen=True)
class Health:
    """The result of a check; `problem` is empty if DynamoDB works."""

    problem: str
    dynamodb: str | None = None
    version: str | None = None
    edition: str | None = None
    hopeless: bool = False


def check(endpoint: str) -> Health:
    """Ask `/_localstack/health`, then DynamoDB itself; errors become the `problem`."""
    try:
        # without a proxy, which cannot reach an address of this machine
        with build_opener(ProxyHandler({})).open(f"{endpoint}/_localstack/health", timeout=SECONDS) as reply:
            said = json.load(reply)
        state, version, edition = said["services"].get("dynamodb"), said.get("version"), said.get("edition")
    except (OSError, HTTPException, ValueError, LookupError, TypeError, AttributeError) as error:
        return Health(f"it does not answer yet ({_short(error)})")
    # the status is 200 even if a service failed, so its state counts; "available" starts at the first request
    if state not in ("running", "available"):
        problem = _HOPELESS.get(state, f"DynamoDB is {state or 'not there'}")
        return Health(problem, state, version, edition, hopeless=state in _HOPELESS)
    return Health(_request(endpoint), state, version, edition)


def _request(endpoint: str) -> str:
    """Return why DynamoDB cannot list its tables, or an empty text if it can."""
    # without the user's profile and AWS files, which may be broken
    nothing = {"profile": (None, None, None, None), "config_file": (None, None, os.devnull, None)}
    config = Config(connect_timeout=SECONDS, read_timeout=SECONDS, retries={"total_max_attempts": 1}, proxies={})
    try:
        client = Session(session_vars=nothing).create_client(
            "dynamodb",
            region_name="us-east-1",
            endpoint_url=endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=config,
        )
        client.list_tables(Limit=1)
    except ClientError as error:
        # the configured error probability refused the request: DynamoDB works
        return "" if error.response["Error"]["Code"] == "ProvisionedThroughputExceededException" else _short(error)
    except BotoCoreError as error:
        return _short(error)
    return ""


def _short(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
