"""The leverage indexer: from a node's logs to exact positions, leverage metrics and SQL.

The rooms, from the bottom up (imports point down only):

    units, errors      constants and the error tree; know nobody
    types              the nouns that flow between rooms: Logs, Header, Read, Events, facts
    decode/            hex -> columns
    protocol           what an adapter is
    families/          accounting and rounding shared by forks
    protocols/<slug>/  one folder a protocol: columns -> facts
    ledger/            facts -> positions and market states
    aggregation/       positions -> metrics
    chain/ | store/    the two rooms that do I/O: nodes | PostgreSQL
    run                the loop; cli the commands
"""

__version__ = "0.1.0"
