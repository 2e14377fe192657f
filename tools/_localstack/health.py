"""Whether LocalStack's DynamoDB works: by LocalStack's own word, and by one real request."""

import json
import os
from dataclasses import dataclass
from http.client import HTTPException
from urllib.request import ProxyHandler, build_opener

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

SECONDS = 5
"""How long one question may take."""

# states of a service that no waiting changes
_HOPELESS = {
    "disabled": "LocalStack runs without DynamoDB",
    "error": "LocalStack's DynamoDB failed to start",
}


@dataclass(frozen=True)
class Health:
    """What was found; `problem` is empty where DynamoDB works."""

    problem: str
    dynamodb: str | None = None
    version: str | None = None
    edition: str | None = None
    hopeless: bool = False


def check(endpoint: str) -> Health:
    """Asks `/_localstack/health`, then DynamoDB itself; raises nothing of its own."""
    try:
        # no proxy: it would be asked for an address of this machine
        with build_opener(ProxyHandler({})).open(f"{endpoint}/_localstack/health", timeout=SECONDS) as reply:
            said = json.load(reply)
        state, version, edition = said["services"].get("dynamodb"), said.get("version"), said.get("edition")
    except (OSError, HTTPException, ValueError, LookupError, TypeError, AttributeError) as error:
        return Health(f"it does not answer yet ({_short(error)})")
    # the reply is 200 whatever has failed, so its text counts; "available" starts at the first request
    if state not in ("running", "available"):
        problem = _HOPELESS.get(state, f"DynamoDB is {state or 'not there'}")
        return Health(problem, state, version, edition, hopeless=state in _HOPELESS)
    return Health(_request(endpoint), state, version, edition)


def _request(endpoint: str) -> str:
    """What keeps DynamoDB from listing its tables; empty where nothing does."""
    # without the user's profile and files, which may name what is not there
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
        # refused by an error probability, as it was asked to: DynamoDB is there
        return "" if error.response["Error"]["Code"] == "ProvisionedThroughputExceededException" else _short(error)
    except BotoCoreError as error:
        return _short(error)
    return ""


def _short(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
