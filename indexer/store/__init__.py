"""store: the only room that talks SQL.

schema     every table (columns: their types); migrate brings a database there, views installs the SQL in sql/
writer     steps to rows, one transaction each (copy: COPY); reader gives the state back to the loop
queries/   every SELECT of the API
embedded   PostgreSQL from PyPI in the data directory; database: addresses, connections, waiting
export     a relation as CSV or Parquet; status: what `leverage status` shows
"""
