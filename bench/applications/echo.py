"""The other side of the comparison: a Flask application that parses the same JSON and sends it back, nothing else."""

from flask import Flask, Response, jsonify, request

app = Flask(__name__, static_folder=None)


@app.post("/<path:path>")
def echo(path: str) -> Response:
    """The JSON of the request, whatever ``path`` it was sent to."""
    return jsonify(request.get_json())
