"""What every model of the configuration has in common: its base class and the kinds of names."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints


def _not_reserved(name: str) -> str:
    if name == "all":
        raise ValueError("'all' is reserved: in the results it stands for the whole population")
    return name


Identifier = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=63),
    AfterValidator(_not_reserved),
]
VariantId = Annotated[str, StringConstraints(min_length=1, max_length=127), AfterValidator(_not_reserved)]
ColumnName = Annotated[str, StringConstraints(min_length=1)]
Probability = Annotated[float, Field(gt=0, lt=1)]


def _is_variable_name(value: str) -> str:
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]*", value):  # perhaps the secret itself: it is not repeated
        raise ValueError("takes the name of an environment variable, such as LOGS_DATABASE_URL, never the URL itself")
    return value


EnvironmentVariable = Annotated[str, AfterValidator(_is_variable_name)]


class Entity(BaseModel):
    """Base of every model: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)
