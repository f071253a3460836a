"""How the events of Euler's vaults and of the EVC move the books.

Source   euler-vault-kit Cache.sol, BorrowUtils.sol, BalanceUtils.sol, Liquidation.sol, Governance.sol, Initialize.sol
Units    supply shares as the vault's; debt shares are `owed`: base units times 2^31, basis the accumulator with it
Market   debt_index the accumulator, debt_rate ray a second, debt_shares all debt as of accrued_at, supply_shares all
         shares, fees among them; extra: cash, fees, interest_fee_bps, and the last Repay and Borrow (see `debt_moved`)
"""

from __future__ import annotations

from indexer.errors import MissingFact, WrongRegime
from indexer.protocol import BookLike, Listing, MarketBooks, PositionState
from indexer.protocols.euler_v2.maths import ONE, SHIFT, Totals, accrue, assets_up, cap, moved
from indexer.types import Address
from indexer.units import RAY, ZERO_ADDRESS

REGIME = "evk"
FIRST_FEE_BPS = 1000
"""DEFAULT_INTEREST_FEE: set by initialize() without an event."""


# ------------------------------------------------------------------------------------------------------- listing


def vault_initialised(book: BookLike, vault: Address, debt_token: Address) -> None:
    """A vault named its debt token; the factory's own event, which lists it, comes after."""
    book.set_param(book.deployment(vault).key, "debt_token", text=debt_token, qualifier=vault)


def vault_created(book: BookLike, factory: Address, vault: Address, packed: str) -> None:
    """The factory made a vault. Its asset, oracle and unit of account are packed into 60 bytes, fixed for good."""
    if len(packed) != 2 + 120:
        raise WrongRegime(f"euler_v2: the metadata of vault {vault} is not 60 bytes: {packed}")
    deployment = book.deployment(factory)
    asset, oracle, unit = ("0x" + packed[start : start + 40] for start in (2, 42, 82))
    debt_token = book.param(deployment.key, "debt_token", vault)
    if debt_token is None:
        raise MissingFact(f"euler_v2: vault {vault} was created without EVaultCreated")
    market = book.add_market(
        (deployment.key, vault),
        Listing(
            vault, "euler_v2", REGIME, asset, supply_token=vault, debt_token=str(debt_token),
            oracle=None if oracle == ZERO_ADDRESS else oracle, debt_index=RAY,
        ),
    )  # fmt: skip
    market.accrued_at = book.timestamp()
    market.extra = {"cash": 0, "fees": 0, "interest_fee_bps": FIRST_FEE_BPS}
    book.set_param(market.key, "unit_of_account", text=unit)
    book.set_param(market.key, "reserve_factor_bps", FIRST_FEE_BPS)
    book.add_token(asset, "unclassified")
    book.add_token(vault, "vault_share", "euler", asset)
    book.add_token(str(debt_token), "debt_token", "euler", asset)


# -------------------------------------------------------------------------------------------- interest and totals


def accrued(book: BookLike, vault: Address, accumulator: int, time: int) -> None:
    """Interest up to this block, before anything else of it: its accumulator is told only when the batch ends."""
    ref = (book.deployment(vault).key, vault)
    if not book.has_market(ref):
        return  # the first status stands before the factory's event in the same transaction: nothing has accrued
    market, extra = _open(book, vault)
    if time > market.accrued_at:
        before = Totals(_accumulator(market), market.debt_shares, market.supply_shares, extra["fees"])
        seconds = time - market.accrued_at
        after = accrue(before, extra["cash"], market.debt_rate or 0, extra["interest_fee_bps"], seconds)
        if after is not None:
            market.debt_index, market.debt_shares = after.accumulator, after.owed
            market.supply_shares, extra["fees"], market.accrued_at = after.shares, after.fees, time
    if market.debt_index != accumulator:
        raise WrongRegime(
            f"euler_v2: interest accumulator of {vault} is {accumulator} by the event but {market.debt_index} by the rules"
        )
    book.touch(market)


def status(book: BookLike, vault: Address, shares: int, borrows: int, fees: int, cash: int, rate: int) -> None:
    """The vault told its totals at the end of a batch: they have to be those of the books. Cash and rate are new."""
    market, extra = _open(book, vault)
    ours = (market.supply_shares, assets_up(market.debt_shares), extra["fees"])
    if ours != (shares, borrows, fees):
        raise WrongRegime(
            f"euler_v2: shares, borrows and fees of {vault} are {(shares, borrows, fees)} by the event but {ours} by the rules"
        )
    extra["cash"], market.debt_rate = cash, rate
    _forget(extra)
    book.touch(market)


def interest_told(book: BookLike, vault: Address, account: Address, assets: int) -> None:
    """The whole units that interest added to a debt, told before the Borrow or Repay that books it.

    A move of debt may show one unit more or less, also below zero, in the contract's 112 bits.
    """
    market = book.market((book.deployment(vault).key, vault))
    position = book.position(market.key, account, "debt")
    ours = assets_up(_owed(market, position)) - assets_up(position.shares)
    if (assets - ours + 1) % 2**112 > 2:
        raise WrongRegime(
            f"euler_v2: interest of {account} in {vault} is {assets} by the event but {ours} by the rules"
        )


# ------------------------------------------------------------------------------------------------------- balances


def shares_moved(book: BookLike, vault: Address, sender: Address, receiver: Address, shares: int) -> None:
    """Shares were minted (from zero), burned (to zero) or handed over."""
    market = book.market((book.deployment(vault).key, vault))
    for leg, (account, sign) in enumerate(((sender, -1), (receiver, 1))):
        if account == ZERO_ADDRESS:
            market.supply_shares -= sign * shares
            book.touch(market)
        else:
            position = book.position(market.key, account, "supply")
            position.shares += sign * shares
            book.book(market.key, account, "supply", position, leg)


def fees_converted(book: BookLike, vault: Address) -> None:
    """Fee shares became shares of the receivers, whose Transfers minted them anew: the total did not grow."""
    market, extra = _open(book, vault)
    market.supply_shares -= extra["fees"]
    extra["fees"] = 0
    book.touch(market)


def borrowed(book: BookLike, vault: Address, account: Address, assets: int) -> None:
    """A debt grew by whole units; its fraction stays."""
    market, extra = _open(book, vault)
    position = book.position(market.key, account, "debt")
    owed = _owed(market, position)
    if "from" in extra:
        extra |= {"to": int(account, 16), "to_owed": owed}
    market.debt_shares += assets << SHIFT
    book.touch(market)
    _set_debt(book, market, account, position, owed + (assets << SHIFT))


def repaid(book: BookLike, vault: Address, account: Address, assets: int) -> None:
    """A debt was rounded up to whole units and shrank; the rounding is owed to the vault."""
    market, extra = _open(book, vault)
    position = book.position(market.key, account, "debt")
    owed = _owed(market, position)
    _forget(extra)
    extra |= {"from": int(account, 16), "from_owed": owed, "total": market.debt_shares}
    rest = (assets_up(owed) - assets) << SHIFT
    market.debt_shares = market.debt_shares - owed + rest if market.debt_shares > owed else rest
    book.touch(market)
    _set_debt(book, market, account, position, rest)


def debt_moved(book: BookLike, vault: Address, source: Address, target: Address, assets: int) -> None:
    """A debt went to another account (liquidation, pullDebt): nothing was repaid, nothing rounded, the total stands.

    The contract shows it as Repay and Borrow, which are undone here and booked as the move they were. They are the last
    ones of this vault, since nothing can come between them and this event but a socialised rest.
    """
    market, extra = _open(book, vault)
    pair = {name: extra[name] for name in JOURNAL if name in extra}
    _forget(extra)
    if pair.pop("socialised", 0):
        return  # the pair moved whole units and the rest was struck off: both are booked exactly as they stand
    giving, taking = (book.position(market.key, account, "debt") for account in (source, target))
    owed, taken = _owed(market, giving), _owed(market, taking)
    # a move of no whole unit shows a Repay only where less than one unit was owed
    if pair.get("from") == int(source, 16) and (assets or 0 < pair["from_owed"] < ONE):
        owed, market.debt_shares = pair["from_owed"], pair["total"]
        if pair.get("to") == int(target, 16):
            taken = pair["to_owed"]
    amount = moved(owed, assets)
    book.touch(market)
    _set_debt(book, market, source, giving, owed - amount)
    _set_debt(book, market, target, taking, taken + amount, leg=1)


def debt_socialised(book: BookLike, vault: Address) -> None:
    """What no collateral covers was struck off, inside a liquidation; its Repay stands before, without a payment."""
    _, extra = _open(book, vault)
    extra["socialised"] = 1


# ------------------------------------------------------------------------------------------------------ parameters


def ltv_set(
    book: BookLike, vault: Address, collateral: Address, borrow: int, liquidation: int, initial: int, until: int, ramp: int,
) -> None:  # fmt: skip
    """A collateral's LTVs; a lowered liquidation LTV comes down in a line until `until`."""
    market = book.market((book.deployment(vault).key, vault))
    for name, value in (
        ("borrow_ltv_bps", borrow), ("liquidation_ltv_bps", liquidation), ("initial_liquidation_ltv_bps", initial),
        ("ltv_ramp_until", until), ("ltv_ramp_seconds", ramp),
    ):  # fmt: skip
        book.set_param(market.key, name, value, qualifier=collateral)


def caps_set(book: BookLike, vault: Address, supply: int, borrow: int) -> None:
    """Caps in base units of the asset; no value is no cap."""
    market = book.market((book.deployment(vault).key, vault))
    book.set_param(market.key, "supply_cap_raw", cap(supply))
    book.set_param(market.key, "borrow_cap_raw", cap(borrow))


def fee_set(book: BookLike, vault: Address, fee_bps: int) -> None:
    """The share of interest that becomes fee shares, from now on."""
    market, extra = _open(book, vault)
    extra["interest_fee_bps"] = fee_bps
    book.touch(market)
    book.set_param(market.key, "reserve_factor_bps", fee_bps)


def param_set(book: BookLike, vault: Address, name: str, value: int) -> None:
    """A parameter that is a number."""
    book.set_param(book.market((book.deployment(vault).key, vault)).key, name, value)


def address_set(book: BookLike, vault: Address, name: str, value: Address) -> None:
    """A parameter that is a contract."""
    book.set_param(book.market((book.deployment(vault).key, vault)).key, name, text=value)


# ------------------------------------------------------------------------------------------------------ the EVC


def owner_registered(book: BookLike, evc: Address, prefix: str, owner: Address) -> None:
    """An owner's first 19 bytes were met: all 256 accounts that begin with them are one person's."""
    book.set_account(book.deployment(evc).key, owner, "owner_prefix", int(prefix, 16))


def collateral_switched(book: BookLike, evc: Address, account: Address, vault: Address, enabled: bool) -> None:
    """An account let a vault's shares back its debts, or took them out. The vault may be of another factory."""
    key = book.deployment(evc).key
    book.set_account(key, account, f"collateral:{vault}", int(enabled))
    if book.has_market((key, vault)):
        market = book.market((key, vault))
        position = book.position(market.key, account, "supply")
        position.is_collateral = bool(enabled)
        book.book(market.key, account, "supply", position)


def controller_switched(book: BookLike, evc: Address, account: Address, vault: Address, enabled: bool) -> None:
    """An account gave a vault the say over its collateral, or was let go: the vault that it may owe to."""
    book.set_account(book.deployment(evc).key, account, f"controller:{vault}", int(enabled))


# ---------------------------------------------------------------------------------------------------------- helpers

JOURNAL = ("from", "from_owed", "total", "to", "to_owed", "socialised")
"""Entries of `extra`: what a Repay and the Borrow after it found, until the batch ends."""


def _open(book: BookLike, vault: Address) -> tuple[MarketBooks, dict[str, int]]:
    market = book.market((book.deployment(vault).key, vault))
    if market.extra is None:
        raise MissingFact(f"euler_v2: the books of vault {vault} have no cash")
    return market, market.extra


def _forget(extra: dict[str, int]) -> None:
    for name in JOURNAL:
        extra.pop(name, None)


def _accumulator(market: MarketBooks) -> int:
    return market.debt_index or RAY


def _owed(market: MarketBooks, position: PositionState) -> int:
    """Return a debt with its fraction and the interest up to this block."""
    if not position.shares:
        return 0
    return position.shares * _accumulator(market) // (position.basis or RAY)


def _set_debt(
    book: BookLike, market: MarketBooks, account: Address, position: PositionState, owed: int, leg: int = 0
) -> None:
    position.shares, position.basis = owed, _accumulator(market)
    book.book(market.key, account, "debt", position, leg)
