"""DuckDB takes no more memory than it may, puts the rest on the disk, and says so when that does not suffice."""

from __future__ import annotations

from pathlib import Path

import ibis
import pytest

from flagctl.errors import UsageError
from flagctl.warehouse import memory
from flagctl.warehouse.duck import DuckEngine

GB = 10**9


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """Make engines in an empty working folder whose temporary folder is beside it."""
    made = []
    (tmp_path / "work").mkdir()
    (tmp_path / "aside").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "aside"))
    monkeypatch.delenv(memory.VARIABLE, raising=False)

    def make(**options):
        made.append(DuckEngine(**options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def limit_of(engine: DuckEngine) -> int:
    return memory.bytes_of(engine.connection.execute("SELECT current_setting('memory_limit')").fetchone()[0])


def numbers(count: int):
    """A table that takes about thirty bytes a row."""
    table = ibis.range(count).unnest().name("a").as_table()
    return table.mutate(b=(table.a * 7_919_000_000).cast("string"))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4GB", 4 * GB),
        ("4 gb", 4 * GB),
        ("512MiB", 512 << 20),
        ("0.5GB", GB // 2),
        ("1.5TiB", 3 << 39),
        ("800000B", 800_000),
        ("7kb", 7000),
    ],
)
def test_sizes_are_written_as_people_write_them(text, size):
    assert memory.bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "4", "GB", "-1GB", "0GB", "50%", "4XB", "4GB; DROP TABLE x"])
def test_what_is_no_size_is_named(text):
    with pytest.raises(UsageError, match="a size such as 4GB") as caught:
        memory.bytes_of(text)
    assert f"'{text}'" in str(caught.value)


@pytest.mark.parametrize(
    ("machine", "threads", "limit"),
    [
        (2 * GB, 2, GB),
        (4 * GB, 2, 2 * GB),
        (24 * GB, 2, 2_500_000_000),
        (24 * GB, 4, 2_500_000_000),
        (256 * GB, 64, 32 * GB),
        (16 * GB, 64, 8 * GB),
    ],
)
def test_the_limit_is_a_fixed_size_or_half_of_the_machine_whichever_is_smaller(machine, threads, limit):
    assert memory.default_limit(machine * 8 // 10, threads) == limit


def test_without_a_word_the_limit_is_the_default_one(engine):
    assert limit_of(engine(threads=2)) <= memory.MOST


def test_the_environment_overrides_the_default_and_an_option_the_environment(engine, monkeypatch):
    monkeypatch.setenv(memory.VARIABLE, "300MiB")
    assert limit_of(engine()) == 300 << 20
    assert limit_of(engine(memory_limit="400MiB")) == 400 << 20


def test_a_limit_that_is_none_opens_nothing(engine):
    with pytest.raises(UsageError, match="not 'much'"):
        engine(memory_limit="much")


def test_what_does_not_fit_lies_in_the_temporary_folder_until_the_engine_is_closed(engine, tmp_path):
    duck = engine(memory_limit="60MB", threads=2)
    table = duck.materialise("many", numbers(4_000_000))
    assert duck.rows(table.aggregate(n=table.count(), high=table.a.max())) == [{"n": 4_000_000, "high": 3_999_999}]
    assert sum(one.stat().st_size for one in (tmp_path / "aside").rglob("*.tmp")) > 0
    assert list(Path().iterdir()) == []
    duck.close()
    assert list((tmp_path / "aside").iterdir()) == []


def test_when_even_the_disk_does_not_help_the_error_names_the_limit_and_the_option(engine):
    duck = engine(memory_limit="20MB", threads=2)
    with pytest.raises(UsageError, match=r"the memory limit of 19\.0 MiB is too low") as caught:
        duck.rows(numbers(3_000_000).aggregate(all=lambda t: t.b.collect().length()))
    assert caught.value.hint == "raise it: --memory-limit 4GB, or FLAGCTL_MEMORY_LIMIT=4GB"


def test_when_the_disk_is_full_the_error_says_which(engine, tmp_path):
    duck = engine(memory_limit="40MB", threads=2)
    duck.connection.execute("SET max_temp_directory_size = '4MB'")
    with pytest.raises(UsageError, match="the disk for intermediate results is full") as caught:
        duck.materialise("many", numbers(4_000_000))
    assert str(tmp_path / "aside") in caught.value.hint
