"""The model of `publish` in `project.yaml`: where results are sent, beside the state folder."""

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from configs.entity import Entity, EnvironmentVariable, Identifier


class StoredResults(Entity):
    """An S3-compatible object store; credentials come from the environment."""

    url: str = Field(description="s3://bucket/prefix, of this project's results alone.")

    @field_validator("url")
    @classmethod
    def _is_a_prefix(cls, value: str) -> str:
        parts = urlsplit(value)
        if "@" in parts.netloc:
            raise ValueError("holds credentials: they come from the environment (AWS_ACCESS_KEY_ID and so on)")
        if parts.scheme != "s3" or not parts.netloc or not parts.path.strip("/"):
            raise ValueError(f"{value!r} isn't s3://bucket/prefix")
        return value.rstrip("/")


class PostgresResults(Entity):
    """A schema of a PostgreSQL database, which nothing else writes to."""

    connection: EnvironmentVariable = Field(description="The environment variable that holds the server's URL.")
    schema_: Identifier = Field(alias="schema", description="Its tables are the published ones.")


class Publish(Entity):
    """Where the published results are sent after each run."""

    object_store: StoredResults | None = None
    postgres: PostgresResults | None = None
