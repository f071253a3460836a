"""What happens, as it happens: server-sent events, and the same over a WebSocket."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from api.answers import documented
from api.deps import ADDRESS, SLUG, ChainName, find_chain, only_known_parameters
from api.problems import Problem, bad_parameter
from api.stream import CHANNELS, Choice, Hub, Message, event

router = APIRouter(prefix="/v1", tags=["stream"])

KEEP_ALIVE_SECONDS = 15.0
MAX_SECONDS = 86_400
POLICY_VIOLATION = 1008
GOING_AWAY = 1001

EXAMPLE = (
    'id: 1-4711\nevent: block\ndata: {"chain_id":1,"block_number":21525890,"block_hash":"0xab...","block_time":'
    '"2025-01-01T00:00:11Z","first_block":21525890,"protocols":["aave_v3"]}\n\n'
)

Channels = Annotated[
    str | None,
    Query(
        max_length=200,
        description=f"Which channels, comma-separated: {', '.join(CHANNELS)}. Left out: all. A reorg is always told.",
        examples=["block,liquidations"],
    ),
]
OnlyProtocol = Annotated[str | None, Query(pattern=SLUG, description="Only of this protocol.", examples=["aave_v3"])]
OnlyAccount = Annotated[
    str | None,
    Query(
        pattern=ADDRESS,
        description="Only what is about this account or owner.",
        examples=["0x00000000000000000000000000000000000000a1"],
    ),
]
Below = Annotated[
    Decimal | None,
    Query(
        gt=0, max_digits=38, decimal_places=18, examples=["1.05"],
        description="`liquidation_risk`: only borrowers below this health factor, a ratio.",
    ),
]  # fmt: skip
AtLeast = Annotated[
    Decimal | None,
    Query(
        ge=0, max_digits=38, decimal_places=18, examples=["100"],
        description="`liquidation_risk`: only borrowers with at least this debt, USD.",
    ),
]  # fmt: skip


def chosen(text: str | None) -> frozenset[str]:
    """Read the list of channels.

    Raises  Problem (422) for one that does not exist
    """
    if text is None:
        return frozenset(CHANNELS)
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in CHANNELS:
            raise bad_parameter("channels", f"no channel {name[:40]!r}; there are {', '.join(CHANNELS)}")
    if not names:
        raise bad_parameter("channels", f"name at least one of {', '.join(CHANNELS)}, or leave it out")
    return frozenset(names)


@router.get(
    "/stream",
    summary="Server-sent events: blocks, liquidations, risk, loops, purges, parameters, reorgs",
    response_class=StreamingResponse,
    dependencies=[Depends(only_known_parameters)],
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}, "example": EXAMPLE}}},
        **{code: text for code, text in documented(None, pinned=False).items() if code in (401, 404, 422, 429, 503)},
    },
)
async def stream(
    request: Request,
    chain: ChainName = None,
    channels: Channels = None,
    protocol: OnlyProtocol = None,
    account: OnlyAccount = None,
    health_factor_lt: Below = None,
    min_debt_usd: AtLeast = None,
    last_event_id: Annotated[
        str | None,
        Query(max_length=60, description="As the header `Last-Event-ID`, for clients that cannot send it.", examples=["1-4711"]),
    ] = None,
    max_seconds: Annotated[
        float | None,
        Query(gt=0, le=MAX_SECONDS, description="End the stream after this long. Left out: never.", examples=[60]),
    ] = None,
) -> StreamingResponse:  # fmt: skip
    """Each event has an id; a client that reconnects with the last one (`Last-Event-ID`) misses nothing and gets nothing twice.

    When that is no longer possible the first event is `lost` and says why. A `reorg` names the first block that is no longer
    valid and comes before what replaces it. Every block gives a `block` event, or a `heartbeat` where that channel is not chosen.
    """
    hub: Hub = request.app.state.hub
    choice = Choice(chosen(channels), protocol, account.lower() if account else None, health_factor_lt, min_debt_usd)
    found = find_chain(await run_in_threadpool(request.app.state.read_heads), chain)
    seq, lost = await hub.place(found.chain_id, request.headers.get("last-event-id", last_event_id))
    hub.check_room()
    return StreamingResponse(
        _events(hub, found.chain_id, seq, lost, choice, max_seconds),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(
    hub: Hub, chain_id: int, seq: int, lost: str | None, choice: Choice, max_seconds: float | None
) -> AsyncIterator[str]:
    with hub.listening():
        yield f"retry: 1000\nid: {chain_id}-{seq}\n"
        yield f"event: lost\ndata: {json.dumps({'reason': lost})}\n\n" if lost else "\n"
        async for messages in hub.follow(chain_id, seq, KEEP_ALIVE_SECONDS, max_seconds):
            if not messages:
                yield ": nothing new\n\n"
            elif text := "".join(event(chain_id, message, choice) for message in messages):
                yield text


@router.websocket("/ws")
async def socket(socket: WebSocket) -> None:
    """The same messages after an `open`, one JSON text each: `{id, channel, data}`. Parameters are those of `/v1/stream`."""
    hub: Hub = socket.app.state.hub
    try:
        chain_id, choice, event_id = await _asked(socket)
        seq, lost = await hub.place(chain_id, event_id)
        hub.check_room()
    except Problem as problem:
        await socket.accept()
        await socket.send_json({"channel": "error", "data": {"title": problem.title, "detail": problem.detail}})
        return await socket.close(POLICY_VIOLATION, problem.slug)
    with hub.listening():
        await socket.accept()
        sending = asyncio.create_task(_send(socket, hub, chain_id, seq, lost, choice))
        hearing = asyncio.create_task(_hear(socket))
        done, running = await asyncio.wait((sending, hearing), return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for task in done:
            with suppress(WebSocketDisconnect, RuntimeError):  # the client went away
                task.result()
        if sending in done and hub.closing:
            with suppress(RuntimeError):
                await socket.close(GOING_AWAY)


async def _send(socket: WebSocket, hub: Hub, chain_id: int, seq: int, lost: str | None, choice: Choice) -> None:
    # where it begins, as the first line of the stream of events says: who is cut before the first message can go on too
    await socket.send_json({"id": f"{chain_id}-{seq}", "channel": "open", "data": {}})
    if lost:
        await socket.send_json({"id": f"{chain_id}-{seq}", "channel": "lost", "data": {"reason": lost}})
    async for messages in hub.follow(chain_id, seq, KEEP_ALIVE_SECONDS):
        for message in messages:
            if text := _text(chain_id, message, choice):
                await socket.send_text(text)


async def _hear(socket: WebSocket) -> None:
    """Wait for the client to go. What it says is not for us."""
    while True:
        await socket.receive_text()


def _text(chain_id: int, message: Message, choice: Choice) -> str:
    identity = f'"id":"{chain_id}-{message.seq}"'
    if choice.takes(message):
        return f'{{{identity},"channel":"{message.channel}","data":{message.text}}}'
    if message.channel == "block":
        return f'{{{identity},"channel":"heartbeat","data":{{"block_number":{message.block_number}}}}}'
    return ""


PARAMETERS = {"chain", "channels", "protocol", "account", "health_factor_lt", "min_debt_usd", "last_event_id"}


async def _asked(socket: WebSocket) -> tuple[int, Choice, str | None]:
    """Read and check the query of a WebSocket as `/v1/stream` does its own.

    Raises  Problem
    """
    query: dict[str, Any] = dict(socket.query_params)
    for name in query:
        if name not in PARAMETERS:
            raise bad_parameter(name, f"no such parameter; known ones: {', '.join(sorted(PARAMETERS))}")
        if len(socket.query_params.getlist(name)) > 1:
            raise bad_parameter(name, "given more than once")
    numbers: dict[str, Decimal | None] = {"health_factor_lt": None, "min_debt_usd": None}
    for name in numbers:
        if name in query:
            try:
                numbers[name] = Decimal(query[name])
            except InvalidOperation:
                raise bad_parameter(name, "it is not a decimal number") from None
            if not numbers[name].is_finite() or numbers[name] < 0:  # type: ignore[union-attr,operator]
                raise bad_parameter(name, "it is not a finite number of at least 0")
    for name, pattern in (("protocol", SLUG), ("account", ADDRESS)):
        if name in query and not re.fullmatch(pattern.strip("^$"), query[name]):
            raise bad_parameter(name, f"it does not look like {pattern}")
    found = find_chain(await run_in_threadpool(socket.app.state.read_heads), query.get("chain"))
    account = query.get("account")
    choice = Choice(
        chosen(query.get("channels")), query.get("protocol"), account.lower() if account else None,
        numbers["health_factor_lt"], numbers["min_debt_usd"],
    )  # fmt: skip
    return found.chain_id, choice, query.get("last_event_id")
