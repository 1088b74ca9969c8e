# A small image that runs as nobody in particular.
#
#   build   python:3.13-slim + compilers' absence: wheels only, from the pinned versions of constraints.txt
#     |
#     |     /opt/venv
#     v
#   run     python:3.13-slim + /opt/venv, user 10001, read-only root works, port 8000
#
# No Docker engine takes part in this project's tests: they lint this file and replay its steps in a virtual
# environment. Build it with:  docker build -t b2m-cds-service .

FROM python:3.13-slim AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY pyproject.toml constraints.txt README.md KNOWLEDGE.md LICENSE NOTICE ./
COPY cds_service cds_service
COPY fhir_fixtures fhir_fixtures
RUN /opt/venv/bin/pip install --constraint constraints.txt '.[postgresql]'

FROM python:3.13-slim AS run
COPY --from=build /opt/venv /opt/venv
# A number, so that Kubernetes can see that it is not root.
# /data is for what it remembers where DATABASE_URL names no server: mount a volume there.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin cds && install -d -o 10001 -m 700 /data
VOLUME /data
USER 10001
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DATABASE_URL=sqlite:////data/b2m-cds.sqlite \
    BIND_HOST=0.0.0.0 \
    BIND_PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["cds-service"]
CMD ["serve"]
