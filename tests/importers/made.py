"""Small result files of each tool, from which a test changes one thing."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from promptops.importers.reading import read_results
from promptops.importers.results import Results

Object = dict[str, Any]


def read(folder: Path, format: str, content: object) -> Results:
    """Writes a file and reads it: bytes and text as they are, anything else as JSON."""
    path = folder / "made"
    path.write_bytes(content if isinstance(content, bytes) else _text(content).encode())
    return read_results(path, format, prompt="answer")


def _text(content: object) -> str:
    return content if isinstance(content, str) else json.dumps(content)


def outcomes(results: Results) -> list[str]:
    return [row.outcome.value for row in results.table.rows]


def component(passed: bool = True, **more: object) -> Object:
    return {"pass": passed, "assertion": {"type": "contains"}, **more}


def promptfoo_row(topic: str = "labels", *, success: bool = True, **more: Any) -> Object:
    return {
        "promptIdx": 0,
        "success": success,
        "score": float(success),
        "latencyMs": 5,
        "failureReason": 0 if success else 1,
        "provider": {"id": "a/b"},
        "testCase": {"vars": {"topic": topic}, "assert": [{"type": "contains", "value": topic}]},
        "gradingResult": {"componentResults": [component(success)]},
        **more,
    }


def promptfoo(*rows: Object, version: object = 3) -> Object:
    return {"results": {"version": version, "results": list(rows)}, "metadata": {"promptfooVersion": "0.121.20"}}


def sample(name: object = "labels", epoch: int = 1, **more: Any) -> Object:
    return {"id": name, "epoch": epoch, "input": f"about {name}", "scores": {"includes": {"value": "C"}}, **more}


def inspect(*samples: Object, **more: Any) -> Object:
    results = {"total_samples": len(samples), "completed_samples": len(samples)}
    return {
        "version": 2,
        "status": "success",
        "eval": {"task": "t"},
        "results": results,
        "samples": list(samples),
        **more,
    }


def archive(*samples: object, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive as inspect writes it; a sample that is bytes is taken as it is."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        header = inspect()
        del header["samples"]
        archive.writestr("header.json", json.dumps(header | {"results": {"total_samples": len(samples)}}))
        for number, each in enumerate(samples):
            archive.writestr(f"samples/{number}.json", each if isinstance(each, bytes) else json.dumps(each))
    return file.getvalue()


def pydantic_case(name: str = "labels", **more: Any) -> Object:
    return {"name": name, "inputs": {"topic": name}, "assertions": {"Contains": {"value": True}}, "scores": {}, **more}


def pydantic_evals(*cases: Object, failures: tuple[Object, ...] = ()) -> Object:
    return {"name": "r", "cases": list(cases), "failures": list(failures)}


def deepeval_case(about: str = "labels", **more: Any) -> Object:
    metric = {"name": "m", "success": True, "score": 1.0, "threshold": 0.5}
    return {"name": "test_case_0", "input": about, "metricsData": [metric], **more}


def deepeval(*cases: Object, **more: Any) -> Object:
    return {"testRunData": {"testCases": list(cases), **more}}


def junit(inside: str) -> str:
    return f"<testsuites><testsuite name='s'>{inside}</testsuite></testsuites>"


def json_lines(*lines: object) -> str:
    return "\n".join(json.dumps(line) for line in ({"schema": "promptops.results/1"}, *lines))
