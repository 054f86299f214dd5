"""Settings from the environment and the file of endpoints, and what is said about wrong ones."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from agent.errors import Misconfigured
from agent.settings import NameSettings, Settings, load, read_models_file
from agent.steps import Budget
from agent.wiring import cast

FILE = """
[[endpoint]]
name = "main"
base_url = "http://models.test/v1"
api_key_env = "MAIN_KEY"
[[endpoint.model]]
name = "large"
input_usd_per_mtok = "2.5"
[[endpoint.model]]
name = "small"
"""


def test_lists_are_comma_separated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUELIGHT_MODELS", "m1, m2,,")
    assert load().models == ("m1", "m2")


def test_a_wrong_value_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUELIGHT_PORT", "70000")
    with pytest.raises(Misconfigured, match="CUELIGHT_PORT"):
        load()


def test_by_default_a_model_that_hangs_leaves_time_to_ask_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_text(FILE.replace('api_key_env = "MAIN_KEY"\n', ""))
    limits = [Settings().model_timeout_s, *(it.timeout_s for it in read_models_file(path))]
    assert all(limit <= Budget().deadline_s / 2 for limit in limits)


def test_without_an_endpoint_there_is_none() -> None:
    assert Settings().endpoints() == ()


def test_an_endpoint_from_the_environment_has_its_models_and_prices() -> None:
    settings = Settings(
        model_base_url="http://models.test/v1",
        models="m1,m2",
        model_api_key="sk-hidden",
        model_input_usd_per_mtok="0.5",
    )
    (endpoint,) = settings.endpoints()
    assert [(model.name, model.input_usd_per_mtok) for model in endpoint.models] == [
        ("m1", Decimal("0.5")),
        ("m2", Decimal("0.5")),
    ]
    assert endpoint.api_key is not None and endpoint.api_key.get_secret_value() == "sk-hidden"
    assert "sk-hidden" not in repr(settings) + repr(endpoint)


@pytest.mark.parametrize(
    ("chosen", "missing"),
    [({"models": "m1"}, "CUELIGHT_MODEL_BASE_URL"), ({"model_base_url": "http://models.test"}, "CUELIGHT_MODELS")],
)
def test_half_an_endpoint_is_refused(chosen: dict[str, str], missing: str) -> None:
    with pytest.raises(Misconfigured, match=missing):
        Settings(**chosen).endpoints()  # type: ignore[arg-type]


def test_a_file_of_endpoints_is_read_and_its_keys_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIN_KEY", "sk-1")
    path = tmp_path / "models.toml"
    path.write_text(FILE)
    (endpoint,) = Settings(models_file=path, model_base_url="http://other.test").endpoints()
    assert (endpoint.name, [model.name for model in endpoint.models]) == ("main", ["large", "small"])
    assert endpoint.models[0].input_usd_per_mtok == Decimal("2.5")
    assert endpoint.api_key is not None and endpoint.api_key.get_secret_value() == "sk-1"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = [", "is not a file of endpoints"),
        ("x = 1", "has no .*endpoint"),
        (FILE, "MAIN_KEY, which is not set"),
        (FILE.replace("MAIN_KEY", "PATH").replace("small", "large"), "names the model 'large' twice"),
        (FILE.replace("api_key_env", "api_kee"), "is not a file of endpoints: api_kee: Extra inputs"),
    ],
    ids=["no toml", "no table", "no key", "twice", "misspelt"],
)
def test_a_file_of_endpoints_that_is_wrong_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    monkeypatch.delenv("MAIN_KEY", raising=False)
    path = tmp_path / "models.toml"
    path.write_text(text)
    with pytest.raises(Misconfigured, match=words):
        read_models_file(path)


def test_a_file_of_endpoints_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        read_models_file(tmp_path / "none.toml")


def test_names_stand_in_a_variable_and_in_the_file_of_endpoints_and_the_variable_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "models.toml"
    path.write_text('[names]\n"gpt-4o" = {agent = "chat"}\nfast = {agent = "documents", models = ["small"]}\n')
    monkeypatch.setenv("CUELIGHT_NAMES", '{"fast": {"agent": "chat", "models": ["m1", "m2"]}}')
    assert load().named() == {"fast": NameSettings(agent="chat", models=("m1", "m2"))}
    assert Settings(models_file=path).named() == {
        "gpt-4o": NameSettings(agent="chat"),
        "fast": NameSettings(agent="chat", models=("m1", "m2")),
    }


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ({"gpt-4o": NameSettings(agent="nobody")}, "means an agent 'nobody'; there is documents, chat"),
        ({"gpt-4o": NameSettings(agent="chat", models=("m9",))}, "means a model 'm9'; there is offline"),
        ({"documents": NameSettings(agent="chat")}, "is an agent's already"),
    ],
)
def test_a_name_that_means_nothing_or_something_else_is_refused(names: dict[str, NameSettings], problem: str) -> None:
    with pytest.raises(Misconfigured, match=problem):
        cast(Settings(names=names))


@pytest.mark.parametrize("table", ["x = 7", 'x = {agent = "chat", color = "red"}', '"two words" = {agent = "chat"}'])
def test_a_wrong_table_of_names_is_refused(tmp_path: Path, table: str) -> None:
    path = tmp_path / "models.toml"
    path.write_text(f"[names]\n{table}\n")
    with pytest.raises(Misconfigured, match="names"):
        Settings(models_file=path).named()
