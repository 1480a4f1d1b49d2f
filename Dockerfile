# syntax=docker/dockerfile:1

# wordsight serve: page, API and tools for agents, on CPUs, without torch.
#
#   docker build --tag wordsight .
#   docker compose up        (see compose.yaml: the token, the volume, the limits)

FROM python:3.11-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src ./src
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim
ARG EXTRAS=page,mcp,qdrant
# the versions that the tests ran with
COPY constraints.txt /tmp/constraints.txt
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    set -- /wheels/*.whl \
    && python -m pip install --no-cache-dir --no-compile --constraint /tmp/constraints.txt "$1[${EXTRAS}]" \
    && rm /tmp/constraints.txt \
    && useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin wordsight \
    && install --directory --owner=wordsight --group=wordsight --mode=0750 /data

# All that is written: galleries in /data, what can be made again in /tmp; the rest may be read-only.
ENV WORDSIGHT_INDEX=/data/index \
    WORDSIGHT_CACHE=/tmp/wordsight \
    HF_HOME=/data/models \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 7860
HEALTHCHECK --start-period=60s --interval=15s --timeout=5s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/readyz', timeout=4).close()"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["wordsight"]
CMD ["serve", "--host", "0.0.0.0", "--token-file", "/run/secrets/wordsight_token"]
