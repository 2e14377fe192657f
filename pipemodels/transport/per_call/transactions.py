"""The tables of a transaction, by which botocore chooses the endpoint, without a JMESPath search."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from pipemodels.transport.lazy import Written

TABLES = "TransactItems[*].[ConditionCheck.TableName, Put.TableName, Delete.TableName, Update.TableName][]"
_ACTIONS = {"ConditionCheck", "Put", "Delete", "Update"}


def install(client: Any) -> None:
    """Make a client look up the tables of a transaction in its actions."""
    resolver = client._ruleset_resolver
    search = resolver._resolve_param_as_operation_context_param

    def look_up(param_name: str, operation_model: Any, call_args: Any) -> Any:
        parameters = operation_model.operation_context_parameters
        if param_name in parameters and parameters[param_name].get("path") == TABLES:
            with suppress(LookupError, TypeError, ValueError, AttributeError):  # an unusual request is searched
                return tables_of(call_args["TransactItems"])
        return search(param_name, operation_model, call_args)

    resolver._resolve_param_as_operation_context_param = look_up


def tables_of(items: Any) -> list[str]:
    """Return the table of each action of a transaction, in order."""
    found: list[Any] = []
    for item in items:
        ((action, parameters),) = item.items()
        found.append(parameters.table if type(parameters) is Written else parameters["TableName"])
        if action not in _ACTIONS or found[-1] is None:
            raise LookupError
    return found
