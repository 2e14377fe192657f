"""What users import for their own tests: the plugin, the strategies, and the guide's example, run as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.helpers import differences

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "testing.md"


def run_pytest(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a directory, as a user would."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(directory)}
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=300)


def write_conftest(directory: Path) -> None:
    """Write the conftest.py that the guide asks for."""
    assert 'pytest_plugins = ["pipemodels.testing.plugin"]' in GUIDE.read_text()
    (directory / "conftest.py").write_text('pytest_plugins = ["pipemodels.testing.plugin"]\n')


def test_the_guides_example_runs(tmp_path: Path) -> None:
    """The example of docs/testing.md, copied into a file, passes."""
    write_conftest(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    (tmp_path / "test_example.py").write_text(example)
    result = run_pytest(tmp_path)
    assert "2 passed" in result.stdout, result.stdout + result.stderr


def test_each_fixture_gives_empty_tables_in_force(tmp_path: Path) -> None:
    """Two tests in a row on moto and on the embedded store: each starts empty, and leaves nothing behind.

    Each has a prefix of its own, so that tests may run at the same time on one store.
    """
    write_conftest(tmp_path)
    (tmp_path / "test_fixtures.py").write_text(
        textwrap.dedent("""
        import pytest
        from pipemodels import commands, current_config, queries, table_status
        from pipemodels.config import connection_of

        prefixes = set()

        @pytest.mark.parametrize("store", ["pipemodels_moto", "pipemodels_embedded"])
        @pytest.mark.parametrize("time", [1, 2])
        def test_starts_empty(store, time, request):
            config = request.getfixturevalue(store)
            assert current_config() is config
            assert config.table_prefix and config.table_prefix not in prefixes
            prefixes.add(config.table_prefix)
            assert [one.state for one in table_status()] == ["ACTIVE"] * 4
            assert queries.all_pipelines().count() == 0
            commands.create_pipeline(pipeline_id="p", pipeline_name="p", source_type="a", destination_type="b")

        def test_is_over(pipemodels_embedded_server):
            assert current_config().table_prefix == ""
            assert connection_of(pipemodels_embedded_server).list_tables()["TableNames"] == []
        """)
    )
    result = run_pytest(tmp_path)
    assert "5 passed" in result.stdout, result.stdout + result.stderr


def test_nothing_is_sent_to_another_store(tmp_path: Path) -> None:
    """Whatever the environment, the AWS files or an earlier `configure()` name; also by threads of the job."""
    write_conftest(tmp_path)
    (tmp_path / "config").write_text(
        "[default]\nservices = there\n[services there]\ndynamodb =\n  endpoint_url = ENDPOINT\n"
    )
    (tmp_path / "test_elsewhere.py").write_text(
        textwrap.dedent("""
        import os, pathlib, socket, threading
        import pytest
        from pipemodels import DynamoDBConfig, commands, configure, current_config, queries

        SETTINGS = [
            {"AWS_ENDPOINT_URL": "ENDPOINT"},
            {"AWS_ENDPOINT_URL_DYNAMODB": "ENDPOINT"},
            {"PIPEMODELS_STORE": "ENDPOINT"},
            {"AWS_CONFIG_FILE": "FILE"},
            {"AWS_PROFILE": "gone", "AWS_DEFAULT_REGION": "eu-west-1"},
            {"AWS_PROFILE": "", "AWS_USE_FIPS_ENDPOINT": "true"},
        ]

        @pytest.fixture(params=SETTINGS, ids=str)
        def elsewhere(request, monkeypatch, tmp_path):
            with socket.create_server(("127.0.0.1", 0)) as listener:
                endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
                text = (pathlib.Path(__file__).parent / "config").read_text()
                (tmp_path / "config").write_text(text.replace("ENDPOINT", endpoint))
                values = {"ENDPOINT": endpoint, "FILE": str(tmp_path / "config")}
                for name, value in request.param.items():
                    monkeypatch.setenv(name, values.get(value, value))
                earlier = DynamoDBConfig.for_local_development(endpoint, read_timeout_seconds=1, max_attempts=1)
                configure(earlier)
                yield
                assert current_config() is earlier  # as before the test
                configure(None)
                listener.setblocking(False)
                with pytest.raises(BlockingIOError):
                    listener.accept()

        @pytest.mark.parametrize("store", ["pipemodels_moto", "pipemodels_embedded"])
        def test_it(elsewhere, store, request):
            request.getfixturevalue(store)
            def job():
                commands.create_pipeline(pipeline_id="p", pipeline_name="p", source_type="a", destination_type="b")
            thread = threading.Thread(target=job)
            thread.start()
            thread.join()
            assert [one.pipeline_id for one in queries.all_pipelines()] == ["p"]
        """)
    )
    result = run_pytest(tmp_path)
    assert "12 passed" in result.stdout, result.stdout + result.stderr


def test_no_localstack_is_a_failure_that_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for and absent fails with the endpoint; it is no skip."""
    write_conftest(tmp_path)
    (tmp_path / "test_absent.py").write_text(
        "import os\nos.environ['PIPEMODELS_LOCALSTACK_ENDPOINT'] = 'http://127.0.0.1:9'\n"
        "def test_it(pipemodels_localstack): pass\n"
    )
    result = run_pytest(tmp_path)
    assert "no LocalStack at http://127.0.0.1:9" in result.stdout
    assert "1 error" in result.stdout, result.stdout + result.stderr


@pytest.mark.parametrize(("module", "needs"), [("plugin", "pytest"), ("strategies", "hypothesis")])
def test_without_the_extra_the_import_says_what_to_install(module: str, needs: str) -> None:
    """A missing library is named together with the pip line; the rest of the package imports."""
    program = (
        f"import sys; sys.modules['{needs}'] = None; import pipemodels.testing\n"
        f"try: import pipemodels.testing.{module}\n"
        "except ImportError as error: print(error)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert f'needs {needs}: pip install "pipemodels[test]"' in result.stdout


def test_the_guides_table_is_the_list_of_differences() -> None:
    """The table between the marks is the generated one; paste what this shows where it fails."""
    (shown,) = re.findall(r"<!-- differences -->\n(.*?)\n<!-- /differences -->", GUIDE.read_text(), re.DOTALL)
    assert shown == differences.table()


def test_every_difference_has_a_test() -> None:
    """Each name in the list marks a test, so that the list cannot outlive what it says."""
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    marked = set(re.findall(r'@differs\("([\w-]+)"\)', sources)) | (
        {"concurrency"} if "@concurrent" in sources else set()
    )
    assert marked == set(differences.DIFFERENCES)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("nowhere", "no such back end; moto, embedded, localstack or a URL"),
        ("http://127.0.0.1:9", "nothing answers at http://127.0.0.1:9"),
    ],
)
def test_a_back_end_that_is_absent_stops_the_suite(asked: str, message: str) -> None:
    """`--backend` of something that is not there is a usage error, before any test."""
    result = run_pytest(ROOT, "tests/integration/test_results.py", "--backend", asked)
    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert message in result.stderr
    assert "passed" not in result.stdout
