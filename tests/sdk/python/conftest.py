"""One scripted model and one PostgreSQL for the session; one server for each kind of database."""

import os
import uuid

import pytest

from harness import KEEPALIVE_SECONDS, Databases, Model, Server


@pytest.fixture(scope="session")
def scripted():
    model = Model()
    yield model
    model.stop()


@pytest.fixture(scope="session")
def postgres():
    databases = Databases.start()
    if databases is None and os.environ.get("CI", "") in ("true", "1"):
        pytest.fail("CI needs PostgreSQL")
    yield databases
    if databases:
        databases.stop()


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def server(request, scripted):
    database_url = None
    if request.param == "postgres":
        databases = request.getfixturevalue("postgres")
        if databases is None:
            pytest.skip("no PostgreSQL on this machine")
        database_url = databases.fresh()
    settings = {"MUISTI_KEEPALIVE_INTERVAL": str(KEEPALIVE_SECONDS), "MUISTI_ALLOW_PRIVATE_ADDRESSES": "true"}
    server = Server(scripted, database_url, **settings)
    yield server
    print(server.tail())
    server.stop()


@pytest.fixture
def model(scripted):
    scripted.reset()
    return scripted


@pytest.fixture
def client(server):
    return server.client()


@pytest.fixture
def agent(client):
    agent = client.agents.create(
        name=f"agent-{uuid.uuid4().hex[:8]}",
        model="openai/gpt-4o-mini",
        embedding="openai/text-embedding-3-small",
        memory_blocks=[
            {"label": "human", "value": "Nothing known yet."},
            {"label": "persona", "value": "Helpful."},
        ],
        tags=["demo"],
    )
    yield agent
