"""The Dags of this checkout, as Airflow finds them in the bundle."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from airflow.dag_processing.dagbag import BundleDagBag

from include.klines.settings import ROOT

if TYPE_CHECKING:
    from airflow.sdk import DAG


@cache
def parse() -> BundleDagBag:
    """The bundle, parsed once: what .airflowignore hides is not seen."""
    return BundleDagBag(dag_folder=str(ROOT), bundle_path=ROOT, bundle_name="klines", load_op_links=False)


def dags() -> list[DAG]:
    """The Dags, by id."""
    return [dag for _, dag in sorted(parse().dags.items())]
