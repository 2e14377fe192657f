"""What other versions of botocore, urllib3 and PynamoDB may do to their inside, as source that does it.

Each is named, and says how the one warning begins that it brings; None: it brings none, for nothing depends on it.
"""

from __future__ import annotations

import botocore

PRELUDE = '''
import inspect, textwrap

def rewrite(of, name, *words):
    """Have a function, of a class or a module, say some words otherwise."""
    function = inspect.unwrap(getattr(of, name))
    source = textwrap.dedent(inspect.getsource(function))
    for old, new in zip(words[::2], words[1::2]):
        assert old in source, (name, old)
        source = source.replace(old, new)
    found = {}
    exec(source.replace("super()", f"super({of.__name__}, self)"), function.__globals__, found)
    setattr(of, name, found[name])
'''
REQUESTS, MODELS = "requests and replies stay botocore's: ", "items are read and written as PynamoDB does: "

VERSIONS: dict[str, tuple[str, str | None]] = {
    "botocore 2": ("import botocore; botocore.__version__ = '2.0.0'", REQUESTS + "all (botocore 2.0.0 is not within"),
    "early": ("import botocore; botocore.__version__ = '1.12'", REQUESTS + "all (botocore 1.12 is not within"),
    "urllib3 3": ("import urllib3; urllib3.__version__ = '3.0'", REQUESTS + "all (urllib3 3.0 is not within"),
    "pynamodb 7": (
        "import pynamodb; pynamodb.__version__ = '7.0.0b1'", MODELS + "all (pynamodb 7.0.0b1 is not within",
    ),
    "no version": (
        "import botocore, pipemodels.config; botocore.__version__ = 'new'",
        REQUESTS + "all (botocore new is not within",
    ),
}  # fmt: skip

SIGNING: dict[str, tuple[str, str | None]] = {
    "a private function renamed": (
        """
from botocore import auth
auth.host_of_url = auth._host_from_url
rewrite(auth.SigV4Auth, "headers_to_sign", "_host_from_url", "host_of_url")
del auth._host_from_url
""",
        REQUESTS + "signing (ImportError: cannot import name '_host_from_url'",
    ),
    "a new header that is signed": (
        """
from botocore.auth import SigV4Auth
modify = SigV4Auth._modify_request_before_signing
def modified(self, request):
    modify(self, request)
    request.headers["X-Amz-New"] = "a"
SigV4Auth._modify_request_before_signing = modified
""",
        REQUESTS + "signing (PutItem: its headers differ: authorization, x-amz-new)",
    ),
    "a signature of another kind": (
        """
from botocore.auth import SigV4Auth
SigV4Auth.signature = lambda self, text, request: f"new{len(text)}"
""",
        REQUESTS + "signing (PutItem: its headers differ: authorization)",
    ),
    "one more argument": (
        """
from botocore.auth import SigV4Auth
rewrite(SigV4Auth, "add_auth", "self.signature(string_to_sign, request", "self.signature(string_to_sign, request, 1")
rewrite(SigV4Auth, "signature", "string_to_sign, request", "string_to_sign, request, more")
""",
        REQUESTS + "signing (TypeError: FastSigner.signature() takes 3",
    ),
    "the chooser of signers renamed": (
        """
from botocore.signers import RequestSigner
rewrite(RequestSigner, "sign", "self.get_auth_instance(", "self.choose_auth(")
RequestSigner.choose_auth = RequestSigner.get_auth_instance
del RequestSigner.get_auth_instance, RequestSigner.get_auth
""",
        REQUESTS + "signing (AttributeError: ",
    ),
}

PROTOCOL: dict[str, tuple[str, str | None]] = {
    "another JSON separator": (
        """
from botocore.serialize import JSONSerializer
rewrite(JSONSerializer, "serialize_to_request", "json.dumps(body)", "json.dumps(body, separators=(', ', ' : '))")
""",
        REQUESTS + "requests (PutItem: botocore writes its JSON in an unknown way)",
    ),
    "a header that follows from the parameters": (
        """
from botocore.serialize import JSONSerializer
serialize = JSONSerializer.serialize_to_request
def serialized(self, parameters, operation_model):
    request = serialize(self, parameters, operation_model)
    request["headers"]["X-Amz-Depth"] = str(len(parameters))
    return request
JSONSerializer.serialize_to_request = serialized
""",
        REQUESTS + "requests (PutItem: its headers differ: x-amz-depth)",
    ),
    "a serializer of another class": (
        """
from botocore import serialize
class Cbor(serialize.JSONSerializer): pass
serialize.SERIALIZERS["json"] = Cbor
""",
        REQUESTS + "requests (TypeError: the serializer is a Cbor)",
    ),
    "a parser that reads more": (
        """
from botocore.parsers import JSONParser
JSONParser._handle_json_body = lambda self, body, shape: {**self._parse_body_as_json(body), "New": 1}
""",
        REQUESTS + "replies (a reply to Query is read differently)",
    ),
    "a parser that reads values otherwise": (
        """
from botocore.parsers import BaseJSONParser, JSONParser
read = JSONParser._handle_map
def handle_map(self, shape, value):
    found = read(self, shape, value)
    return found | {"_new": {"S": "1"}} if shape.value.name == "AttributeValue" else found
BaseJSONParser._handle_map = JSONParser._handle_map = handle_map
""",
        REQUESTS + "replies (a reply to Query is read differently)",
    ),
    "the parser factory in another place": (
        """
from botocore.endpoint import Endpoint
for name in ("__init__", "_do_get_response"):
    rewrite(Endpoint, name, "self._response_parser_factory", "self._parsers")
""",
        REQUESTS + "replies (AttributeError: ",
    ),
    # what the fast way does not depend on
    "the preparer of requests renamed": (
        """
from botocore.awsrequest import AWSRequest
for name in ("__init__", "prepare"):
    rewrite(AWSRequest, name, "_request_preparer", "_maker")
""",
        None,
    ),
    "one more argument to _prepare_headers": (
        """
from botocore.awsrequest import AWSRequestPreparer
rewrite(AWSRequestPreparer, "prepare", "_prepare_headers(", "_prepare_headers(1, ")
rewrite(AWSRequestPreparer, "_prepare_headers", "(self, ", "(self, more, ")
""",
        None,
    ),
    "one more argument to _get_provider_params": (
        """
from botocore.regions import EndpointRulesetResolver
rewrite(EndpointRulesetResolver, "construct_endpoint", "_get_provider_params(", "_get_provider_params(1, ")
rewrite(EndpointRulesetResolver, "_get_provider_params", "(\\n    self,", "(\\n    self, more,")
""",
        None,
    ),
    "pools of another class": (
        """
from botocore import awsrequest
class Pool(awsrequest.AWSHTTPSConnectionPool): pass
awsrequest.AWSHTTPSConnectionPool = Pool
""",
        None,
    ),
}

# of parts that botocore has since 1.40, or then made longer
LATER: dict[str, tuple[str, str | None]] = {
    "the search for tables renamed": (
        """
from botocore.regions import EndpointRulesetResolver as Resolver
name = "_resolve_param_as_operation_context_param"
rewrite(Resolver, "_resolve_param_from_context", name, "_search")
Resolver._search = getattr(Resolver, name)
delattr(Resolver, name)
""",
        REQUESTS + "calls (AttributeError: ",
    ),
    "a User-Agent that counts": (
        """
from botocore.useragent import UserAgentString
built, times = UserAgentString.to_string, {}
def to_string(self):
    times[id(self)] = times.get(id(self), 0) + 1
    return built(self) + (" first" if times[id(self)] == 1 else " later")
UserAgentString.to_string = to_string
""",
        REQUESTS + "user_agent (PutItem: its headers differ: user-agent)",
    ),
    "a context that is kept elsewhere": (
        """
import botocore.session, botocore.client, botocore.useragent, botocore.context as context
context.find = context.get_context
rewrite(context, "start_as_current_context", "get_context()", "find()")
del context.get_context
""",
        REQUESTS + "user_agent (ImportError: cannot import name 'get_context'",
    ),
}

MSGSPEC: dict[str, tuple[str, str | None]] = {
    "msgspec 1": (
        "import msgspec; msgspec.__version__ = '1.0'",
        REQUESTS + "all (msgspec 1.0 is not within the tested",
    ),
    "a class of msgspec's removed": (
        "import msgspec; del msgspec.Raw",
        REQUESTS + "all (AttributeError: module 'msgspec' has no attribute 'Raw')",
    ),
}

PYNAMODB: dict[str, tuple[str, str | None]] = {
    "items are written otherwise": (
        """
from pynamodb.attributes import AttributeContainer
serialize = AttributeContainer._container_serialize
def serialized(self, null_check=True):
    return {name: value for name, value in serialize(self, null_check).items() if value != {"L": []}}
AttributeContainer._container_serialize = serialized
""",
        MODELS + "encoders (an item is written differently)",
    ),
    "items are read otherwise": (
        """
from pynamodb.attributes import NumberAttribute
NumberAttribute.deserialize = lambda self, value: float(value)
""",
        MODELS + "decoders (an item is read with other values)",
    ),
    "objects are made otherwise": (
        """
from pynamodb.attributes import AttributeContainer
defaults = AttributeContainer._set_defaults
def set_defaults(self, _user_instantiated=True):
    defaults(self, _user_instantiated)
    self.__dict__["new"] = True
AttributeContainer._set_defaults = set_defaults
""",
        MODELS + "encoders (an object is made with other values); decoders (an item is read with other values)",
    ),
    "a save has one parameter more": (
        """
from pynamodb.models import Model
saving = Model.get_save_kwargs_from_instance
def save(self, *args, **settings):
    return {**saving(self, *args, **settings), "ReturnValuesOnConditionCheckFailure": "NONE"}
Model.get_save_kwargs_from_instance = save
""",
        MODELS + "encoders (a save is written differently)",
    ),
    "a table under another name": (
        """
from pynamodb import attributes
attributes.READERS = attributes.DESERIALIZE_CLASS_MAP
for kind in (attributes.MapAttribute, attributes.ListAttribute):
    rewrite(kind, "deserialize", "DESERIALIZE_CLASS_MAP", "READERS")
del attributes.DESERIALIZE_CLASS_MAP
""",
        MODELS + "decoders (AttributeError: ",
    ),
}

IS_LATER = tuple(map(int, botocore.__version__.split(".")[:2])) >= (1, 40)
CHANGES = VERSIONS | SIGNING | PROTOCOL | MSGSPEC | PYNAMODB | (LATER if IS_LATER else {})
