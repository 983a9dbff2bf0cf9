"""Where Dagster believes a schedule to come from, for tests that put its state or ticks into a storage."""

from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin


def schedule_origin(name: str) -> RemoteInstigatorOrigin:
    """Of a schedule of this code location."""
    target = LoadableTargetOrigin(module_name="orchestration.definitions")
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, location_name="equipoise")
    return RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), name)
