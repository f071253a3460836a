# The indexer, the API and every command in one image; compose.yml runs it twice beside a PostgreSQL.
FROM python:3.12-slim

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app

COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN pip install --constraint requirements.lock $(python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'])")

COPY indexer indexer
COPY api api
COPY abis abis
COPY migrations migrations
COPY demo demo
RUN pip install --no-deps --editable . \
    && useradd --create-home --uid 1000 leverage \
    && mkdir /data && chown leverage /data

# Settings are mounted at /data/leverage.toml; without `database` in them the embedded PostgreSQL keeps its rows there too.
USER leverage
WORKDIR /data
VOLUME /data
EXPOSE 8000
ENTRYPOINT ["leverage"]
CMD ["run"]
