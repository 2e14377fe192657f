"""DynamoDB's endpoint, region and profile from the environment and the AWS files, read as botocore reads them.

An empty variable counts as unset, here and in the sessions that this module creates.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from botocore import UNSIGNED
from botocore.config import Config as BotocoreConfig
from botocore.exceptions import BotoCoreError
from botocore.session import Session
from botocore.utils import is_valid_uri

from pipemodels.errors import ValidationError

_LOCALSTACK_HOST = "localhost.localstack.cloud"  # LocalStack's DNS name for the loopback address
_IGNORE = "ignore_configured_endpoint_urls"
_LEAST_KEY_LENGTH = 16  # of an AWS access key; only stand-ins for AWS accept shorter ones
# The settings that give a profile its credentials.
_CREDENTIALS = {
    "aws_access_key_id", "credential_process", "credential_source", "login_session", "role_arn", "sso_session",
    "sso_start_url", "web_identity_token_file",
}  # fmt: skip


@dataclass(frozen=True)
class Endpoint:
    """An endpoint URL, with the option, variable or kind of file that it comes from."""

    url: str
    source: str


def is_loopback(url: str | None) -> bool:
    """Return whether an endpoint is on the loopback interface of this machine."""
    try:
        host = (urlsplit(url or "").hostname or "").removesuffix(".")
    except ValueError:
        return False
    if host in {"localhost", _LOCALSTACK_HOST} or host.endswith(".localhost"):
        return True
    address = _address(host)
    return address is not None and (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))  # accepts short forms such as 127.1; makes no DNS lookup
    except (OSError, UnicodeError):
        return None


def without_password(url: str) -> str:
    """Return a URL with the text before its last `@` masked, for error messages."""
    return re.sub(r".*@", "***@", url, flags=re.DOTALL)


def url_problem(value: str) -> str | None:
    """Return why the text is not a valid endpoint URL, or None."""
    reason = "is not an endpoint URL, e.g. http://127.0.0.1:4566"
    try:
        parts = urlsplit(value)
        good = parts.scheme in {"http", "https"} and parts.port != 0 and is_valid_uri(value)
    except ValueError:
        return reason
    if parts.username or parts.password:
        return "must not contain credentials: give them as aws_access_key_id and aws_secret_access_key"
    return None if good and not re.search(r"[\s\x00-\x1f]", value) else reason


# -- the environment and the files ----------------------------------------------------------------------------


def profile_in(env: Mapping[str, str]) -> str | None:
    """Return the profile that the environment names."""
    return env.get("AWS_DEFAULT_PROFILE") or env.get("AWS_PROFILE") or None


def region_in(env: Mapping[str, str]) -> str | None:
    """Return the region that the environment names. Botocore itself reads only the second variable."""
    return env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or None


def store_in(env: Mapping[str, str], given: str | None = None) -> Endpoint | None:
    """Return the store to use: the given one, else `PIPEMODELS_STORE`, else the configured endpoint."""
    if given:
        return Endpoint(given, "--store")
    if store := env.get("PIPEMODELS_STORE"):
        return Endpoint(store, "PIPEMODELS_STORE")
    return configured_endpoint(env)


def configured_endpoint(env: Mapping[str, str]) -> Endpoint | None:
    """Return the endpoint that botocore would use, or None if none is configured or botocore is to ignore it."""
    ignored = env.get(_IGNORE_VARIABLE)
    if ignored and _is_true(ignored):
        return None
    profile = ProfileSettings.of(env)
    if not ignored and _is_true(profile.settings.get(_IGNORE)):
        return None
    for name in ("AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"):
        if url := env.get(name):
            return Endpoint(url, name)
    return Endpoint(profile.endpoint_url, "AWS configuration file") if profile.endpoint_url else None


def check_configured_endpoint(env: Mapping[str, str]) -> None:
    """Check that the configured endpoint is a URL. Botocore's own error does not name the variable.

    Raises:
        ValidationError: the endpoint is not a URL; the error names the variable.
    """
    endpoint = configured_endpoint(env)
    if endpoint and (reason := url_problem(endpoint.url)):
        raise ValidationError.of(endpoint.source, without_password(endpoint.url), reason)


_IGNORE_VARIABLE = f"AWS_{_IGNORE.upper()}"


def _is_true(text: object) -> bool:
    return isinstance(text, str) and text.lower() == "true"  # as in botocore, 1 is not true


@dataclass(frozen=True)
class ProfileSettings:
    """The settings in the AWS files of the profile that the environment names, or of the default profile.

    They are empty if the files cannot be read or the profile does not exist. A connection that needs them raises an
    error later.
    """

    settings: Mapping[str, Any]
    services: Mapping[str, Any]

    @classmethod
    def of(cls, env: Mapping[str, str]) -> ProfileSettings:
        """Read the AWS files."""
        session = Session(profile=profile_in(env))
        # use only the profile given above: os.environ may hold another one, or an empty one
        session.session_var_map["profile"] = (None, None, None, None)
        for name in ("config_file", "credentials_file"):
            _, variable, default, _ = Session.SESSION_VARIABLES[name]
            session.set_config_variable(name, env.get(variable) or default)
        try:
            settings = session.get_scoped_config()
            services = session.full_config.get("services", {}).get(settings.get("services"), {})
        except (BotoCoreError, OSError, UnicodeError):
            return cls({}, {})
        return cls(settings, services)

    @property
    def endpoint_url(self) -> str | None:
        """The endpoint for DynamoDB in the profile's services section, else the endpoint for all services."""
        section = self.services.get("dynamodb", {})
        own = section.get("endpoint_url") if isinstance(section, Mapping) else None
        return own or self.settings.get("endpoint_url") or None

    @property
    def region(self) -> str | None:
        """The region of the profile."""
        return self.settings.get("region") or None

    @property
    def has_credentials(self) -> bool:
        """Whether the profile has a source of credentials."""
        return not _CREDENTIALS.isdisjoint(self.settings)


def aws_endpoint(env: Mapping[str, str]) -> str:
    """Return the endpoint of AWS itself, ignoring any configured endpoint. Makes no request."""
    profile = ProfileSettings.of(env)
    region = region_in(env) or profile.region or "us-east-1"
    config = BotocoreConfig(ignore_configured_endpoint_urls=True, signature_version=UNSIGNED)
    session = Session(session_vars=dict(_variables(_without_files)))
    for name in ("use_fips_endpoint", "use_dualstack_endpoint"):
        session.set_config_variable(name, env.get(f"AWS_{name.upper()}") or profile.settings.get(name))
    return str(session.create_client("dynamodb", region, config=config).meta.endpoint_url)


# -- sessions -------------------------------------------------------------------------------------------------

_Variable = tuple[Any, list[str], Any, Callable[[str], Any] | None]


def needs_no_files(key_id: str | None, region: str | None, endpoint_url: str | None, profile: str | None) -> bool:
    """Return whether a connection with these settings needs no AWS files, because it does not go to AWS.

    Args:
        key_id: the access key; a key that is shorter than those of AWS is for a stand-in, on any host.
        region: the region; if None, `AWS_DEFAULT_REGION` must be set.
        endpoint_url: the endpoint; if None, the AWS files may name it, so they are needed.
        profile: the profile; if it is given, the AWS files are needed to find it.
    """
    if not key_id or not endpoint_url or profile or not (region or os.environ.get("AWS_DEFAULT_REGION")):
        return False
    return is_loopback(endpoint_url) or len(key_id) < _LEAST_KEY_LENGTH


def session_without_files(endpoint_url: str | None) -> Session:
    """Return a session that reads no AWS files, and only the environment variables for region and TLS."""
    is_tls = (endpoint_url or "").lower().startswith("https:")
    return Session(session_vars=dict(_variables(_without_files_for_tls if is_tls else _without_files)))


def session_of(profile: str | None) -> Session:
    """Return a session with botocore's usual settings, in which empty variables count as unset."""
    return Session(session_vars=dict(_variables(_as_it_is)), profile=profile)


def _variables(change: Callable[[str, _Variable], _Variable]) -> Iterator[tuple[str, _Variable]]:
    for name, (in_file, names, default, convert) in Session.SESSION_VARIABLES.items():
        candidates = [names] if isinstance(names, str) else names or []
        given = [variable for variable in candidates if os.environ.get(variable)]
        yield name, change(name, (in_file, given, default, convert and _named(name, given, convert)))


def _as_it_is(_name: str, variable: _Variable) -> _Variable:
    return variable


def _without_files(name: str, variable: _Variable) -> _Variable:
    _, given, default, convert = variable
    if name in {"config_file", "credentials_file"}:
        return None, [], None, None
    return None, given if name == "region" else [], default, convert


def _without_files_for_tls(name: str, variable: _Variable) -> _Variable:
    return (None, *variable[1:]) if name == "ca_bundle" else _without_files(name, variable)


def _named(name: str, given: list[str], convert: Callable[[str], Any]) -> Callable[[str], Any]:
    def converted(text: str) -> Any:
        try:
            return convert(text)
        except ValueError:
            raise ValidationError.of(given[0] if given else name, text, "is not a valid number") from None

    return converted
