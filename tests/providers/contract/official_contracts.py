"""The providers' own OpenAPI descriptions, made stricter where they leave things open, and a
validating proxy for them: a request that breaks the contract never reaches what stands behind.

The originals lie beside the checkout (ANTIPHON_CONTRACTS names another place); the proxy is
Prism, which .ci/run installs below var/npm.
"""

import contextlib
import copy
import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
PRISM = ROOT / "var/npm/node_modules/@stoplight/prism-cli/dist/index.js"
CONTRACTS = Path(os.environ.get("ANTIPHON_CONTRACTS") or ROOT.parent / "shared" / "contracts")
SENDGRID, TWILIO = "sendgrid_mail_v3.openapi.json", "twilio_api_v2010.openapi.json"
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}


def strict_sendgrid() -> dict[str, Any]:
    """Mail send only: unknown keys, empty lists and values that are no text are refused too.

    Where the original is wrong it is mended: custom_args of the message are an object, not a
    text; the `help` of an error is a text, not an object.
    """
    spec = _original(SENDGRID)
    spec["paths"] = {path: spec["paths"][path] for path in ("/v3/mail/send", "/v3/mail/batch")}
    content = spec["components"]["requestBodies"]["PostMailSend"]["content"]
    body = content["application/json"]["schema"]
    person = body["properties"]["personalizations"]["items"]
    for keys, name in ((body, "custom_args"), (body, "headers"), (person, "custom_args")):
        keys["properties"][name] = copy.deepcopy(TEXTS)
    for name in ("headers", "substitutions"):
        person["properties"][name] = copy.deepcopy(TEXTS)
    person["properties"]["to"]["minItems"] = 1
    body["properties"]["personalizations"]["minItems"] = 1
    _close(body)
    for name in ("MailFrom", "MailTo"):
        _close(spec["components"]["schemas"][name])
    for properties in _holding(spec["components"], "help"):
        properties["help"] = {}
    return spec


def strict_twilio() -> dict[str, Any]:
    """Messages only, with the limits that its text names and its schema does not.

    Mended: the addresses of a list's pages are relative, as in its own example.
    """
    spec = _original(TWILIO)
    wanted = ("/Messages.json", "/Messages/{Sid}.json")
    spec["paths"] = {path: one for path, one in spec["paths"].items() if path.endswith(wanted)}
    spec["components"]["schemas"] = _used(spec["paths"], spec["components"]["schemas"])
    (post,) = (one["post"] for path, one in spec["paths"].items() if path.endswith(wanted[0]))
    form = post["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    form["properties"]["Body"].update(minLength=1, maxLength=1600)
    form["properties"]["ValidityPeriod"].update(minimum=1, maximum=36000)
    form["properties"]["To"]["pattern"] = r"^\+[1-9][0-9]{1,14}$"
    form["additionalProperties"] = False
    for name in ("uri", "first_page_uri", "next_page_uri", "previous_page_uri"):
        for properties in _holding(spec["paths"], name):
            properties[name].pop("format", None)
    form["anyOf"] = [{"required": ["From"]}, {"required": ["MessagingServiceSid"]}]
    return spec


def _original(name: str) -> dict[str, Any]:
    if not (CONTRACTS / name).exists():
        pytest.skip(f"no official contract {name} in {CONTRACTS.name}/ beside the checkout")
    found: dict[str, Any] = json.loads((CONTRACTS / name).read_text("utf-8"))
    return found


def _close(schema: dict[str, Any]) -> None:
    """Unknown keys are mistakes."""
    if schema.get("type") == "object" and "properties" in schema:
        schema.setdefault("additionalProperties", False)
    for inner in (*schema.get("properties", {}).values(), schema.get("items")):
        if inner:
            _close(inner)


def _holding(schema: object, name: str) -> Iterator[dict[str, Any]]:
    """The properties of every object schema that has one of that name."""
    if isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict) and isinstance(properties.get(name), dict):
            yield properties
    if isinstance(schema, dict | list):
        for inner in schema.values() if isinstance(schema, dict) else schema:
            yield from _holding(inner, name)


def _used(paths: object, schemas: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    todo = [paths]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            name = str(one.get("$ref", "")).rpartition("/")[2]
            if name in schemas and name not in found:
                found[name] = schemas[name]
                todo.append(found[name])
        if isinstance(one, dict | list):
            todo.extend(one.values() if isinstance(one, dict) else one)
    return found


@contextlib.contextmanager
def proxy(spec: dict[str, Any], upstream: str, folder: Path) -> Iterator[str]:
    """The address of a proxy that lets only requests through which keep to the contract."""
    if not PRISM.exists():
        pytest.skip("Prism is not installed below var/npm: .ci/run installs it")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    file = folder / f"{port}.json"
    file.write_text(json.dumps(spec), encoding="utf-8")
    command = ["node", str(PRISM), "proxy", "-h", "127.0.0.1", "-p", port, "--errors"]
    process = subprocess.Popen(
        [*command, str(file), upstream], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if "Prism is listening" in line:
            break
    else:
        raise RuntimeError("".join(said))
    # A pipe that fills would stop it.
    drain = threading.Thread(target=process.stdout.read, daemon=True)
    drain.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
        drain.join(10)
        process.stdout.close()
