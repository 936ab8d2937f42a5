"""The suite calls each method of the SDK, in Python and in TypeScript, but for the few that are named here."""

import ast
import inspect
import re
from pathlib import Path

from letta_client import Letta
from letta_client._resource import SyncAPIResource

SUITE = Path(__file__).parent

# What is left out, and why; a resource stands for all its methods.
NOT_SELF_HOSTED = "a service of the hosted platform, which servers of one's own do not have"
NOT_SERVED = "not served yet"
LEFT_OUT = {
    "access_tokens": NOT_SELF_HOSTED,
    "environments": NOT_SELF_HOSTED,
    "templates": NOT_SELF_HOSTED,
    "agents.schedule": NOT_SELF_HOSTED,
    "folders.files.upload": NOT_SERVED,
    "mcp_servers": NOT_SERVED,
}


def methods(resource, path=()):
    """The dotted names of the methods of a resource and of the resources in it."""
    for name, member in inspect.getmembers_static(type(resource)):
        if name.startswith(("_", "with_")):
            continue
        if inspect.isfunction(member) and isinstance(resource, SyncAPIResource):
            yield ".".join((*path, name))
        elif not inspect.isfunction(member) and isinstance(inner := getattr(resource, name, None), SyncAPIResource):
            yield from methods(inner, (*path, name))


def left_out(method):
    parts = method.split(".")
    return any(".".join(parts[:end]) in LEFT_OUT for end in range(1, len(parts) + 1))


def wanted():
    every = set(methods(Letta(base_url="http://localhost", api_key="anything")))
    assert len(every) > 100, "the walk no longer finds the methods"
    return {method for method in every if not left_out(method)}


def named(node):
    """`agents.list` of `client.agents.list` and of `client.with_options(…).agents.list`."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "with_options":
            node = node.func.value
    return ".".join(reversed(parts)) if isinstance(node, ast.Name) and node.id == "client" else None


def test_each_method_is_called_in_python():
    trees = [ast.parse(file.read_text()) for file in SUITE.glob("test_*.py")]
    called = {named(node) for tree in trees for node in ast.walk(tree)}
    assert sorted(wanted() - called) == []


def test_each_method_is_called_in_typescript():
    sources = "\n".join(file.read_text() for file in (SUITE.parent / "ts").glob("*.test.mjs"))
    called = set(re.findall(r"\bclient((?:\s*\.\w+)+)", sources))
    called = {re.sub(r"\s", "", chain).removeprefix(".") for chain in called}
    missing = {method for method in wanted() if re.sub(r"_(\w)", lambda at: at[1].upper(), method) not in called}
    assert sorted(missing) == []


def test_what_is_left_out_is_there_to_be_left_out():
    every = set(methods(Letta(base_url="http://localhost", api_key="anything")))
    assert [path for path in LEFT_OUT if not any(f"{method}.".startswith(f"{path}.") for method in every)] == []
