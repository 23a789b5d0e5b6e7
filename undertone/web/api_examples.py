"""Examples of API calls for curl and Python, generated from the OpenAPI document."""

import json
from dataclasses import dataclass
from typing import Any

_FILE_NAMES = {
    "image/png": "picture.png",
    "image/svg+xml": "picture.svg",
    "application/pdf": "report.pdf",
    "application/zip": "reports.zip",
    "text/csv": "list.csv",
    "text/plain": "numbers.txt",
    "audio/*": "recording",
}
_BASE64_FIELD = "audio"
_OPEN = 'with open("clip.wav", "rb") as recording:'


@dataclass(frozen=True)
class Example:
    """Call with all the data for its examples.

    Attributes
    ----------
    method, url : str
    needs_key : bool
    body_type : str
        ``multipart/form-data``, ``application/json`` or "".
    properties : dict
        Schemas of the body's fields by name.
    answer_type : str
        Media type of the response; "" if it has no body.
    """

    method: str
    url: str
    needs_key: bool
    body_type: str
    properties: dict[str, Any]
    answer_type: str

    @property
    def curl(self) -> str:
        """The call as a curl command line."""
        usual = "POST" if self.body_type else "GET"
        command = "curl" if self.method == usual else f"curl -X {self.method}"
        if self.needs_key:
            command += " -H 'Authorization: Bearer KEY'"
        if self.answer_type in _FILE_NAMES:
            command += f" -o {_FILE_NAMES[self.answer_type]}"
        for field in self._files:
            command += f" -F {field}=@clip.wav"
        for field, value in self._fields.items():
            command += f" -F {field}={value}"
        if self.body_type == "application/json":
            before, after = json.dumps({_BASE64_FIELD: "@"}).split("@")
            command = (
                f"(printf '{before}'; base64 < clip.wav | tr -d '\\n'; printf '{after}') |\n"
                f"  {command} -H 'Content-Type: application/json' --data-binary @-"
            )
        return (
            f"{command} \\\n  '{self.url}'" if len(command) > len("curl") else f"curl '{self.url}'"
        )

    @property
    def python(self) -> str:
        """The call as a short Python program."""
        lines = ["import requests", "", f'url = "{self.url}"']
        arguments = ["url"]
        if self.needs_key:
            lines += ['key = {"Authorization": "Bearer KEY"}']
            arguments += ["headers=key"]
        if self._fields:
            arguments += [f"data={json.dumps(self._fields)}"]
        indent = ""
        for field in self._files:
            lines, indent = [*lines, _OPEN], "    "
            arguments += [f'files={{"{field}": recording}}']
        if self.body_type == "application/json":
            lines = ["import base64", "", *lines, _OPEN]
            lines += ["    audio = base64.b64encode(recording.read()).decode()"]
            arguments += [f'json={{"{_BASE64_FIELD}": audio}}']
        lines += [f"{indent}answer = requests.{self.method.lower()}({', '.join(arguments)})"]
        if file_name := _FILE_NAMES.get(self.answer_type):
            lines += [f'with open("{file_name}", "wb") as file:', "    file.write(answer.content)"]
        else:
            lines += ["print(answer.json())" if self.answer_type else "print(answer.status_code)"]
        return "\n".join(lines)

    @property
    def _files(self) -> list[str]:
        """Names of the file fields of the form."""
        return [
            name
            for name, it in self.properties.items()
            if it.get("items", it).get("format") == "binary"
        ]

    @property
    def _fields(self) -> dict[str, str]:
        """Other form fields with a known example value."""
        if self.body_type != "multipart/form-data":
            return {}
        return {name: it["examples"][0] for name, it in self.properties.items() if "examples" in it}
