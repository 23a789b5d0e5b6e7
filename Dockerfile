# The web process, or with another command a worker. The model is inside; nothing is downloaded later.
FROM python:3.13-slim-bookworm AS build
WORKDIR /app
# requirements-batch.txt makes an image for the workers of a Dask cluster.
ARG REQUIREMENTS=requirements-scale.txt
RUN python -m venv .venv
COPY requirements.txt requirements-scale.txt requirements-batch.txt constraints.txt ./
# What only training needs, other packages' tests, and what installs packages stay outside.
RUN .venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check -r "$REQUIREMENTS" \
    && .venv/bin/python -m pip uninstall --quiet --yes seaborn pandas pip \
    && find .venv -type d -name tests -prune -exec rm -rf {} +
COPY . .
RUN .venv/bin/python -m compileall -q undertone ./*.py && .venv/bin/python -m tools.precompile

FROM python:3.13-slim-bookworm
RUN useradd --uid 10001 --user-group --no-create-home undertone \
    && install --directory --owner undertone --group undertone /data /shared
WORKDIR /app
COPY --from=build /app /app
ENV PATH=/app/.venv/bin:$PATH \
    HOME=/data \
    PYTHONUNBUFFERED=1 \
    UNDERTONE_HOST=0.0.0.0 \
    UNDERTONE_DATA_DIR=/data
USER 10001
VOLUME /data
EXPOSE 5000
HEALTHCHECK --start-period=60s --timeout=5s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:5000/health/live')"]
CMD ["python", "app.py"]
