#!/usr/bin/python3
"""Figures of PgBouncer's console for Prometheus.

Debian's prometheus-pgbouncer-exporter reads columns that PgBouncer has not had since 1.8, and ends. This one takes
whatever numeric columns the console shows, so that it does not care about the version.
"""

import sys
import threading

import prometheus_client
import psycopg2
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from psycopg2.extras import RealDictCursor

# SHOW command and the columns that name a row.
TABLES = {"stats": ["database"], "pools": ["database", "user"], "databases": ["name"]}


class Console:
    """Asks anew at every scrape: a connection that is kept would hide that PgBouncer takes no new ones."""

    def __init__(self, host, port):
        self.where = {"host": host, "port": port}

    def describe(self):
        return []

    def collect(self):
        try:
            tables = self.read()
        except psycopg2.Error as error:
            print(f"the console does not answer: {error}", file=sys.stderr, flush=True)
            yield GaugeMetricFamily("pgbouncer_up", "Whether PgBouncer's console answers.", 0)
            return
        yield GaugeMetricFamily("pgbouncer_up", "Whether PgBouncer's console answers.", 1)
        for table, rows in tables.items():
            yield from figures(table, rows)

    def read(self):
        connection = psycopg2.connect(dbname="pgbouncer", user="pgbouncer", connect_timeout=3, **self.where)
        try:
            connection.autocommit = True
            with connection.cursor(cursor_factory=RealDictCursor) as cursor:
                tables = {}
                for table in TABLES:
                    cursor.execute(f"SHOW {table}")
                    tables[table] = cursor.fetchall()
                return tables
        finally:
            connection.close()


def figures(table, rows):
    """One metric for each column that holds whole numbers and does not name the row."""
    names = TABLES[table]
    for column in rows[0] if rows else []:
        if column in names or not all(isinstance(row[column], int) for row in rows):
            continue
        counts_up = column.startswith("total_")
        kind = CounterMetricFamily if counts_up else GaugeMetricFamily
        metric = kind(f"pgbouncer_{table}_{column.removeprefix('total_')}", f"{column} of SHOW {table}", labels=names)
        for row in rows:
            metric.add_metric([row[name] for name in names], row[column])
        yield metric


def main():
    address, port, console_host, console_port = sys.argv[1:]
    prometheus_client.REGISTRY.register(Console(console_host, console_port))
    prometheus_client.start_http_server(int(port), addr=address)
    threading.Event().wait()


if __name__ == "__main__":
    main()
