"""HTTP over SQL. `main.py` makes the app, `deps.py` reads requests, `schemas.py` says what comes back; nothing is computed here."""
