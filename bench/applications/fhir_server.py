"""A FHIR server of one process that answers after a fixed delay: ``FHIR_DELAY_MS``.

Its charts are the prefetch of the calls that the bench sends to ``/charts``. It serves a client's keys, those of the
file ``JWKS_FILE``, at ``/jwks.json``. A POST to ``/mode`` makes it hang (``{"fhir": "hang"}``) or have no keys
(``{"jwks": "down"}``).
"""

import json
import os
import time
from decimal import Decimal
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, urlsplit

from flask import Flask, Response, request

from cds_service.fhir.shape import Json
from cds_service.replay.calls import dump_json

_HANG_SECONDS = 20.0
_MOST_CHARTS = 500
_DELAY_SECONDS = float(os.environ.get("FHIR_DELAY_MS", "0")) / 1000

app = Flask(__name__, static_folder=None)
_charts: dict[str, dict[str, list[tuple[set[str], bytes]]]] = {}
_patients: dict[str, bytes] = {}
_mode = {"fhir": "up", "jwks": "up"}


@app.post("/charts")
def keep() -> Response:
    """Keeps the prefetch of a call as the chart of its patient."""
    prefetch: Json = json.loads(request.get_data(), parse_float=Decimal)["prefetch"]
    patient = prefetch.pop("patient")
    chart: dict[str, list[tuple[set[str], bytes]]] = {}
    for searchset in prefetch.values():
        for entry in searchset["entry"]:
            resource = entry["resource"]
            chart.setdefault(resource["resourceType"], []).append((_codes(resource), dump_json(entry)))
    if len(_charts) >= _MOST_CHARTS:
        oldest = next(iter(_charts))
        del _charts[oldest], _patients[oldest]
    _patients[patient["id"]], _charts[patient["id"]] = dump_json(patient), chart
    return Response("{}")


@app.post("/mode")
def change() -> Response:
    """Changes how it answers from now on."""
    _mode.update(request.get_json())
    return Response("{}")


@app.get("/jwks.json")
def keys() -> Response:
    """The client's public keys."""
    if _mode["jwks"] == "down":
        return Response(status=503)
    return Response(Path(os.environ["JWKS_FILE"]).read_bytes(), content_type="application/json")


@app.get("/fhir/Patient/<patient>")
def read(patient: str) -> Response:
    """The Patient."""
    _wait()
    return Response(_patients[patient], content_type="application/fhir+json")


@app.get("/fhir/<kind>")
def search(kind: str) -> Response:
    """A search by ``patient`` and ``code``."""
    _wait()
    return Response(_searchset(kind, parse_qs(request.query_string.decode())), content_type="application/fhir+json")


@app.post("/fhir/<kind>/_search")
def search_by_post(kind: str) -> Response:
    """The same with its parameters in the body."""
    _wait()
    return Response(_searchset(kind, parse_qs(request.get_data(as_text=True))), content_type="application/fhir+json")


@app.post("/fhir")
def batch() -> Response:
    """Searches and reads in one Bundle, after one delay."""
    _wait()
    parts = [_part(urlsplit(entry["request"]["url"])) for entry in request.get_json()["entry"]]
    bundle = b'{"resourceType":"Bundle","type":"batch-response","entry":[%s]}' % b",".join(parts)
    return Response(bundle, content_type="application/fhir+json")


def _part(url: SplitResult) -> bytes:
    kind, _, patient = url.path.partition("/")
    found = _patients[patient] if patient else _searchset(kind, parse_qs(url.query))
    return b'{"resource":%s,"response":{"status":"200 OK"}}' % found


def _wait() -> None:
    time.sleep(_HANG_SECONDS if _mode["fhir"] == "hang" else _DELAY_SECONDS)


def _searchset(kind: str, asked: dict[str, list[str]]) -> bytes:
    chart = _charts[asked["patient"][0].rpartition("/")[2]]
    codes = {code for listed in asked.get("code", []) for code in listed.split(",")}
    found = [entry for held, entry in chart.get(kind, []) if not codes or held & codes]
    total = b"%d" % len(found)
    return b'{"resourceType":"Bundle","type":"searchset","total":%s,"entry":[%s]}' % (total, b",".join(found))


def _codes(resource: Json) -> set[str]:
    return {f"{one['system']}|{one['code']}" for one in resource.get("code", {}).get("coding", [])}
