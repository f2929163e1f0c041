# voicebridge in a container: see docs/webrtc.md for the networks it works in.
#
#   docker build -t voicebridge .
#   docker run --init -p 8765:8765 -p 50000:50000/udp \
#       -e VOICEBRIDGE_API_KEY=… -e VOICEBRIDGE_WEBRTC__ADVERTISED_ADDRESSES=192.0.2.10 voicebridge

FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src

# What it needs, in the versions that were tested; built anew only when these files change.
COPY pyproject.toml .ci/constraints.txt ./
RUN python -c "import tomllib; print('\n'.join(tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies']))" > needed.txt \
    && pip wheel --wheel-dir /wheels --constraint constraints.txt --requirement needed.txt

COPY README.md ./
COPY voicebridge voicebridge
COPY web web
RUN pip wheel --wheel-dir /wheels --no-deps . \
    && python -m venv --without-pip /opt/voicebridge \
    && pip --python /opt/voicebridge/bin/python install --no-index --find-links /wheels voicebridge

FROM python:3.11-slim
RUN groupadd --gid 10001 voicebridge \
    && useradd --uid 10001 --gid 10001 --home-dir /data --create-home --shell /usr/sbin/nologin voicebridge
COPY --from=build /opt/voicebridge /opt/voicebridge
ENV PATH=/opt/voicebridge/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    VOICEBRIDGE_DATA_DIR=/data \
    VOICEBRIDGE_ENGINE__CACHE_DIR=/data/cache \
    VOICEBRIDGE_SERVER__HOST=0.0.0.0 \
    VOICEBRIDGE_SERVER__PORT=8765 \
    VOICEBRIDGE_WEBRTC__UDP_PORT_MIN=50000 \
    VOICEBRIDGE_WEBRTC__UDP_PORT_MAX=50000
USER 10001:10001
WORKDIR /data
EXPOSE 8765/tcp 50000/udp
HEALTHCHECK --interval=15s --timeout=5s --start-period=90s --retries=3 CMD ["voicebridge", "health"]
ENTRYPOINT ["voicebridge"]
CMD ["serve"]
