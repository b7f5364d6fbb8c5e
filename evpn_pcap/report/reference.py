"""columns.TABLES -> the reference of every table: what `tables` prints."""

from collections.abc import Callable

from evpn_pcap.columns import TABLES
from evpn_pcap.report.table import aligned, json_text
from evpn_pcap.table import Table


def as_text() -> str:
    """Return each table's grain, key and columns."""
    return "\n".join(f"{table.name}: {table.grain}\nkey: {', '.join(table.key)}\n{_columns(table)}" for table in TABLES)


def as_json() -> str:
    """Return the same as JSON."""
    told = [
        {
            "name": table.name,
            "grain": table.grain,
            "key": list(table.key),
            "columns": [
                {"name": one.name, "dtype": one.kind.dtype, "unit": one.kind.unit, "meaning": one.meaning}
                for one in table.columns
            ],
        }
        for table in TABLES
    ]
    return json_text({"schema_version": 1, "tables": told}, is_indented=True) + "\n"


FORMATS: dict[str, Callable[[], str]] = {"text": as_text, "json": as_json}


def _columns(table: Table) -> str:
    """Return the columns of one table, a line each."""
    rows = [(f"  {one.name}", one.kind.dtype, one.kind.unit, one.meaning) for one in table.columns]
    return aligned(("  column", "stored as", "unit", "meaning"), rows)
