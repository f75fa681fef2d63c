from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from prio_middleware import ConfigurationError, Settings
from prio_middleware._util.secret import Secret
from prio_middleware.settings import ClientSettings
from prio_middleware.settings.client import KEYS
from prio_middleware.settings.layers import variable
from prio_middleware.settings.sources import Sources, absolute_paths
from prio_middleware.settings.token_store import TokenStore
from tests.settings.pipes import wait_shortly

Write = Callable[[str, str], Path]

TOML = 'client_id = "from-toml"\nclient_secret = "s"\n'


@pytest.fixture
def serve(directory: Path) -> Callable[..., Path]:
    """Serves texts through a named pipe, once."""

    def write_into(path: Path, texts: tuple[str, ...]) -> None:
        with path.open("wb", buffering=0) as pipe:
            for text in texts:
                pipe.write(text.encode())

    def serve_file(name: str, *texts: str) -> Path:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(path, 0o600)
        threading.Thread(target=write_into, args=(path, texts), daemon=True).start()
        return path

    return serve_file


def _source_of(key: str) -> str:
    return Settings().provenance()[key]


def test_three_lines_make_a_client(write: Write) -> None:
    write("prio.toml", 'environment = "sandbox"\nclient_id = "shop@example.com"\nclient_secret = "p@ss!#$%"\n')
    client = Settings().client()
    assert client.base_url == "https://sandbox-distributor-api.prioticket.com/v3.8/distributor"
    assert client.client_id == "shop@example.com"
    assert client.client_secret == Secret("p@ss!#$%")


def test_variables_make_a_client(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIO_CLIENT_ID", "shop")
    monkeypatch.setenv("PRIO_CLIENT_SECRET", "s")
    monkeypatch.setenv("PRIO_APP__NAME", "web shop")
    monkeypatch.setenv("PRIO_READ_TIMEOUT", "12.5")
    monkeypatch.setenv("PRIO_HTTP2", "true")
    monkeypatch.setenv("PRIO_ALLOWED_ORIGINS", "https://a.example, https://b.example")
    client = Settings().client()
    assert (client.app.name, client.read_timeout, client.http2) == ("web shop", 12.5, True)
    assert client.allowed_origins == ("https://a.example", "https://b.example")


def test_variables_nest(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIO_CLIENTS__BERLIN_2__CLIENT_ID", "berlin")
    monkeypatch.setenv("PRIO_CLIENTS__BERLIN_2__CLIENT_SECRET", "s")
    monkeypatch.setenv("PRIO_CLIENTS__BERLIN_2__APP__NAME", "kiosk")
    client = Settings().client("berlin_2")
    assert (client.client_id, client.app.name) == ("berlin", "kiosk")


def test_precedence(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("secrets/prio_scope", "from-secrets")
    monkeypatch.setenv("PRIO_SECRETS_DIR", "secrets")
    write("prio.toml", TOML)
    assert (Settings().client().scope, _source_of("scope")) == ("from-secrets", "PRIO_SCOPE in secrets")
    write("prio.toml", TOML + 'scope = "from-toml"\n')
    assert (Settings().client().scope, _source_of("scope")) == ("from-toml", "prio.toml: scope")
    write(".env", "PRIO_SCOPE=from-dotenv\n")
    assert (Settings().client().scope, _source_of("scope")) == ("from-dotenv", "PRIO_SCOPE in .env")
    monkeypatch.setenv("PRIO_SCOPE", "from-environment")
    assert (Settings().client().scope, _source_of("scope")) == ("from-environment", "PRIO_SCOPE")
    settings = Settings(scope="from-argument")
    assert (settings.client().scope, settings.provenance()["scope"]) == ("from-argument", "argument scope")


def test_tables_are_merged_across_sources(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("prio.toml", TOML + '[app]\nname = "shop"\nversion = "1"\n[params]\ntenant = "a"\n')
    monkeypatch.setenv("PRIO_APP__VERSION", "2")
    settings = Settings(params={"region": "eu"})
    assert (settings.client().app.name, settings.client().app.version) == ("shop", "2")
    assert settings.client().params == (("region", Secret("eu")), ("tenant", Secret("a")))
    assert settings.provenance() == {
        "app.name": "prio.toml: app.name",
        "app.version": "PRIO_APP__VERSION",
        "client_id": "prio.toml: client_id",
        "client_secret": "prio.toml: client_secret",
        "params.region": "argument params.region",
        "params.tenant": "prio.toml: params.tenant",
    }


def test_arguments_of_none_are_not_given(write: Write) -> None:
    write("prio.toml", TOML + '[app]\nname = "shop"\n')
    client = Settings(client_id=None, app={"name": None}).client()
    assert (client.client_id, client.app.name) == ("from-toml", "shop")


def test_from_values_reads_nothing_else(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("prio.toml", 'scope = "from-toml"\n')
    write(".env", "PRIO_SCOPE=from-dotenv\n")
    monkeypatch.setenv("PRIO_SCOPE", "from-environment")
    assert Settings.from_values(client_id="shop", client_secret="s").client().scope is None


TOML_MISTAKES: list[tuple[str, str]] = [
    ("client_id = \n", "prio.toml: expected TOML: Invalid value (at line 1, column 13)"),
    ("a = " + "[" * 20_000, "prio.toml: expected TOML"),
    ("clients = 3\n", "prio.toml: clients: expected a table for each client"),
    ("[clients]\nberlin = 3\n", "prio.toml: clients.berlin: expected a table with the settings of this client"),
    (
        "[clients]\nscop = 'x'\n",
        "prio.toml: clients.scop: expected a table with the settings of this client; did you mean 'scope'?",
    ),
    ("[client.berlin]\nscope = 'x'\n", "prio.toml: client: no such setting; did you mean 'clients'?"),
    (
        "[clients.berlin]\nbase_ulr = 'x'\n",
        "prio.toml: clients.berlin.base_ulr: no such setting; did you mean 'base_url'?",
    ),
    ("[clients.berlin]\nclients = {}\n", "prio.toml: clients.berlin.clients: no such setting"),
    ("name = 'x'\n", "prio.toml: name: no such setting"),
    ("app = 'x'\n", "prio.toml: app: expected a table"),
    ("app.nam = 'x'\n", "prio.toml: app.nam: no such setting; did you mean 'name'?"),
    ("allowed_origins = ['https://a.example', 'b']\n", "prio.toml: allowed_origins: expected a URL"),
]


WITHOUT_TABLE: list[str] = ["", "[tool.other]\nx = 1\n", "tool = 3\n"]


class TestTomlFile:
    def test_pyproject_has_a_table_for_it(self, write: Write) -> None:
        write("pyproject.toml", '[project]\nname = "shop"\n[tool.prio_middleware]\n' + TOML)
        assert Settings().client().client_id == "from-toml"
        assert _source_of("client_id") == "pyproject.toml: client_id"

    def test_pyproject_may_have_none(self, write: Write, subtests: pytest.Subtests) -> None:
        for text in WITHOUT_TABLE:
            with subtests.test(str(text)):
                write("pyproject.toml", text)
                assert Settings(client_id="shop", client_secret="s").client().client_id == "shop"

    def test_prio_toml_goes_before_pyproject(self, write: Write) -> None:
        write("pyproject.toml", '[tool.prio_middleware]\nscope = "from-pyproject"\n')
        write("prio.toml", TOML)
        assert Settings().client().scope is None

    @pytest.mark.parametrize("name", ["other.toml", "deep/pyproject.toml"])
    def test_another_can_be_named(self, write: Write, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        write("prio.toml", 'scope = "from-prio-toml"\n')
        path = write(name, ("[tool.prio_middleware]\n" if "pyproject" in name else "") + TOML)
        monkeypatch.setenv("PRIO_CONFIG", name)
        assert Settings().client().client_id == "from-toml"
        monkeypatch.setenv("PRIO_CONFIG", "absent.toml")
        assert Settings(config=path).client().scope is None

    def test_dotenv_can_name_it(self, write: Write) -> None:
        write(".env", "PRIO_CONFIG=other.toml\n")
        write("other.toml", TOML)
        assert Settings().client().client_id == "from-toml"

    def test_file_names_are_relative_to_the_file(self, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        write(
            "etc/prio.toml",
            'client_id = "shop"\nclient_secret_file = "secret"\n[clients.b]\nclient_id="b"\nclient_secret_file="b"\n',
        )
        write("etc/secret", "from-file")
        write("etc/b", "from-b")
        monkeypatch.setenv("PRIO_CONFIG", "etc/prio.toml")
        secrets = [client.client_secret for client in Settings().clients.values()]
        assert secrets == [Secret("from-file"), Secret("from-b")]
        assert Settings().client().client_secret_file == Path.cwd() / "etc/secret"

    def test_every_setting_that_is_a_file_is_relative_to_the_file_that_names_it(self, directory: Path) -> None:
        names = [name for name, field in ClientSettings.model_fields.items() if "Path" in str(field.annotation)]
        store = [name for name, field in TokenStore.model_fields.items() if "Path" in str(field.annotation)]
        absolute = absolute_paths({**dict.fromkeys(names, "x"), "token_store": dict.fromkeys(store, "x")}, directory)

        assert {"token_file", "headers_file", "cert_file"} <= set(names)
        assert absolute == {
            **dict.fromkeys(names, directory / "x"),
            "token_store": dict.fromkeys(store, directory / "x"),
        }

    def test_mistakes_name_file_key_and_what_was_expected(
        self, write: Write, complaint: Callable[..., str], subtests: pytest.Subtests
    ) -> None:
        for text, expected in TOML_MISTAKES:
            with subtests.test(expected):
                write("prio.toml", text)
                assert expected in complaint()

    def test_pyproject_table_that_is_none(self, write: Write, complaint: Callable[..., str]) -> None:
        write("pyproject.toml", "[tool]\nprio_middleware = 3\n")
        assert "pyproject.toml: tool.prio_middleware: expected a table" in complaint()

    def test_a_file_that_is_named_must_be_there(self, complaint: Callable[..., str]) -> None:
        assert "absent.toml cannot be read (No such file or directory)" in complaint(config="absent.toml")

    def test_files_that_hold_no_text(self, directory: Path, complaint: Callable[..., str]) -> None:
        (directory / "prio.toml").write_bytes(b"\xff\xfe")
        assert "prio.toml is not text in UTF-8" in complaint()
        (directory / "prio.toml").write_bytes(b"#" * 1024 * 1024 + b"#")
        assert "prio.toml is longer than 1048576 bytes" in complaint()

    def test_a_directory_is_no_file(self, directory: Path, complaint: Callable[..., str]) -> None:
        (directory / "prio.toml").mkdir()
        assert "prio.toml cannot be read (Is a directory)" in complaint()

    def test_a_source_is_named_by_text(self, complaint: Callable[..., str]) -> None:
        assert "argument config: expected a file name" in complaint(config=3)

    def test_a_file_outside_is_shown_with_its_whole_path(
        self, directory: Path, tmp_path_factory: pytest.TempPathFactory, complaint: Callable[..., str]
    ) -> None:
        path = tmp_path_factory.mktemp("etc") / "prio.toml"
        path.write_text("scop = 'x'", encoding="utf-8")
        assert f"{path}: scop: no such setting" in complaint(config=path)


class TestDotenv:
    def test_values_are_literal(self, write: Write) -> None:
        write(".env", "OTHER=1\nexport PRIO_CLIENT_ID=shop\nPRIO_CLIENT_SECRET='a${HOME}#b$c'\nPRIO_SCOPE\n")
        client = Settings().client()
        assert client.client_secret == Secret("a${HOME}#b$c")
        assert client.scope is None

    def test_another_can_be_named(self, write: Write) -> None:
        write("staging.env", "PRIO_CLIENT_ID=shop\nPRIO_CLIENT_SECRET=s\n")
        assert Settings(env_file="staging.env").provenance()["client_id"] == "PRIO_CLIENT_ID in staging.env"

    def test_a_named_dotenv_file_must_exist(self, complaint: Callable[..., str]) -> None:
        assert "absent.env cannot be read" in complaint(env_file="absent.env")

    def test_a_directory_named_dotenv_is_ignored(self, directory: Path) -> None:
        (directory / ".env").mkdir()
        assert Settings(client_id="shop", client_secret="s").client().client_id == "shop"


class TestPipes:
    """Password managers serve ``.env`` and secrets through named pipes: what is written is there once, for one reader."""

    def test_dotenv_is_read(self, write: Write, serve: Callable[[str, str], Path]) -> None:
        write("secret", "from-file")
        serve(".env", "PRIO_CLIENT_ID=shop\nPRIO_CLIENT_SECRET_FILE=secret\n")
        assert Settings().client().client_secret == Secret("from-file")

    def test_a_pipe_that_is_written_piece_by_piece_is_read_to_its_end(
        self, directory: Path, serve: Callable[..., Path]
    ) -> None:
        path = serve("config.toml", 'client_id = "shop"\n', '[app]\nname = "web"\n', 'version = "1"\n')
        app = Settings(config=path, client_secret="s").client().app
        assert (app.name, app.version) == ("web", "1")

    def test_secret_files_are_read(self, serve: Callable[[str, str], Path]) -> None:
        serve("run/prio_client_secret", "from-pipe\n")
        client_id = serve("key", "hush\n")
        assert Settings(client_id="shop", secrets_dir="run").client().client_secret == Secret("from-pipe")
        assert ClientSettings(client_id="shop", client_secret_file=client_id).client_secret == Secret("hush")

    def test_no_more_is_read_of_a_pipe_than_of_a_file(
        self, serve: Callable[[str, str], Path], complaint: Callable[..., str]
    ) -> None:
        path = serve("secret", "x" * (64 * 1024 + 1))
        assert "is longer than 65536 bytes" in complaint(client_id="shop", client_secret_file=path)

    @pytest.mark.pitfall(id="silent-pipe")
    def test_a_pipe_without_a_writer_is_an_error_after_a_while(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch, complaint: Callable[..., str]
    ) -> None:
        wait_shortly(monkeypatch)
        os.mkfifo(".env")
        assert ".env is a pipe" in complaint()

    def test_a_pipe_whose_writer_never_ends_is_an_error_after_a_while(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch, complaint: Callable[..., str]
    ) -> None:
        wait_shortly(monkeypatch)
        os.mkfifo("secret")
        writer = os.open("secret", os.O_RDWR)
        os.write(writer, b"hush-canary")
        said = complaint(client_id="shop", client_secret_file="secret")
        os.close(writer)
        assert "secret is a pipe" in said
        assert "canary" not in said


class TestSecretsDirectory:
    def test_files_are_named_like_variables(self, write: Write) -> None:
        write("run/prio_client_id", "shop\n")
        write("run/PRIO_CLIENT_SECRET", "from-file\r\n")
        write("run/prio_clients__berlin__client_id", "berlin")
        write("run/prio_clients__berlin__client_secret", "s")
        write("run/database_password", "x")
        settings = Settings(secrets_dir="run")
        assert settings.client().client_secret == Secret("from-file")
        assert settings.client("berlin").client_id == "berlin"
        assert settings.provenance()["client_secret"] == "PRIO_CLIENT_SECRET in run"

    def test_the_secrets_directory_must_exist(self, complaint: Callable[..., str]) -> None:
        assert "absent cannot be read (No such file or directory); expected a directory" in complaint(secrets_dir="absent")

    def test_the_secrets_directory_must_be_a_directory(self, write: Write, complaint: Callable[..., str]) -> None:
        write("file", "x")
        assert "file cannot be read (Not a directory); expected a directory" in complaint(secrets_dir="file")

    def test_an_empty_file_is_an_error(self, write: Write, complaint: Callable[..., str]) -> None:
        write("run/prio_client_secret", "\n")
        assert "run/prio_client_secret is empty; expected the secret" in complaint(secrets_dir="run")


class TestEmptyVariables:
    """Compose files set a variable to nothing where its own is not set."""

    @pytest.mark.pitfall(id="empty-variable")
    def test_empty_variables_are_not_set(self, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        write(".env", "PRIO_SCOPE=\nPRIO_PROXY=\nPRIO_CLIENTS__BERLIN=\n")
        write("prio.toml", TOML + 'scope = "from-toml"\n')
        for name in ("CLIENT_ID", "CLIENT_SECRET", "CONFIG", "ENV_FILE", "SECRETS_DIR", "APP__NAME", "READ_TIMEOUT", "SCOPEE"):
            monkeypatch.setenv(f"PRIO_{name}", "")
        client = Settings().client()
        assert (client.client_id, client.scope) == ("from-toml", "from-toml")

    def test_empty_variables_are_named_where_a_setting_is_missing(
        self, complaint: Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PRIO_CLIENT_SECRET", "")
        monkeypatch.setenv("PRIO_HOME", "")
        assert "empty, and so ignored: PRIO_CLIENT_SECRET\n" in complaint(client_id="shop")
        assert "counts as not set" not in complaint(client_id="shop", client_secret="s", read_timeout=-1)


NAMED_SOURCES: list[tuple[str, str, str]] = [
    ("PRIO_CONFIG", "absent.toml", "PRIO_CONFIG: absent.toml cannot be read"),
    ("PRIO_CONFIG", "bad.toml", "PRIO_CONFIG: bad.toml: expected TOML"),
    ("PRIO_CONFIG", ".", "PRIO_CONFIG: . cannot be read"),
    ("PRIO_ENV_FILE", "absent.env", "PRIO_ENV_FILE: absent.env cannot be read"),
    ("PRIO_SECRETS_DIR", "absent", "absent cannot be read"),
]


class TestSourcesNamedByVariables:
    def test_an_error_names_the_variable(self, write: Write, complaint: Callable[..., str], subtests: pytest.Subtests) -> None:
        for name, value, expected in NAMED_SOURCES:
            with subtests.test(f"{name}={value}"), pytest.MonkeyPatch.context() as monkeypatch:
                write("bad.toml", "= 1")
                monkeypatch.setenv(name, value)
                assert expected in complaint()
                assert f"{name}: " in complaint()

    def test_an_error_names_the_variable_of_a_source_that_dotenv_names(
        self, write: Write, complaint: Callable[..., str]
    ) -> None:
        write(".env", "PRIO_CONFIG=absent.toml\n")
        assert "PRIO_CONFIG in .env: absent.toml cannot be read" in complaint()

    def test_an_error_names_the_argument_of_a_source(self, complaint: Callable[..., str]) -> None:
        assert "argument config: absent.toml cannot be read" in complaint(config="absent.toml")


SERVICES: list[str] = ["TOKEN_STORE", "CLIENT", "TOKEN_STORE__A", "CLIENTS__BERLIN"]


class TestVariablesOfServices:
    """Kubernetes sets some for each service of the namespace."""

    SERVICE: ClassVar = {
        "SERVICE_HOST": "10.0.0.11",
        "SERVICE_PORT": "6379",
        "SERVICE_PORT_REDIS": "6379",
        "PORT": "tcp://10.0.0.11:6379",
        "PORT_6379_TCP": "tcp://10.0.0.11:6379",
        "PORT_6379_TCP_PROTO": "tcp",
        "PORT_6379_TCP_PORT": "6379",
        "PORT_6379_TCP_ADDR": "10.0.0.11",
    }

    @pytest.mark.pitfall(id="service-variables")
    def test_variables_of_services_are_ignored(self, directory: Path, subtests: pytest.Subtests) -> None:
        for service in SERVICES:
            with subtests.test(str(service)), pytest.MonkeyPatch.context() as monkeypatch:
                for name, value in self.SERVICE.items():
                    monkeypatch.setenv(f"PRIO_{service}_{name}", value)
                settings = Settings(client_id="shop", client_secret="s")
                assert settings.client().token_store is None
                assert list(settings.clients) == ["default"]

    def test_variables_of_services_are_not_named_where_a_setting_is_missing(
        self, complaint: Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in self.SERVICE.items():
            monkeypatch.setenv(f"PRIO_REDIS_{name}", value)
        assert "REDIS" not in complaint(client_id="shop")

    def test_a_value_that_is_no_address_is_an_error(
        self, complaint: Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PRIO_TOKEN_STORE_PORT", "6379")
        assert "PRIO_TOKEN_STORE_PORT: no such variable" in complaint(client_id="shop", client_secret="s")

    def test_no_setting_is_taken_for_one(self) -> None:
        for path in [(*table, key) for table, keys in KEYS.items() for key in keys]:
            sources = Sources(Path.cwd())
            sources.add_variables({variable(path): "tcp://10.0.0.11:6379"})
            assert sources.layers[0].has(path), path


VARIABLES: list[tuple[str, str | None]] = [
    ("PRIO_CLIENT_SECRETT", "PRIO_CLIENT_SECRETT: no such variable; did you mean 'PRIO_CLIENT_SECRET'?"),
    ("PRIO_CLIENTSECRET", "PRIO_CLIENTSECRET: no such variable; did you mean 'PRIO_CLIENT_SECRET'?"),
    ("PRIO_ENVIROMENT", "PRIO_ENVIROMENT: no such variable; did you mean 'PRIO_ENVIRONMENT'?"),
    ("PRIO_CLIENT__BERLIN__SCOPE", "PRIO_CLIENT__BERLIN__SCOPE: no such variable; did you mean 'PRIO_CLIENTS'?"),
    ("PRIO_CONFIGG", "PRIO_CONFIGG: no such variable; did you mean 'PRIO_CONFIG'?"),
    ("PRIO_CLIENT_ID__X", "PRIO_CLIENT_ID__X: no such variable; did you mean 'PRIO_CLIENT_ID'?"),
    ("PRIO_CLIENTS__BERLIN__SCOP", "PRIO_CLIENTS__BERLIN__SCOP: no such setting; did you mean 'scope'?"),
    ("PRIO_CLIENTS__BERLIN", "PRIO_CLIENTS__BERLIN: expected a table with the settings of this client"),
    ("PRIO_CLIENTS", "PRIO_CLIENTS: expected a table for each client"),
    ("PRIO_CLIENTS___BERLIN__SCOPE", "PRIO_CLIENTS___BERLIN: expected a client name"),
    ("PRIO_APP__NAM", "PRIO_APP__NAM: no such setting; did you mean 'name'?"),
    ("PRIO_NAME", None),
    ("PRIO_HOME", None),
    ("PRIO_PORT", None),
    ("PRIO_PORT_443_TCP_ADDR", None),
    ("PRIO_SERVICE_HOST", None),
    ("PRIO_SERVICE_PORT_HTTPS", None),
    ("PRIO_", None),
    ("PRIO", None),
    ("PRIORITY", None),
]


class TestNamesOfVariables:
    def test_a_slip_is_an_error_and_a_foreign_name_is_not(self, directory: Path, subtests: pytest.Subtests) -> None:
        for name, expected in VARIABLES:
            with subtests.test(name), pytest.MonkeyPatch.context() as monkeypatch:
                monkeypatch.setenv(name, "hush-canary")
                if expected is None:
                    Settings(client_id="shop", client_secret="s")
                    continue
                with pytest.raises(ConfigurationError) as caught:
                    Settings(client_id="shop", client_secret="s")
                assert expected in str(caught.value)
                assert "canary" not in str(caught.value)

    def test_foreign_names_are_told_when_something_is_missing(
        self, complaint: Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PRIO_SECRET", "x")
        assert "set, but not settings of prio_middleware: PRIO_SECRET" in complaint(client_id="shop")
        assert "PRIO_SECRET," not in complaint(client_id="shop", client_secret="s", read_timeout=-1)

    def test_case_does_not_matter(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("prio_client_id", "shop")
        monkeypatch.setenv("Prio_Client_Secret", "s")
        assert Settings().client().client_id == "shop"
