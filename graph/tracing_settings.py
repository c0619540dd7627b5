"""Settings of tracing: the standard variables of OpenTelemetry, as far as they are for us. Its SDK reads the others itself."""

from collections.abc import Mapping
from dataclasses import dataclass

from graph.environment import SettingsError, one_of

_SAMPLERS = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)


@dataclass(frozen=True)
class TracingSettings:
    """All that is read of tracing. The names in capitals are environment variables."""

    exporter: str = "none"
    """OTEL_TRACES_EXPORTER: none, otlp or console. Unset: otlp where an endpoint is set, else none. OTEL_SDK_DISABLED=true: none."""
    endpoint: str = "http://localhost:4318/v1/traces"
    """OTEL_EXPORTER_OTLP_TRACES_ENDPOINT; or OTEL_EXPORTER_OTLP_ENDPOINT, to which the path is added. By HTTP, as protobuf."""
    service: str = "groundswell"
    """OTEL_SERVICE_NAME."""
    sampler: str = "parentbased_always_on"
    """OTEL_TRACES_SAMPLER."""
    ratio: float = 1.0
    """OTEL_TRACES_SAMPLER_ARG: of the samplers by ratio, from 0 to 1."""

    @property
    def is_on(self) -> bool:
        """Whether spans are made."""
        return self.exporter != "none"

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "TracingSettings":
        """Reads and checks the environment. Raises SettingsError."""
        base, own = (environ.get(f"OTEL_EXPORTER_OTLP_{name}") or "" for name in ("ENDPOINT", "TRACES_ENDPOINT"))
        usual = "otlp" if base or own else "none"
        disabled = one_of(environ, "OTEL_SDK_DISABLED", "false", ("true", "false")) == "true"
        exporter = one_of(environ, "OTEL_TRACES_EXPORTER", usual, ("otlp", "console", "none"))
        if disabled or exporter == "none":
            return cls()
        for name in ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"):
            one_of(environ, name, "http/protobuf", ("http/protobuf",)) if environ.get(name) else None
        return cls(
            exporter=exporter,
            endpoint=_endpoint(base, own) or cls.endpoint,
            service=environ.get("OTEL_SERVICE_NAME") or cls.service,
            sampler=one_of(environ, "OTEL_TRACES_SAMPLER", cls.sampler, _SAMPLERS),
            ratio=_ratio(environ.get("OTEL_TRACES_SAMPLER_ARG")),
        )


def _endpoint(base: str, own: str) -> str | None:
    name = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" if own else "OTEL_EXPORTER_OTLP_ENDPOINT"
    given = own or (base and f"{base.rstrip('/')}/v1/traces")
    if given and not given.startswith(("http://", "https://")):
        raise SettingsError(f"{name} must be like http://localhost:4318: spans are sent by HTTP, as protobuf.")
    return given or None


def _ratio(given: str | None) -> float:
    try:
        ratio = float(given or 1)
    except ValueError:
        ratio = -1
    if not 0 <= ratio <= 1:
        raise SettingsError(f"OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1; it is {given!r}.")
    return ratio
