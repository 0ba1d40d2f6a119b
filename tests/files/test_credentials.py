"""Credentials: what is one, by its name, is told nowhere; what is none is told as it is."""

from __future__ import annotations

import json
import logging
import re
import string
import traceback
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, quote_plus

import cloudpickle
import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

import atldld_xr
from atldld_xr.errors import AtldldError, InvalidArgumentError
from atldld_xr.files import storage_options
from atldld_xr.files.credentials import credentials_in, hide, hide_in_addresses, is_credential
from atldld_xr.files.storage_options import register
from atldld_xr.sources.mirror import MirrorSource
from atldld_xr.sources.save_mirror import save_mirror
from commandline import run
from noise import DATASET_ID, NoiseSource

# As fsspec's file systems, and the libraries below them, call them.
SECRET = [
    "key", "secret", "token", "password", "passwd", "pass", "passphrase", "sas", "sas_token",
    "account_key", "accountKey", "AccountKey", "aws_access_key_id", "aws_secret_access_key",
    "aws_session_token", "AWS_SECRET_ACCESS_KEY", "secret_key", "shared_access_signature",
    "SharedAccessSignature", "client_secret", "clientSecret", "private_key", "private_key_id",
    "api_key", "apikey", "x-api-key", "Authorization", "authorization", "auth", "cookie",
    "Set-Cookie", "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "sig", "signature",
    "credential", "access_token", "refresh_token", "id_token", "oauth_token", "bearer", "session",
    "accesskey", "secretkey", "accountkey", "SSECustomerKey",
]  # fmt: skip
PLAIN = [
    "profile", "endpoint_url", "region_name", "account_name", "account_host", "anon", "project",
    "username", "user", "host", "port", "protocol", "cache_type", "cache_storage",
    "default_block_size", "use_ssl", "client_kwargs", "config_kwargs", "signature_version",
    "addressing_style", "retries", "timeout", "token_uri", "auth_uri", "type", "method",
    "consistency", "requester_pays", "role_session_name", "token_type", "key_size", "key_file",
    "trust_env", "base_url", "version_aware", "monkey", "keyboard", "tokenizer", "secretary",
    "passage", "authors", "location", "path", "fo", "target_protocol", "s3", "max_concurrency",
    "encoding", "keep_alive", "listings_expiry_time", "mode", "compression",
]  # fmt: skip
WAYS = ["anon", "browser", "cache", "cloud", "google_default"]


@pytest.mark.parametrize("name", SECRET)
def test_names_of_credentials(name: str) -> None:
    assert is_credential(name)


@pytest.mark.parametrize("name", [*PLAIN, "", "_", "1"])
def test_names_of_all_else(name: str) -> None:
    assert not is_credential(name)


WORDS = st.text(string.ascii_lowercase, min_size=1, max_size=8)
# None has a space, so that what is told beside others stays apart from them.
VALUES = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=20
).filter(lambda text: text not in WAYS and any(c.isalnum() for c in text) and "*" not in text)


def nested(names: list[str], values: SearchStrategy[str]) -> SearchStrategy[Any]:
    """Draw options, and beside them all their values, in containers of plain names."""
    one = st.tuples(st.sampled_from(names), values).map(lambda item: ({item[0]: item[1]}, item[1]))
    leaf = one.map(lambda item: (item[0], [item[1]]))

    def within(inner: SearchStrategy[Any]) -> SearchStrategy[Any]:
        name = st.sampled_from(PLAIN)
        return (
            st.tuples(name, inner).map(lambda t: ({t[0]: t[1][0]}, t[1][1]))
            | st.tuples(name, inner).map(lambda t: ({t[0]: [t[1][0]]}, t[1][1]))
            | st.tuples(inner, inner).map(
                lambda t: ({"a": t[0][0], "b": (t[1][0],)}, t[0][1] + t[1][1])
            )
        )  # fmt: skip

    return st.recursive(leaf, within, max_leaves=4)


def forms(value: str) -> set[str]:
    as_json, as_repr = json.dumps(value)[1:-1], repr(value)[1:-1]
    return {value, quote(value), quote(value, safe=""), quote_plus(value), as_json, as_repr}


def is_told(secret: str, text: str) -> bool:
    """Whether a text has a secret in it; of a short one, that is a part of many words, as one."""
    text = text.replace("***", "\0")
    if len(secret) >= 4:
        return secret in text
    return re.search(rf"(?<![^\W_]){re.escape(secret)}(?![^\W_])", text) is not None


@given(drawn=nested(SECRET, VALUES), before=WORDS, after=WORDS)
@example(({"a": {"key": "a/b c=&".replace(" ", "")}}, ["a/bc=&"]), "x", "y")
def test_no_credential_of_any_nested_options_is_told(drawn: Any, before: str, after: str) -> None:
    options, secrets = drawn
    shared = register(options)
    told = " ".join(f"{before}={form}&{after}" for secret in secrets for form in forms(secret))
    said = shared.describe(ValueError(told))
    for secret in secrets:
        for form in forms(secret):
            if not is_told(form, f"{before} {after} ={before}"):
                assert not is_told(form, said)
    assert shared.cause(ValueError(told)) is None
    storage_options._KNOWN.pop(shared.token)


@given(
    plain=nested(PLAIN, WORDS | st.sampled_from(["data", "section_data_set", "True", "us-east-1"])),
    secret=st.text(string.digits, min_size=12, max_size=12),
)
def test_no_ordinary_value_is_hidden(plain: Any, secret: str) -> None:
    options, values = plain
    shared = register({"all": options, "token": secret})
    told = "cannot read https://host/section_data_set_5.json: " + " ".join(values)
    assert shared.describe(ValueError(told)) == told
    assert shared.describe(ValueError(f"{told} {secret}")) == f"{told} ***"
    storage_options._KNOWN.pop(shared.token)


def test_a_profile_is_no_credential() -> None:
    shared = register({"profile": "data", "key": "access-key"})
    said = shared.describe(OSError("https://host/section_data_set_5.json, by access-key"))
    assert said == "https://host/section_data_set_5.json, by ***"


@pytest.mark.parametrize("way", WAYS)
def test_ways_to_log_in_are_no_tokens(way: str) -> None:
    assert credentials_in({"token": way}) == set()
    assert credentials_in({"password": way}) == {way}


def test_of_a_service_account_all_but_who_it_is() -> None:
    account = {
        "type": "service_account",
        "project_id": "brain-42",
        "private_key": "-----BEGIN\nMIIEvgIBADANBgkq\n-----END",
        "client_email": "me@brain-42.iam",
        "token_uri": "https://oauth2.example.org/token",
        "unheard_of": "hush-hush",
    }
    found = credentials_in({"token": account})
    assert {"MIIEvgIBADANBgkq", "hush-hush", account["private_key"]} <= found
    assert not {"service_account", "me@brain-42.iam", account["token_uri"]} & found


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("https://me:hush@host/a", "https://me:***@host/a"),
        ("ftp://me:hu@sh@host", "ftp://me:***@host"),
        ("simplecache::https://me:hush@host/a", "simplecache::https://me:***@host/a"),
        ("https://hush@host/a", "https://***@host/a"),
        ("sftp://me@host/a", "sftp://me@host/a"),
        ("s3://bucket/a@b/c@d", "s3://bucket/a@b/c@d"),
        ("https://host/a?b=1&access_token=hush&c=2", "https://host/a?b=1&access_token=***&c=2"),
        ("'https://h?X-Amz-Date=1&X-Amz-Signature=hush'", "'https://h?X-Amz-Date=1&X-Amz-Signature=***'"),
        ("https://h/c?sv=2024&sig=hu%2Bsh%3D", "https://h/c?sv=2024&sig=***"),
        ("AccountName=me;AccountKey=hush/hu+sh==;A=x", "AccountName=me;AccountKey=***;A=x"),
        ("write to you@example.org: a=b", "write to you@example.org: a=b"),
    ],
)  # fmt: skip
def test_what_addresses_in_a_message_hold(told: str, said: str) -> None:
    assert hide_in_addresses(told) == said
    assert register({}).describe(ValueError(told)) == said
    assert hide_in_addresses(said) == said


@pytest.mark.parametrize(
    "address",
    [
        "https://me:hush@host/mirror", "https://hush@host/mirror", "ftp://me:hu@sh@host/mirror",
        "simplecache::https://me:hush@host/mirror", "s3://bucket/a?X-Amz-Signature=hush",
        "https://host/mirror?sig=hush", "nosuch://me:hush@host/a", "http://me:hush@[::1/api/v2",
    ],
)  # fmt: skip
def test_addresses_with_credentials_are_refused_without_them(address: str, tmp_path: Path) -> None:
    def to_zarr(url: str) -> None:
        atldld_xr.open_dataset("phantom", resolution=500).atldld.to_zarr(url)

    ways = [MirrorSource, lambda url: atldld_xr.open_dataset(5, source=url), to_zarr]
    for way in ways[address.startswith(("nosuch", "http://")) :]:
        with pytest.raises(InvalidArgumentError) as caught:
            way(address)
        assert "hush" not in "".join(traceback.format_exception(caught.value))


def test_a_storage_option_that_is_none_is_not_repeated() -> None:
    for pair in ("=hush", "hush"):
        said = run("status", "s3://bucket/a.zarr", "--storage-option", pair, code=2).stderr
        assert "KEY=VALUE" in said
        assert "hush" not in said


class Telling(MemoryFileSystem):  # type: ignore[misc]
    """A file system that repeats its options in each failure, and writes them to the log."""

    protocol = "telling"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    def cat_file(self, path: str, *args: Any, **more: Any) -> bytes:
        logging.getLogger("atldld_xr").debug("reading %s", path)
        content = bytes(super().cat_file(path, *args, **more))
        if path.endswith(".jpg"):
            raise PermissionError(f"403 for {path} by {self.storage_options}")
        return content


def test_no_credential_is_in_what_is_told_logged_pickled_or_stored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fsspec.register_implementation("telling", Telling, clobber=True)
    caplog.set_level(logging.DEBUG)
    secrets = ["hush-key", "hush/pass+word", "hush-header", "hush-sig"]
    options = {
        "profile": "data",
        "key": secrets[0],
        "config": {"password": secrets[1], "headers": [{"Authorization": f"Bearer {secrets[2]}"}]},
        "base_url": f"https://host/a?v=1&sig={secrets[3]}",
    }  # fmt: skip
    source = NoiseSource(tile=4096)
    save_mirror([DATASET_ID], "telling://m", source=source, tiers=[2], storage_options=options)
    mirror = MirrorSource("telling://m", options)
    with atldld_xr.config.set({"http.retries": 1}):
        ds = atldld_xr.open_dataset(DATASET_ID, source=mirror, resolution=200, on_error="fill")
        report = ds.atldld.to_zarr(tmp_path / "a.zarr")
        with pytest.raises(AtldldError) as caught:
            atldld_xr.open_dataset(DATASET_ID, source=mirror, resolution=200).image.compute()
    assert report.failures
    texts = [caplog.text, "".join(traceback.format_exception(caught.value)), repr(ds), repr(report)]
    texts += [str(ds.attrs), repr(mirror)]
    texts += [cloudpickle.dumps(thing).decode("latin-1") for thing in (ds, mirror, caught.value)]
    texts += [p.read_text("latin-1") for p in tmp_path.rglob("*") if p.is_file()]
    for text in texts:
        assert not [secret for secret in secrets for form in forms(secret) if form in text]
    said = str(report.failures[0]["reason"])
    assert "section_image_" in said
    assert "'profile': 'data'" in said
    assert "***" in said


def test_of_two_credentials_the_longer_is_hidden_first() -> None:
    assert hide("abcdefgh abcd", {"abcd", "abcdefgh"}) == "*** ***"
    assert hide("a blank stays", {"%20", " ", "", "+"}) == "a blank stays"
    assert hide("pi is in pistils, pi_x and (pi)", {"pi"}) == "*** is in pistils, ***_x and (***)"
