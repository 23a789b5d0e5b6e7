"""The OpenAPI document as JSON and as a page, with one `Operation` for each call."""

import json
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, render_template, request
from markupsafe import Markup, escape

from undertone.web.api_examples import Example

Schema = dict[str, Any]
bp = Blueprint("docs", __name__)
TAGS = ("Recordings", "Jobs", "Results", "History", "Server")  # in the order of the page


@bp.get("/openapi.json")
def openapi() -> Response:
    """Return the OpenAPI document."""
    document = current_app.extensions["openapi"]
    return jsonify({**document, "servers": [{"url": request.script_root or "/"}]})


@bp.get("/docs")
def show() -> str:
    """Show the OpenAPI document as a page."""
    document = current_app.extensions["openapi"]
    calls = operations(document, request.url_root.rstrip("/"))
    tags = [(tag, [call for call in calls if call.tag == tag]) for tag in TAGS]
    return render_template("docs.html", document=document, tags=tags)


@bp.app_template_filter("with_code")
def with_code(text: str) -> Markup:
    """Return a sentence as HTML, with text between backticks marked as code."""
    parts = enumerate(str(escape(text)).split("`"))
    return Markup("".join(f"<code>{part}</code>" if n % 2 else part for n, part in parts))


@dataclass(frozen=True)
class Field:
    """Field of a request or a response; nested fields have dotted names."""

    name: str
    kind: str
    meaning: str
    required: bool

    @property
    def is_part(self) -> bool:
        """True for a nested field."""
        return "." in self.name


@dataclass(frozen=True)
class Problem:
    """Possible error of a call."""

    status: str
    code: str
    meaning: str


@dataclass(frozen=True)
class Operation:
    """Call, as shown on the page.

    Attributes
    ----------
    id, method, path, summary, description, tag : str
        As in the document.
    parameters : list of Field
        Path and query parameters.
    body : list of Field
        Fields of the request body, required ones first.
    movable : list of str
        Names of the body fields also accepted as query parameters.
    body_type, answer_type : str
        Media types; "" if there is no body.
    answer : list of Field
        Fields of a successful response.
    answer_example : str
        Example of a successful response as JSON; "" if it has no body.
    problems : list of Problem
    curl, python : str
        Examples of the call.
    """

    id: str
    method: str
    path: str
    summary: str
    description: str
    tag: str
    parameters: list[Field]
    body: list[Field]
    movable: list[str]
    body_type: str
    answer: list[Field]
    answer_type: str
    answer_example: str
    problems: list[Problem]
    curl: str
    python: str


def operations(document: dict[str, Any], server_url: str) -> list[Operation]:
    """Return the calls of an OpenAPI document, in its order.

    Parameters
    ----------
    document : dict
    server_url : str
        Base URL of the examples, without a slash at the end.
    """
    schemas = _Schemas(document["components"]["schemas"])
    everywhere = {"security": document["security"]}
    return [
        _operation(schemas, server_url, method.upper(), path, everywhere | told)
        for path, methods in document["paths"].items()
        for method, told in methods.items()
    ]


def _operation(
    schemas: "_Schemas", server_url: str, method: str, path: str, told: dict[str, Any]
) -> Operation:
    body_type, body = _content(told.get("requestBody", {}))
    good = next(answer for status, answer in told["responses"].items() if status.startswith("2"))
    answer_type, answer = _content(good)
    properties = schemas.resolved(body).get("properties", {})
    example = Example(
        method, server_url + path, bool(told["security"]), body_type, properties, answer_type
    )
    parameters = [
        Field(
            parameter["name"],
            schemas.words(parameter["schema"]),
            parameter["description"],
            parameter["required"],
        )
        for parameter in told["parameters"]
    ]
    return Operation(
        id=told["operationId"],
        method=method,
        path=path,
        summary=told["summary"],
        description=told["description"],
        tag=told["tags"][0],
        parameters=[field for field in parameters if field.name not in properties],
        body=sorted(schemas.fields(body), key=lambda field: not field.required),
        movable=[field.name for field in parameters if field.name in properties],
        body_type=body_type,
        answer=schemas.fields(answer),
        answer_type=answer_type,
        answer_example=json.dumps(schemas.example(answer), indent=2) if answer else "",
        problems=[
            Problem(status, code["const"], code["description"])
            for status, response in told["responses"].items()
            for code in _codes(response)
        ],
        curl=example.curl,
        python=example.python,
    )


def _content(part: dict[str, Any]) -> tuple[str, Schema]:
    """Return media type and schema of a request body or a response; "" and {} without a body."""
    for media_type, content in part.get("content", {}).items():
        return media_type, content.get("schema", {})
    return "", {}


def _codes(response: dict[str, Any]) -> list[dict[str, str]]:
    _, schema = _content(response)
    codes: list[dict[str, str]] = (
        schema["allOf"][1]["properties"]["code"]["oneOf"] if "allOf" in schema else []
    )
    return codes


class _Schemas:
    """Schemas of the document, converted to readable text."""

    def __init__(self, named: dict[str, Schema]) -> None:
        self._named = named

    def resolved(self, schema: Schema) -> Schema:
        """Return the target of a reference, or the schema itself if it is none."""
        if "$ref" in schema:
            return self._named[schema["$ref"].rsplit("/", 1)[-1]]
        return schema

    def fields(self, schema: Schema, prefix: str = "") -> list[Field]:
        """Return all fields of an object, nested ones included."""
        schema = self.resolved(schema)
        required = schema.get("required", [])
        found: list[Field] = []
        for name, value in schema.get("properties", {}).items():
            inner = self.resolved(value)
            meaning = value.get("description") or inner.get("description", "")
            found.append(Field(prefix + name, self.words(value), meaning, name in required))
            items = self.resolved(inner.get("items", {}))
            found += self.fields(inner, f"{prefix}{name}.")
            found += self.fields(items, f"{prefix}{name}[].")
        return found

    def words(self, schema: Schema) -> str:
        """Describe the allowed values in words."""
        schema = self.resolved(schema)
        if "const" in schema:
            return json.dumps(schema["const"])
        if "enum" in schema:
            *most, last = map(str, schema["enum"])
            return f"{', '.join(most)} or {last}" if most else last
        if "anyOf" in schema:
            return " or ".join(self.words(part) for part in schema["anyOf"])
        kind: str = schema.get("type", "anything")
        if schema.get("format") == "binary":
            return "file"
        if kind == "array":
            return f"list of {self.words(schema['items'])}"
        if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
            return f"name to {self.words(schema['additionalProperties'])}"
        if "minimum" in schema and "maximum" in schema:
            return f"{kind}, {schema['minimum']:g} to {schema['maximum']:g}"
        return {"string": "text", "null": "null"}.get(kind, kind)

    def example(self, schema: Schema) -> Any:
        """Return a value valid for the schema."""
        schema = self.resolved(schema)
        for key in ("examples", "enum", "anyOf"):
            if key in schema:
                first = schema[key][0]
                return self.example(first) if key == "anyOf" else first
        if "const" in schema:
            return schema["const"]
        if schema.get("type") == "object":
            parts = schema.get("properties", {})
            return {name: self.example(part) for name, part in parts.items()}
        if schema.get("type") == "array":
            return [self.example(schema["items"])]
        return {"number": 0.5, "integer": 1, "boolean": False, "string": "..."}.get(
            schema.get("type", ""), None
        )
