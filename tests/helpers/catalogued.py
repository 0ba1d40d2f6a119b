"""What records of a test catalogue say, to compare with what was found of them."""

from __future__ import annotations

COUNT = 3000


def ids(records):
    return [record["id"] for record in records]


def good(catalogue):
    return [record for record in catalogue.datasets if not record["failed"]]


def gene(record):
    return record["genes"][0]["acronym"] if record["genes"] else None


def plane(record):
    return record["plane_of_section_id"]


def donor(record):
    return (record["specimen"] or {}).get("donor", {})


def age(record):
    return donor(record).get("age", {}).get("name")
