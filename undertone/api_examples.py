"""How to make a call with curl and with Python, from what the document says of it."""

import json
from typing import Any

_FILE_NAMES = {"image/png": "picture.png", "application/pdf": "report.pdf", "text/csv": "list.csv"}
_BASE64_FIELD = "audio"
_OPEN = 'with open("clip.wav", "rb") as recording:'


def as_curl(
    method: str, url: str, body_type: str, properties: dict[str, Any], answer_type: str
) -> str:
    """A command line.

    Parameters
    ----------
    method, url : str
    body_type : str
        ``multipart/form-data``, ``application/json`` or "".
    properties : dict
        Schemas of the body's fields by name.
    answer_type : str
        Media type of the answer.
    """
    command = "curl" if method in ("GET", "POST") else f"curl -X {method}"
    if answer_type in _FILE_NAMES:
        command += f" -o {_FILE_NAMES[answer_type]}"
    if body_type == "multipart/form-data":
        fields = [_form_field(name, schema) for name, schema in properties.items()]
        command = " ".join([command, *filter(None, fields)])
    elif body_type == "application/json":
        before, after = json.dumps({_BASE64_FIELD: "@"}).split("@")
        command = (
            f"(printf '{before}'; base64 < clip.wav | tr -d '\\n'; printf '{after}') |\n"
            f"  {command} -H 'Content-Type: application/json' --data-binary @-"
        )
    return f"{command} \\\n  '{url}'" if body_type else f"{command} '{url}'"


def _form_field(name: str, schema: dict[str, Any]) -> str:
    if schema.get("format") == "binary":
        return f"-F {name}=@clip.wav"
    return f"-F {name}={schema['examples'][0]}" if "examples" in schema else ""


def as_python(
    method: str, url: str, body_type: str, properties: dict[str, Any], answer_type: str
) -> str:
    """A program of a few lines; parameters as for `as_curl`."""
    show = "print(answer.json())"
    if file_name := _FILE_NAMES.get(answer_type):
        show = f'with open("{file_name}", "wb") as file:\n    file.write(answer.content)'
    lines = ["import requests", "", f'url = "{url}"']
    call = f"answer = requests.{method.lower()}(url"
    if body_type == "multipart/form-data":
        (field,) = (name for name, value in properties.items() if value.get("format") == "binary")
        others = {
            name: value["examples"][0] for name, value in properties.items() if "examples" in value
        }
        data = f", data={json.dumps(others)}" if others else ""
        lines += [_OPEN, f'    {call}, files={{"{field}": recording}}{data})']
    elif body_type == "application/json":
        lines = ["import base64", "", *lines, _OPEN]
        lines += ["    audio = base64.b64encode(recording.read()).decode()"]
        lines += [f'{call}, json={{"{_BASE64_FIELD}": audio}})']
    else:
        lines += [f"{call})"]
    return "\n".join([*lines, show])
