FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY agent agent
COPY api api
COPY cli cli
COPY workers workers
COPY prompts prompts
RUN pip install --constraint constraints.txt .

RUN useradd --system --create-home --home-dir /srv/cuelight cuelight \
    && install --directory --owner cuelight /var/lib/cuelight
USER cuelight
# Agents of your own and a `prompts` folder are found here.
WORKDIR /srv/cuelight
ENV CUELIGHT_DATA_DIR=/var/lib/cuelight \
    CUELIGHT_LOG_FORMAT=json

EXPOSE 8000
CMD ["cuelight", "api"]
HEALTHCHECK --interval=5s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
