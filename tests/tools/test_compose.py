"""The compose file: what this project's own says, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from _localstack import compose
from _localstack.compose import Port, Service, Volume
from _localstack.errors import ComposeError

from .running import ROOT

FILE = ROOT / "docker-compose.localstack.yml"
LABELS = {"pipemodels.localstack": "pipemodels"}


def load(tmp_path: Path, document: Any, **environment: str) -> Service:
    """The service of a compose file of that content."""
    path = tmp_path / "compose.yml"
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return compose.load(path, environment)


def document() -> dict[str, Any]:
    """The project's own file, to be spoiled."""
    parsed: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return parsed


@pytest.fixture
def service(tmp_path: Path) -> Service:
    """The project's own file where nothing is set, whatever `.env` a developer has."""
    return load(tmp_path, FILE.read_text())


def test_the_file_without_settings_describes_the_free_image_on_this_machine_only(service: Service) -> None:
    """The whole service, but for its health check."""
    assert service == Service(
        container_name="pipemodels-localstack",
        image="localstack/localstack:4.14.0",
        network_mode="bridge",
        port=Port("127.0.0.1", 4566, 4566),
        environment={
            "SERVICES": "dynamodb,dynamodbstreams",
            "LOCALSTACK_AUTH_TOKEN": None,
            "PERSISTENCE": "0",
            "DYNAMODB_ERROR_PROBABILITY": "0",
            "DYNAMODB_READ_ERROR_PROBABILITY": "0",
            "DYNAMODB_WRITE_ERROR_PROBABILITY": "0",
            "DYNAMODB_REMOVE_EXPIRED_ITEMS": "0",
            "ENABLE_CONFIG_UPDATES": "1",
            "EAGER_SERVICE_LOADING": "1",
            "PROVIDER_OVERRIDE_DYNAMODB": "v2",
            "PROVIDER_OVERRIDE_DYNAMODBSTREAMS": "v2",
        },
        volume=Volume("pipemodels-localstack", "/var/lib/localstack", LABELS),
        labels=LABELS,
        healthcheck=service.healthcheck,
    )
    assert service.project == "pipemodels"


def test_the_health_check_compiles_and_its_times_are_in_nanoseconds(service: Service) -> None:
    """What the container's Python is given is a program, with the engine's units around it."""
    command, python, flag, program = service.healthcheck["test"]
    assert (command, python, flag) == ("CMD", "python3", "-c")
    compile(program, "healthcheck", "exec")
    times = {key: value for key, value in service.healthcheck.items() if key != "test"}
    assert times == {"interval": 5 * 10**9, "timeout": 5 * 10**9, "start_period": 60 * 10**9, "retries": 3}


def test_every_setting_reaches_the_container(tmp_path: Path) -> None:
    """Image, port, project, token and every passed-on variable come from the environment."""
    passed_on = {
        "PERSISTENCE": "1",
        "DYNAMODB_ERROR_PROBABILITY": "0.1",
        "DYNAMODB_READ_ERROR_PROBABILITY": "0.2",
        "DYNAMODB_WRITE_ERROR_PROBABILITY": "0.3",
        "DYNAMODB_REMOVE_EXPIRED_ITEMS": "1",
        "LOCALSTACK_AUTH_TOKEN": "ls-1",
    }
    named = {"LOCALSTACK_IMAGE": "mine:1", "LOCALSTACK_PORT": "4999", "LOCALSTACK_SERVICES": "dynamodb,s3"}
    service = load(tmp_path, FILE.read_text(), PIPEMODELS_LOCALSTACK_PROJECT="p", **named, **passed_on)
    assert service.environment == {**service.environment, **passed_on, "SERVICES": "dynamodb,s3"}
    assert (service.image, service.port, service.project) == ("mine:1", Port("127.0.0.1", 4999, 4566), "p")
    assert (service.container_name, service.volume.name) == ("p-localstack", "p-localstack")
    assert service.volume.labels == {"pipemodels.localstack": "p"}


def test_the_dotenv_file_beside_the_compose_file_is_read(tmp_path: Path) -> None:
    """Compose reads it too, also for a variable that is passed on by its name alone."""
    (tmp_path / ".env").write_text("LOCALSTACK_PORT=4999\nLOCALSTACK_AUTH_TOKEN=ls-1\n")
    service = load(tmp_path, FILE.read_text())
    assert service.port.host_port == 4999
    assert service.environment["LOCALSTACK_AUTH_TOKEN"] == "ls-1"


def test_a_mapping_and_a_list_of_pairs_say_the_same(tmp_path: Path) -> None:
    """Compose has two ways to write the environment and labels; a number becomes text, null is passed on."""
    spoiled = document()
    spoiled["services"]["localstack"]["environment"] = {"A": 1, "B": None, "C": "x=y", "D": ""}
    spoiled["services"]["localstack"]["labels"] = ["pipemodels.localstack=p"]
    service = load(tmp_path, spoiled, B="from outside")
    assert service.environment == {"A": "1", "B": "from outside", "C": "x=y", "D": ""}
    assert service.labels == {"pipemodels.localstack": "p"}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("image", None, "services.localstack.image must be a text"),
        ("image", "${UNSET}", "services.localstack.image must be a text that is not empty: ''"),
        ("image", "${UNSET:?name one}", "UNSET is needed: name one"),
        ("image", "$1", "not a variable that compose would read: '$1'"),
        ("container_name", "-", "not a valid container name: '-'"),
        ("restart", "always", "services.localstack has settings that this tool does not support: restart"),
        ("ports", [270166], "services.localstack.ports must be a list of one text"),
        ("ports", ["4566:4566"], "not ADDRESS:PORT:PORT"),
        ("ports", ["127.0.0.1:65536:4566"], "not ADDRESS:PORT:PORT with ports from 1 to 65535"),
        ("ports", ["127.0.0.1:0:4566"], "not ADDRESS:PORT:PORT with ports from 1 to 65535"),
        ("ports", ["127.0.0.1:1:1", "127.0.0.1:2:2"], "services.localstack.ports must be a list of one text"),
        ("environment", {"A": True}, "services.localstack.environment.A must be a text: True"),
        ("environment", "A=1", "services.localstack.environment must be a mapping"),
        ("volumes", ["/host:/var/lib/localstack"], "not VOLUME:/PATH"),
        ("volumes", ["nameless:/var/lib/localstack"], "volumes.nameless must be a mapping: None"),
        ("labels", {"other": "x"}, "services.localstack.labels lacks pipemodels.localstack"),
        ("labels", {"pipemodels.localstack": "${UNSET}"}, "services.localstack.labels lacks"),
        ("healthcheck", {"test": "curl"}, "services.localstack.healthcheck.test must be a list"),
        (
            "healthcheck",
            {"test": ["CMD", "x"], "interval": "soon"},
            "interval must be a duration such as 1m30s: 'soon'",
        ),
        ("healthcheck", {"test": ["CMD", "x"], "retries": "3"}, "retries must be a whole number: '3'"),
    ],
)
def test_a_service_that_is_not_understood_is_refused(tmp_path: Path, key: str, value: Any, message: str) -> None:
    """The error names the file, the place and the value."""
    spoiled = document()
    spoiled["services"]["localstack"][key] = value
    with pytest.raises(ComposeError) as caught:
        load(tmp_path, spoiled)
    assert str(caught.value).startswith("error: compose.yml: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services: [", "error: compose.yml is not YAML"),
        ("", "error: compose.yml: the file must be a mapping: None"),
        ("services: {}", "error: compose.yml: one service is expected, not 0"),
        ("services: {a: {}, b: {}}", "error: compose.yml: one service is expected, not 2: a, b"),
        (
            "services: {a: {}}\nnetworks: {}",
            "error: compose.yml: the file has settings that this tool does not support: networks",
        ),
    ],
)
def test_a_file_that_is_not_understood_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Neither a broken file nor an empty one is a traceback."""
    with pytest.raises(ComposeError) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(message)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The way out is to bring it back."""
    with pytest.raises(ComposeError, match=r"gone\.yml cannot be read") as caught:
        compose.load(tmp_path / "gone.yml", {})
    assert caught.value.way_out == "restore it with git"


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("5s", 5 * 10**9),
        ("1m30s", 90 * 10**9),
        ("500ms", 5 * 10**8),
        ("2h", 7200 * 10**9),
        ("1s500ms", 15 * 10**8),
    ],
)
def test_durations_are_read_as_compose_writes_them(tmp_path: Path, text: str, nanoseconds: int) -> None:
    """Hours, minutes, seconds and milliseconds, in that order."""
    spoiled = document()
    spoiled["services"]["localstack"]["healthcheck"] = {"test": ["CMD", "x"], "interval": text}
    assert load(tmp_path, spoiled).healthcheck["interval"] == nanoseconds
