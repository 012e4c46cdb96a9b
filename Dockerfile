# The command `xoxo` with everything that a fleet needs. Built by `docker build -t xoxo .`; see docs/how-to/containers.md.
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY xoxo_async ./xoxo_async
RUN python -m venv /opt/xoxo && /opt/xoxo/bin/pip install --no-cache-dir '.[cli,cluster,encryption,redis,speed]'

FROM python:3.13-slim
COPY --from=build /opt/xoxo /opt/xoxo
ENV PATH=/opt/xoxo/bin:$PATH PYTHONUNBUFFERED=1
# No root, and no home folder: whatever has to last lies on a volume or in the database.
RUN useradd --system --uid 10001 --no-create-home xoxo
USER 10001
# As process 1 the command gets SIGTERM itself, and gives its lines back before it ends.
ENTRYPOINT ["xoxo"]
CMD ["--help"]
