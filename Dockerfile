# The server. The first stage builds the wheel, the second holds what the server needs and no more.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY requirements.txt requirements-server.txt ./
RUN python -m venv /build \
 && /build/bin/pip install --no-cache-dir --require-hashes -r requirements.txt \
 && python -m venv /opt/longpole \
 && /opt/longpole/bin/pip install --no-cache-dir --require-hashes -r requirements-server.txt
COPY pyproject.toml README.md LICENSE ./
COPY model model
COPY formats formats
COPY storage storage
COPY collector collector
COPY analyzer analyzer
COPY dashboards dashboards
COPY docs/schemas docs/schemas
COPY grafana grafana
COPY cli cli
RUN /build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation -w /wheels . \
 && /opt/longpole/bin/pip install --no-cache-dir --no-deps /wheels/*.whl

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /data longpole \
 && install -d -o longpole -g longpole -m 0700 /data
COPY --from=build /opt/longpole /opt/longpole
ENV PATH=/opt/longpole/bin:$PATH LONGPOLE_DATA_DIR=/data PYTHONUNBUFFERED=1
USER longpole
VOLUME /data
EXPOSE 4317 4318 4319
ENTRYPOINT ["longpole"]
CMD ["serve"]
