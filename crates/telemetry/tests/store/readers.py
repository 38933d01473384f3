"""Reads telemetry with DuckDB, pandas and polars, and holds their sums beside
those that were written: FOLDER ROWS REFUSED TOKENS RESPONSE_MS."""
import sys

import duckdb
import pandas
import polars

folder = sys.argv[1]
rows, refused, tokens = map(int, sys.argv[2:5])
took = float(sys.argv[5])
windows, observations = f"{folder}/windows", f"{folder}/observations"
wanted = (rows, refused, tokens, {"acme", "globex"}, 2, rows, took, 5, "cliënt 0")


def of_duckdb():
    source = f"read_parquet('{windows}/**/*.parquet', hive_partitioning = true)"
    count, ref, tok = duckdb.sql(
        f"select count(*), sum(refused), sum(list_sum(ticks)) from {source}").fetchall()[0]
    tenants = {name for name, in duckdb.sql(f"select distinct tenant from {source}").fetchall()}
    days = duckdb.sql(f"select count(distinct day), any_value(typeof(timestamp)), bool_and(timestamp::date = day::date) from {source}").fetchall()[0]
    assert days[1:] == ("TIMESTAMP WITH TIME ZONE", True), days
    source = f"read_parquet('{observations}/**/*.parquet', hive_partitioning = true)"
    seen, ms, clients, first = duckdb.sql(
        f"select count(*), sum(response_time_ms * weight), count(distinct client_id), min(client_id) from {source}").fetchall()[0]
    return count, ref, int(tok), tenants, days[0], seen, ms, clients, first


def of_pandas():
    frame = pandas.read_parquet(windows)
    assert str(frame["timestamp"].dtype).endswith("UTC]"), frame["timestamp"].dtype
    tok = sum(int(ticks.astype("int64").sum()) for ticks in frame["ticks"])
    seen = pandas.read_parquet(observations)
    ms = float((seen["response_time_ms"].astype("float64") * seen["weight"]).sum())
    return (len(frame), int(frame["refused"].sum()), tok, set(frame["tenant"]), frame["day"].nunique(),
            len(seen), ms, seen["client_id"].nunique(), min(seen["client_id"]))


def of_polars():
    frame = polars.scan_parquet(f"{windows}/**/*.parquet", hive_partitioning=True).collect()
    assert frame.schema["timestamp"] == polars.Datetime("ms", "UTC"), frame.schema
    tok = frame.select(polars.col("ticks").list.eval(polars.element().cast(polars.Int64)).list.sum().sum()).item()
    seen = polars.scan_parquet(f"{observations}/**/*.parquet", hive_partitioning=True).collect()
    ms = seen.select((polars.col("response_time_ms").cast(polars.Float64) * polars.col("weight")).sum()).item()
    return (len(frame), frame["refused"].sum(), tok, set(frame["tenant"]), frame["day"].n_unique(),
            len(seen), ms, seen["client_id"].n_unique(), seen["client_id"].min())


for read in of_duckdb, of_pandas, of_polars:
    got = read()
    assert got == wanted, f"{read.__name__}: {got}, wanted {wanted}"
