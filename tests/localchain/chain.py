"""The local chain: an anvil with the real contracts on it, and the book of what is where.

with LocalChain(aave="3.6", morpho=True, seed=7) as chain:
    chain.rpc_url, chain.contracts["Pool"], chain.tokens, chain.accounts
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

from .anvil import GENESIS_TIME, Anvil
from .build import Artifact, artifacts
from .contract import Contract, created_address

AaveVersion = Literal["3.0.2", "3.6"]
TX_GAS = 15_000_000
ZERO = "0x" + "0" * 40
NEWCOMERS = 48  # accounts of Aave v2 and the perp venue; apart, so that the older protocols keep their addresses


@dataclass(frozen=True, slots=True)
class Reserve:
    """One asset listed in Aave, with the tokens that stand for it."""

    symbol: str
    asset: str
    a_token: str
    debt_token: str
    borrowable: bool
    created: int


@dataclass(frozen=True, slots=True)
class OldReserve:
    """One asset listed in Aave v2; its contracts are in the book as `v2_aToken_WETH` and so on."""

    symbol: str
    asset: str
    created: int


@dataclass(frozen=True, slots=True)
class PerpMarket:
    """One base token of the perp venue, traded against vUSD; `follows` is the plain token that its index price is of."""

    name: str
    base: str
    pool: str
    feed: str
    follows: str
    created: int


@dataclass(frozen=True, slots=True)
class Market:
    """One Morpho market; `params` is its MarketParams tuple."""

    name: str
    id: str
    params: tuple[str, str, str, str, int]
    loan: str
    collateral: str
    created: int


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction on its way: who sent it, and its hash."""

    sender: str
    hash: str


@dataclass
class Clock:
    """Time of the newest block, unix seconds."""

    now: int = GENESIS_TIME
    head: int = 0


class LocalChain:
    """Owns one anvil, sends transactions with its own nonces, mines when told."""

    def __init__(
        self,
        aave: AaveVersion | None = "3.6",
        morpho: bool = True,
        seed: int = 0,
        accounts: int = 80,
        lifetime: int = 1800,
        aave_v2: bool = False,
        perp: bool = False,
    ) -> None:
        self.aave_version, self.has_morpho, self.seed = aave, morpho, seed
        self.has_aave_v2, self.has_perp = aave_v2, perp
        wanted = {f"aave-{aave}": aave, "morpho": morpho, "helpers": True}
        wanted |= {"aave-2": aave_v2, "perp-2": perp, "uniswap-3": perp}
        for group in (name for name, there in wanted.items() if there):
            artifacts(group)
        self.node = Anvil(seed=seed, accounts=accounts + NEWCOMERS, lifetime=lifetime)
        self.rpc = self.node.rpc
        self.rpc_url = self.rpc.url
        self.clock = Clock()
        self.contracts: dict[str, str] = {}
        self.tokens: dict[str, dict[str, Any]] = {}
        self.book: dict[str, Contract] = {}
        self.reserves: dict[str, Reserve] = {}
        self.markets: dict[str, Market] = {}
        self.old_reserves: dict[str, OldReserve] = {}
        self.perp_markets: dict[str, PerpMarket] = {}
        self._nonces: dict[str, int] = defaultdict(int)
        try:
            everyone: list[str] = [one.lower() for one in self.rpc.call("eth_accounts")]
            self.accounts, self.newcomers = everyone[:accounts], everyone[accounts:]
            self.deployer = self.admin
            self._deploy_all()
        except BaseException:
            self.node.stop()
            raise

    def _deploy_all(self) -> None:
        from . import deploy  # the recipe needs this class, this class starts the recipe

        deploy.everything(self)

    @property
    def admin(self) -> str:
        """Deployer, owner and admin of everything but Aave v2 and the perp venue."""
        return self.accounts[0]

    @property
    def treasury(self) -> str:
        """Receives Aave's reserve factor."""
        return self.accounts[1]

    # -- transactions -----------------------------------------------------------------------------------------

    def send(self, sender: str, to: str | None, data: str) -> Sent:
        """Puts one transaction into the next block (first come, first mined)."""
        nonce = self._nonces[sender]
        transaction = {"from": sender, "data": data, "gas": hex(TX_GAS), "gasPrice": "0x0", "nonce": hex(nonce)}
        if to is not None:
            transaction["to"] = to
        done = self.rpc.call("eth_sendTransaction", transaction)
        self._nonces[sender] = nonce + 1
        return Sent(sender, done)

    def do(self, sender: str, name: str, function: str, *arguments: Any) -> Sent:
        """Calls a named contract: `chain.do(user, "Pool", "setUserEMode", 1)`."""
        contract = self.book[name]
        return self.send(sender, contract.address, contract(function, *arguments))

    def deploy(self, name: str, artifact: Artifact, types: Sequence[str] = (), *arguments: Any) -> str:
        """Creates a contract from the deployer, linking libraries by name; known as `name` from now on."""
        from eth_abi.abi import encode

        code = artifact.bytecode[2:]
        for libraries in artifact.links.values():
            for library, places in libraries.items():
                for place in places:
                    at = place["start"] * 2
                    code = code[:at] + self.contracts[library][2:] + code[at + 40 :]
        address = created_address(self.deployer, self._nonces[self.deployer])
        self.send(self.deployer, None, "0x" + code + encode(types, arguments).hex())
        return self.register(name, address, artifact)

    @contextmanager
    def deployed_by(self, account: str) -> Iterator[None]:
        """Deploys from another account than the admin."""
        self.deployer = account
        try:
            yield
        finally:
            self.deployer = self.admin

    def next_address(self, account: str) -> str:
        """Where the account's next contract would be put."""
        return created_address(account, self._nonces[account])

    def register(self, name: str, address: str, artifact: Artifact, listed: bool = True) -> str:
        """Remembers an address under a name; `listed` puts it into the recording's contract list."""
        self.book[name] = Contract(address, artifact.abi)
        if listed:
            self.contracts[name] = address.lower()
        return address.lower()

    def mine(self, seconds: int = 12) -> int:
        """One block with everything sent, `seconds` after the last one; its number."""
        self.clock.now += seconds
        self.rpc.call("evm_mine", hex(self.clock.now))
        self.clock.head += 1
        return self.clock.head

    def statuses(self, sent: Sequence[Sent]) -> list[bool]:
        """Whether each mined transaction went through."""
        receipts = self.rpc.batch([("eth_getTransactionReceipt", [one.hash]) for one in sent])
        return [receipt["status"] == "0x1" for receipt in receipts]

    # -- views ------------------------------------------------------------------------------------------------

    def view(self, name: str, function: str, *arguments: Any) -> Any:
        """Asks a named contract at the newest block."""
        return self.views([(name, function, arguments)])[0]

    def views(self, asked: Sequence[tuple[str, str, Sequence[Any]]]) -> list[Any]:
        """Asks many at the newest block in one request; a call that reverts is `None`."""
        calls = []
        for name, function, arguments in asked:
            contract = self.book[name]
            transaction = {"to": contract.address, "data": contract(function, *arguments)}
            calls.append(("eth_call", [transaction, "latest"]))
        answers = self.rpc.batch(calls, strict=False)
        return [
            None if isinstance(answer, Exception) else self.book[name].functions[function].answer(answer)
            for (name, function, _), answer in zip(asked, answers, strict=True)
        ]

    # -- reorgs -----------------------------------------------------------------------------------------------

    def snapshot(self) -> tuple[str, Clock, dict[str, int]]:
        """A point to come back to with `revert`."""
        kept = Clock(self.clock.now, self.clock.head)
        return self.rpc.call("evm_snapshot"), kept, dict(self._nonces)

    def revert(self, point: tuple[str, Clock, dict[str, int]]) -> None:
        """Drops every block after `point`; the next blocks make another branch."""
        identifier, clock, nonces = point
        if not self.rpc.call("evm_revert", identifier):
            raise RuntimeError("anvil could not revert")
        self.clock = Clock(clock.now, clock.head)
        self._nonces = defaultdict(int, nonces)

    def reorg(self, depth: int) -> None:
        """Replaces the newest `depth` blocks by empty ones, as a node sees it: same height, other hashes."""
        self.rpc.call("anvil_reorg", depth, [])
        newest = self.rpc.call("eth_getBlockByNumber", "latest", False)
        self.clock = Clock(int(newest["timestamp"], 16), int(newest["number"], 16))
        for account in self._nonces:
            self._nonces[account] = int(self.rpc.call("eth_getTransactionCount", account, "latest"), 16)

    def impersonate(self, address: str) -> None:
        """Lets `send` act for an address that has no key here (a contract, an account of the story)."""
        self.rpc.call("anvil_impersonateAccount", address)
        self.rpc.call("anvil_setBalance", address, hex(10**18))
        self._nonces[address] = int(self.rpc.call("eth_getTransactionCount", address, "latest"), 16)

    def close(self) -> None:
        """Ends the node."""
        self.node.stop()

    def __enter__(self) -> LocalChain:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
