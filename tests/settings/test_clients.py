from __future__ import annotations

from typing import Any

import pytest

from prio_middleware import ConfigurationError, Settings
from prio_middleware._util.secret import Secret

OWN = {"client_id": "own", "client_secret": "s"}
OTHER = "https://other.example"
SANDBOX = "https://sandbox-distributor-api.prioticket.com/v3.8/distributor"


def _named(top_level: dict[str, Any], **berlin: Any) -> Any:
    return Settings.from_values(**top_level, clients={"berlin": {**OWN, **berlin}}).client("berlin")


def test_a_named_client_inherits_the_top_level() -> None:
    berlin = _named({"environment": "sandbox", "scope": "a", "app": {"name": "shop", "version": "1"}}, app={"version": "2"})
    assert (berlin.name, berlin.base_url, berlin.scope) == ("berlin", SANDBOX, "a")
    assert (berlin.app.name, berlin.app.version) == ("shop", "2")


def test_a_named_client_inherits_no_credentials() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_values(client_id="top", client_secret="s", clients={"berlin": {"scope": "a"}})
    assert "client 'berlin': client_id: missing" in str(caught.value)
    assert "Set PRIO_CLIENTS__BERLIN__CLIENT_ID, or client_id under [clients.berlin] in prio.toml" in str(caught.value)
    assert "client 'berlin': client_secret: missing" in str(caught.value)
    assert caught.value.client == "berlin"


def test_the_default_client_has_the_top_levels_credentials() -> None:
    settings = Settings.from_values(client_id="top", client_secret="s", scope="a", clients={"default": {"scope": "b"}})
    assert (settings.client().client_id, settings.client().scope) == ("top", "b")


CLIENTS: list[tuple[dict[str, Any], list[str]]] = [
    (OWN, ["default"]),
    ({"clients": {"default": OWN}}, ["default"]),
    ({"clients": {"berlin": OWN}}, ["berlin"]),
    ({"scope": "shared", "clients": {"berlin": OWN, "paris": OWN}}, ["berlin", "paris"]),
    ({**OWN, "clients": {"berlin": OWN}}, ["default", "berlin"]),
]


def test_which_clients_there_are(subtests: pytest.Subtests) -> None:
    for values, names in CLIENTS:
        with subtests.test(str((values, names))):
            settings = Settings.from_values(**values)
            assert list(settings.clients) == names
            assert [settings.client(name).name for name in names] == names


ABSENT: list[tuple[str | None, str]] = [
    ("berlln", "There is no client 'berlln'; did you mean 'berlin'? Use a configured client (berlin, paris)"),
    ("xyz", "There is no client 'xyz'. Use a configured client (berlin, paris)"),
    (None, "There is no client 'default'. Use a configured client (berlin, paris)"),
]


def test_a_client_that_does_not_exist(subtests: pytest.Subtests) -> None:
    for name, expected in ABSENT:
        with subtests.test(str(name)):
            settings = Settings.from_values(clients={"berlin": OWN, "paris": OWN})
            for ask in (settings.client, settings.provenance):
                with pytest.raises(ConfigurationError) as caught:
                    ask(name)
                assert expected in str(caught.value)


WRONG_NAMES: list[Any] = ["Berlin", "-berlin", "ber lin", "", "berlin_", "ber__lin", "ber_-lin", "berlin\n", "börlin"]


def test_names_that_the_environment_cannot_spell(subtests: pytest.Subtests) -> None:
    for name in WRONG_NAMES:
        with subtests.test(repr(name)), pytest.raises(ConfigurationError, match="expected a client name of lower-case letters"):
            Settings.from_values(clients={name: OWN})


GOOD_NAMES: list[str] = ["b", "berlin", "berlin_2", "a_b_c", "environment", "42", "2berlin", "acme-corp"]


def test_names_that_will_do(subtests: pytest.Subtests) -> None:
    for name in GOOD_NAMES:
        with subtests.test(str(name)):
            assert Settings.from_values(clients={name: OWN}).client(name).name == name


def test_a_number_is_no_name() -> None:
    with pytest.raises(ConfigurationError, match=r"clients\.42: expected the name of a client as text, such as '42'"):
        Settings.from_values(clients={42: OWN})


class TestHyphens:
    """A variable has an underscore for each hyphen, because shells allow no hyphens in its name."""

    FILE = "[clients.acme-corp]\nclient_id = 'acme'\n[clients.42]\nclient_id = 'b'\n"

    def test_variables_mean_the_client_of_the_file(self, directory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        (directory / "prio.toml").write_text(self.FILE)
        (directory / ".env").write_text("PRIO_CLIENTS__42__CLIENT_SECRET=s")
        monkeypatch.setenv("PRIO_CLIENTS__ACME_CORP__CLIENT_SECRET", "s")
        settings = Settings()
        assert {name: client.client_id for name, client in settings.clients.items()} == {"acme-corp": "acme", "42": "b"}
        provenance = settings.provenance("acme-corp")
        assert (provenance["client_id"], provenance["client_secret"]) == (
            "prio.toml: clients.acme-corp.client_id",
            "PRIO_CLIENTS__ACME_CORP__CLIENT_SECRET",
        )

    def test_an_error_names_the_variable(self, directory: Any) -> None:
        (directory / "prio.toml").write_text(self.FILE)
        with pytest.raises(ConfigurationError, match="PRIO_CLIENTS__ACME_CORP__CLIENT_SECRET"):
            Settings()

    def test_variables_alone_make_a_name_with_underscores(self, directory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PRIO_CLIENTS__ACME_CORP__CLIENT_ID", "a")
        monkeypatch.setenv("PRIO_CLIENTS__ACME_CORP__CLIENT_SECRET", "s")
        assert list(Settings().clients) == ["acme_corp"]

    def test_two_names_with_the_same_variables_are_an_error(self, directory: Any) -> None:
        (directory / "prio.toml").write_text(f"{self.FILE}[clients.acme_corp]\nclient_id='c'\n")
        with pytest.raises(ConfigurationError, match="'acme-corp' and 'acme_corp' have the same variables"):
            Settings()


@pytest.mark.parametrize(
    ("top_level", "berlin", "base_url", "token_url"),
    [
        ({"base_url": OTHER}, {"environment": "sandbox"}, SANDBOX, f"{SANDBOX}/oauth2/token"),
        ({"environment": "sandbox", "version": "v9"}, {"base_url": OTHER}, OTHER, f"{OTHER}/oauth2/token"),
        ({"base_url": OTHER, "token_url": f"{OTHER}/t"}, {"environment": "sandbox"}, SANDBOX, f"{SANDBOX}/oauth2/token"),
        ({"token_url": "https://id.example/t"}, {"base_url": OTHER}, OTHER, "https://id.example/t"),
    ],
)
def test_a_clients_own_server_goes_before_the_shared_one(
    top_level: dict[str, Any], berlin: dict[str, Any], base_url: str, token_url: str
) -> None:
    client = _named(top_level, **berlin)
    assert (client.base_url, client.token_url) == (base_url, token_url)


def test_a_higher_source_displaces_what_says_the_same(directory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "prio.toml").write_text('client_id = "a"\nclient_secret_file = "absent"\nbase_url = "https://a.example"\n')
    monkeypatch.setenv("PRIO_CLIENT_SECRET", "s")
    monkeypatch.setenv("PRIO_ENVIRONMENT", "sandbox")
    client = Settings().client()
    assert (client.base_url, client.client_secret_file) == (SANDBOX, None)


def test_only_settings_are_displaced_not_parameters_of_the_same_name(directory: Any) -> None:
    (directory / "prio.toml").write_text('[params]\nbase_url = "x"\n')
    client = Settings(**OWN, params={"environment": "y"}).client()
    assert client.params == (("base_url", Secret("x")), ("environment", Secret("y")))


def test_a_wrong_value_is_reported_where_it_stands(directory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "prio.toml").write_text("read_timeout = -1\n[clients.berlin]\nclient_id='b'\nclient_secret='s'\nscope=''\n")
    monkeypatch.setenv("PRIO_CLIENT_ID", "a")
    monkeypatch.setenv("PRIO_CLIENT_SECRET", "a\nb")
    with pytest.raises(ConfigurationError) as caught:
        Settings()
    assert [line for line in str(caught.value).splitlines() if line.startswith("  - ")] == [
        "  - PRIO_CLIENT_SECRET: expected one line of text without control characters",
        "  - prio.toml: read_timeout: expected a number greater than 0",
        "  - prio.toml: clients.berlin.scope: expected a value, found an empty one: remove the key to leave it unset",
    ]
    assert caught.value.client is None


def test_equal_settings_are_equal_and_can_be_keys() -> None:
    assert Settings.from_values(**OWN) == Settings.from_values(**OWN)
    assert hash(Settings.from_values(**OWN)) == hash(Settings.from_values(**OWN))
    assert Settings.from_values(**OWN) != Settings.from_values(**OWN, scope="a")
    assert Settings.from_values(**OWN) != OWN
    clients = {Settings.from_values(client_id="a", client_secret=secret, params={"x": "y"}).client() for secret in "ssst"}
    assert len(clients) == 2


def test_the_mappings_are_read_only() -> None:
    settings = Settings.from_values(**OWN)
    for mapping in (settings.clients, settings.provenance()):
        with pytest.raises(TypeError):
            mapping["x"] = "y"  # type: ignore[index] # what is tested
