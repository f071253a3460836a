"""A WebSocket only wakes; it may die, lie or be absent."""

from __future__ import annotations

import threading
import time

from websockets.sync.server import ServerConnection, serve

from indexer.chain import HeadWatcher

NEWS = '{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0x1","result":{"number":"0x1"}}}'


def test_a_new_head_wakes_and_a_dropped_connection_is_made_again() -> None:
    connected, tell = [], threading.Event()

    def serve_heads(connection: ServerConnection) -> None:
        assert "newHeads" in str(connection.recv())
        connection.send('{"jsonrpc":"2.0","id":1,"result":"0x1"}')
        connected.append(connection)
        tell.wait(5)
        tell.clear()
        connection.send(NEWS)
        if len(connected) > 1:
            connection.recv(timeout=5)

    with serve(serve_heads, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        watcher = HeadWatcher(f"ws://127.0.0.1:{server.socket.getsockname()[1]}", first_wait=0.01)
        for round_number in (1, 2):
            while len(connected) < round_number:
                time.sleep(0.005)
            started = time.monotonic()
            watcher.wait(0.02)  # nothing yet
            tell.set()
            watcher.wait(5)
            assert time.monotonic() - started < 2
        watcher.close()
        server.shutdown()


def test_nobody_there_costs_nothing_but_the_poll_interval() -> None:
    watcher = HeadWatcher("ws://127.0.0.1:9/secret-key")
    started = time.monotonic()
    watcher.wait(0.02)
    assert 0.01 < time.monotonic() - started < 1
    watcher.close()
