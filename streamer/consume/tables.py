# SPDX-License-Identifier: Apache-2.0
"""The events of a topic as Arrow tables, for pandas, Polars, DuckDB and Parquet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamer.consume.batches import Batches
from streamer.consume.stream import E, Source
from streamer.errors import UsageError

if TYPE_CHECKING:
    from typing import Self

    import pyarrow as pa


class Tables(Batches[E]):
    """`async with` opens it, `async for` gives tables.

    A table counts as processed when the next one is asked for, or when the `async with` is left
    without an exception.
    """

    def __init__(self, source: Source[E], *, rows: int, wait_s: float) -> None:
        try:
            from streamer.consume.arrow import Converter  # noqa: PLC0415 - an extra
        except ModuleNotFoundError as error:
            raise UsageError(
                f"tables need {error.name}, which is not installed", "pip install 'streamer[arrow]'"
            ) from None
        super().__init__(source)
        self._rows = rows
        self._wait_s = wait_s
        self._converter = Converter(source.table)

    @property
    def schema(self) -> pa.Schema:
        """That of every table."""
        return self._converter.schema

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> pa.Table:
        while True:
            batch = await self.batch(self._rows, self._wait_s)
            if batch.events:
                return self._converter.table(batch.events)
