"""The bodies of the commands: they open what a command needs, call the rooms and show what comes back.

context   settings, the database, the signal to stop
screen    progress bars and tables
follow    run, index, record, rebuild
demo      the recorded chain, from nothing to a served API
reports   status, verify, decode, export
"""
