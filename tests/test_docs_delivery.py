"""docs/delivery.md says what is so: its points name tests that exist, its snippets run."""

from __future__ import annotations

import re
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from dub_middleware.conversions import Conversions, Timing
from dub_middleware.conversions.outbox import FINAL
from dub_middleware.testing import RecordingDestination
from dub_stub import KEY, DubStub

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "delivery.md").read_text(encoding="utf-8")
SNIPPETS = dict(
    re.findall(r"^### ([^\n]+)\n(?:(?!^#|^```)[^\n]*\n)*```python\n(.*?)^```$", TEXT, re.M | re.S)
)
TESTS = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"def (test_\w+)\(", path.read_text(encoding="utf-8"))
}
POINTS = re.findall(r"^(\d+)\. \*\*(.*?)(?=^\d+\. |^SQLite before)", TEXT, re.M | re.S)


def test_the_promise_has_its_fifteen_points() -> None:
    assert [number for number, _ in POINTS] == [str(n) for n in range(1, 16)]


@pytest.mark.parametrize(("number", "text"), POINTS, ids=[number for number, _ in POINTS])
def test_every_point_names_tests_that_exist(number: str, text: str) -> None:
    named = re.findall(r"`(test_\w+)`", text)
    assert named
    assert [name for name in named if name not in TESTS] == []


def test_every_state_has_its_line() -> None:
    table = TEXT.partition("## States")[2].partition("## In operations")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.M) == ["pending", *FINAL]


@dataclass
class Order:
    number: str
    customer_id: str
    total: int


@pytest.fixture
def recording(recording_destination: RecordingDestination) -> RecordingDestination:
    return recording_destination


@pytest.fixture
def client(recording: RecordingDestination) -> Iterator[Callable[[str], Conversions]]:
    made: list[Conversions] = []

    def make(url: str) -> Conversions:
        made.append(Conversions(recording, outbox=url, timing=Timing(poll=0.02)))
        return made[-1]

    yield make
    for conversions in made:
        conversions.close()


def checkout_of(heading: str, conversions: Conversions) -> Callable[..., None]:
    names: dict[str, Any] = {"conversions": conversions}
    exec(compile(SNIPPETS[heading], f"delivery.md, {heading}", "exec"), names)
    return names["checkout"]  # type: ignore[no-any-return]


def sold(recording: RecordingDestination, conversions: Conversions) -> list[str | None]:
    assert conversions.flush()
    return [sale.invoice_id for sale in recording.sales]


class Base(DeclarativeBase):
    pass


class SQLAlchemyOrder(Base):
    __tablename__ = "orders"
    number: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str]
    total: Mapped[int]


class TestSQLAlchemy:
    @pytest.mark.parametrize("backend", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
    def test_the_order_and_its_sale_commit_and_roll_back_together(
        self,
        request: pytest.FixtureRequest,
        client: Callable[[str], Conversions],
        recording: RecordingDestination,
        tmp_path: Path,
        backend: str,
    ) -> None:
        url = f"sqlite:///{tmp_path}/shop.db"
        if backend == "postgres":
            url = request.getfixturevalue("postgres_url").replace("postgresql:", "postgresql+psycopg:")
        conversions = client(url)
        checkout = checkout_of("With SQLAlchemy", conversions)
        engine = create_engine(url)
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            with session.begin() as transaction:  # what the snippet does, but for its end
                session.add(SQLAlchemyOrder(number="A-1", customer_id="1", total=4900))
                conversions.track_sale(customer_external_id="1", amount=4900, connection=session)
                transaction.rollback()
            checkout(session, SQLAlchemyOrder(number="A-2", customer_id="2", total=4900))
            assert session.query(SQLAlchemyOrder.number).all() == [("A-2",)]
        engine.dispose()
        assert sold(recording, conversions) == ["A-2"]


@pytest.mark.postgres
class TestPsycopg:
    def test_the_order_and_its_sale_commit_and_roll_back_together(
        self, client: Callable[[str], Conversions], recording: RecordingDestination, postgres_url: str
    ) -> None:
        conversions = client(postgres_url)
        checkout = checkout_of("With psycopg", conversions)
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute("CREATE TABLE orders (number text PRIMARY KEY, customer_id text, total int)")
            with connection.transaction(force_rollback=True):
                checkout(connection, Order("A-1", "1", 4900))
            checkout(connection, Order("A-2", "2", 4900))
            assert connection.execute("SELECT number FROM orders").fetchall() == [("A-2",)]
        assert sold(recording, conversions) == ["A-2"]


DJANGO = """
import sys
import django
from django.conf import settings

database = {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}
if sys.argv[2]:
    database = {"NAME": sys.argv[2], "HOST": sys.argv[3], "USER": "postgres"}
    database["ENGINE"] = "django.db.backends.postgresql"
settings.configure(DATABASES={"default": database}, INSTALLED_APPS=[])
django.setup()

from django.db import models
from dub_middleware.conversions import Conversions
from dub_middleware.testing import RecordingDestination

class Order(models.Model):
    number = models.CharField(max_length=9, primary_key=True)
    customer_id = models.CharField(max_length=9)
    total = models.IntegerField()

    class Meta:
        app_label = "shop"

recording = RecordingDestination()
url = f"postgresql:///{sys.argv[2]}?host={sys.argv[3]}&user=postgres" if sys.argv[2] else f"sqlite:///{sys.argv[1]}"
conversions = Conversions(recording, outbox=url)
"""
DJANGO_CHECKS = """
with connection.schema_editor() as editor:
    editor.create_model(Order)
try:
    with transaction.atomic():
        checkout(Order(number="A-1", customer_id="1", total=4900))
        raise ZeroDivisionError
except ZeroDivisionError:
    pass
checkout(Order(number="A-2", customer_id="2", total=4900))
assert [order.number for order in Order.objects.all()] == ["A-2"]
assert conversions.flush()
assert [sale.invoice_id for sale in recording.sales] == ["A-2"], recording.sales
conversions.close()
"""


class TestDjango:
    @pytest.mark.parametrize("backend", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
    def test_the_order_and_its_sale_commit_and_roll_back_together(
        self, request: pytest.FixtureRequest, tmp_path: Path, backend: str
    ) -> None:
        """In a process of its own: Django's settings are those of the whole process."""
        name = host = ""
        if backend == "postgres":
            url = request.getfixturevalue("postgres_url")
            name, host = re.match(r"postgresql:///(\w+)\?host=([^&]+)", url).groups()  # type: ignore[union-attr]
        code = DJANGO + SNIPPETS["With Django"] + DJANGO_CHECKS
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "shop.db"), name, host], check=True)


def test_the_celery_task_delivers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Celery itself is not needed to see what its task does."""
    celery = types.ModuleType("celery")
    celery.shared_task = lambda function: function  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "celery", celery)
    with DubStub() as dub:
        url = f"sqlite:///{tmp_path}/outbox.db"
        for name, value in {"DUB_API_KEY": KEY, "DUB_BASE_URL": dub.url, "DUB_OUTBOX": url}.items():
            monkeypatch.setenv(name, value)
        with Conversions(RecordingDestination(), outbox=url, deliver=False):
            names: dict[str, Any] = {}
            exec(SNIPPETS["Celery beat"], names)
            names["conversions"]._delivers = False
            names["conversions"].track_lead(customer_external_id="42", click_id="cQ1tXYZ012345678")
            assert dub.leads == []
            names["deliver_conversions"]()
        assert len(dub.leads) == 1
