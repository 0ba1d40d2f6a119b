"""donfig's settings, which tell of names that are no settings, and where each value is from."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from donfig import Config
from donfig.config_obj import ConfigSet, collect_env, collect_yaml, no_default

from atldld_xr.errors import InvalidArgumentError, UnknownSettingWarning

DEFAULT, CONFIG_SET = "default", "config.set"

_FILES = (".json", ".yaml", ".yml")
_OWN = ("CONFIG", "ROOT_CONFIG", "_INTERNAL_INHERIT_CONFIG")  # variables of donfig itself


class Settings(Config):  # type: ignore[misc]  # donfig is not typed
    """Settings that are known by their defaults.

    A name that is none of them is warned of, with the one that is nearest: in `set` at once, in
    environment variables and files when a setting is first asked for.
    """

    def refresh(self, **kwargs: Any) -> None:
        """Read environment variables and files anew, and forget what was set otherwise."""
        self._layers: list[tuple[str, dict[str, Any]]] = []
        self._set_here: Counter[str] = Counter()
        self._has_told = False
        super().refresh(**kwargs)

    def collect(
        self, paths: list[str] | None = None, env: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Return what files and environment variables set, and keep in mind which of them did."""
        environment = self.env if env is None else env
        variables = [v for v in environment if v.startswith(self.env_prefix)]
        own = {self.env_prefix + name for name in _OWN}
        try:
            layers = [
                (f"file {path}", found)
                for path in _files(self.paths if paths is None else paths)
                for found in collect_yaml([path])
            ]
        except ValueError as error:  # donfig's, which names the file
            raise InvalidArgumentError(" ".join(str(error).split())) from None
        layers += [
            (
                f"environment variable {variable}",
                collect_env(self.env_prefix, env={variable: environment[variable]}),
            )
            for variable in variables
            if variable not in own
        ]
        self._layers = [(origin, _underscored(found)) for origin, found in layers]
        merged: dict[str, Any] = {}
        for _, found in self._layers:
            for name, value in _leaves(found):
                if self._is_known(name) and (value is not None or name in self.names):
                    _place(merged, name.split("."), value)
        return merged

    def get(self, key: str, default: Any = no_default) -> Any:
        """Return a setting, as `donfig.Config.get`."""
        self._tell()
        return super().get(key, default)

    def set(self, arg: Mapping[str, Any] | None = None, **kwargs: Any) -> ConfigSet:
        """Set some settings, as `donfig.Config.set`; what is in a group beside them stays.

        Parameters
        ----------
        arg : mapping, optional
            Values by name: ``{"cache.limit": "20GB"}`` or ``{"cache": {"limit": "20GB"}}``.
        **kwargs
            The same, as ``cache__limit="20GB"``.

        Returns
        -------
        context manager
            That puts back what was there before; or the values stay.

        Warns
        -----
        UnknownSettingWarning
            For a name that is no setting.
        """
        given = dict(arg or {}) | {name.replace("__", "."): v for name, v in kwargs.items()}
        values = dict(_leaves(_underscored(given)))
        for name in [name for name in values if not self._is_known(name)]:
            values.pop(name)
            message = f"{name} (config.set) is no setting, and changes nothing"
            warnings.warn(message + self._advice(name), UnknownSettingWarning, stacklevel=2)
        return _Set(self, values)

    def origin(self, name: str) -> str:
        """Return where a setting's value is from.

        Returns
        -------
        str
            "default", "file PATH", "environment variable NAME" or "config.set".
        """
        parts = name.split(".")
        names = {".".join(parts[: n + 1]) for n in range(len(parts))}
        if any(self._set_here[each] for each in names):
            return CONFIG_SET
        for origin, found in reversed(self._layers):
            if any(each in names for each, _ in _leaves(found)):
                return str(origin)
        return DEFAULT

    @property
    def names(self) -> tuple[str, ...]:
        """All settings."""
        return tuple(name for defaults in self.defaults for name, _ in _leaves(defaults))

    def _tell(self) -> None:
        if self._has_told:
            return
        self._has_told = True
        for origin, found in self._layers:
            for name, _ in _leaves(found):
                if not self._is_known(name):
                    is_variable = origin.startswith("environment")
                    what = f"the {origin}" if is_variable else f"{name} in the {origin}"
                    warnings.warn(
                        f"{what} is no setting, and changes nothing"
                        + self._advice(name, is_variable=is_variable),
                        UnknownSettingWarning,
                        stacklevel=4,  # who asked for a setting
                    )

    def _is_known(self, name: str) -> bool:
        return any(f"{known}.".startswith(f"{name}.") for known in self.names)  # or a group

    def _advice(self, name: str, *, is_variable: bool = False) -> str:
        known = {each.replace(".", "_"): each for each in self.names}
        known |= {each.rpartition(".")[2]: each for each in self.names}
        near = get_close_matches(name.replace(".", "_"), known, n=1)
        if not near:
            return "; `atldld-xr config` lists them all"
        nearest = known[near[0]]
        if is_variable:
            nearest = variable_of(self.env_prefix, nearest)
        return f"; did you mean {nearest}?"


class _Set(ConfigSet):  # type: ignore[misc]  # donfig is not typed
    """Values that are set, for good or within a ``with``."""

    def __init__(self, settings: Settings, values: Mapping[str, Any]) -> None:
        super().__init__(settings.config, settings.config_lock, settings.deprecations, values)
        self._counts, self._names = settings._set_here, tuple(values)
        self._counts.update(self._names)

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._counts.subtract(self._names)


def variable_of(prefix: str, name: str) -> str:
    """Return the environment variable of a setting."""
    return f"{prefix}{name.upper().replace('.', '__')}"


def _files(paths: list[str]) -> Iterator[str]:
    """Yield the files of settings, the weightiest last, as donfig does."""
    for path in paths:
        if os.path.isdir(path):
            try:
                names = sorted(os.listdir(path))
            except OSError:  # one may not look: as if there were none
                continue
            yield from (os.path.join(path, n) for n in names if n.lower().endswith(_FILES))
        elif os.path.exists(path):
            yield path


def _underscored(values: Mapping[Any, Any]) -> dict[str, Any]:
    """Return nested values with underscores in their names, where there may be hyphens."""
    return {
        str(name).replace("-", "_"): _underscored(value) if isinstance(value, Mapping) else value
        for name, value in values.items()
    }


def _leaves(values: Mapping[str, Any], group: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{group}{name}.")
        else:
            yield f"{group}{name}", value


def _place(values: dict[str, Any], names: list[str], value: Any) -> None:
    """Set a value in nested groups; one that stands in a group's place gives way."""
    for name in names[:-1]:
        if not isinstance(values.get(name), dict):
            values[name] = {}
        values = values[name]
    values[names[-1]] = value
