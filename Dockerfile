# The web process, or with another command a worker. The model is inside; nothing is downloaded later.
FROM python:3.13-slim-bookworm AS build
WORKDIR /app
# requirements-batch.lock makes an image for the workers of a Dask cluster.
ARG REQUIREMENTS=requirements-scale.lock
RUN python -m venv .venv
COPY requirements-scale.lock requirements-batch.lock ./
# What only training needs, other packages' tests, languages that the pages do not have, services
# other than S3 and those that tell who may use it, and what installs packages stay outside.
RUN .venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes \
        -r "$REQUIREMENTS" \
    && .venv/bin/python -m pip uninstall --quiet --yes scikit-learn narwhals seaborn pandas pip \
    && find .venv -type d -name tests -prune -exec rm -rf {} + \
    && find .venv -path '*/babel/locale-data/*.dat' ! -name root.dat ! -name 'en*' ! -name 'de*' -delete \
    && find .venv -path '*/botocore/data/*' -prune -type d \
        ! -name s3 ! -name 'sso*' ! -name sts ! -name signin -exec rm -rf {} +
COPY . .
ENV NUMBA_CPU_NAME=generic
RUN .venv/bin/python -m compileall -q undertone ./*.py \
    && NUMBA_CACHE_DIR=.numba .venv/bin/python -m tools.precompile

FROM python:3.13-slim-bookworm
RUN useradd --uid 10001 --user-group --no-create-home undertone \
    && install --directory --owner undertone --group undertone /data /shared
WORKDIR /app
COPY --from=build /app /app
ENV PATH=/app/.venv/bin:$PATH \
    HOME=/data \
    NUMBA_CACHE_DIR=/data/.numba \
    NUMBA_CPU_NAME=generic \
    PYTHONUNBUFFERED=1 \
    UNDERTONE_HOST=0.0.0.0 \
    UNDERTONE_DATA_DIR=/data
USER 10001
VOLUME /data
EXPOSE 5000
HEALTHCHECK --start-period=60s --timeout=5s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:5000/health/live')"]
ENTRYPOINT ["sh", "deploy/start.sh"]
CMD ["python", "app.py"]
