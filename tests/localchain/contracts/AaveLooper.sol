// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IPool, IToken} from "./Interfaces.sol";
import {Dex} from "./Trade.sol";

/// Builds or unwinds a whole Aave loop inside one transaction, on behalf of the caller.
/// The caller has approved collateral (or aTokens) to this contract and delegated credit to it.
contract AaveLooper {
    IPool public immutable pool;
    Dex public immutable dex;

    constructor(IPool pool_, Dex dex_) {
        pool = pool_;
        dex = dex_;
    }

    /// Flash loan, swap, supply, then borrow what the flash loan costs.
    function open(address collateral, address debt, uint256 equity, uint256 loan) external {
        IToken(collateral).transferFrom(msg.sender, address(this), equity);
        pool.flashLoanSimple(address(this), debt, loan, abi.encode(msg.sender, collateral, uint256(0), address(0)), 0);
    }

    /// The flash loan itself turns into the debt (mode 2).
    function openAsDebt(address collateral, address debt, uint256 equity, uint256 loan) external {
        IToken(collateral).transferFrom(msg.sender, address(this), equity);
        address[] memory assets = new address[](1);
        uint256[] memory amounts = new uint256[](1);
        uint256[] memory modes = new uint256[](1);
        (assets[0], amounts[0], modes[0]) = (debt, loan, 2);
        pool.flashLoan(address(this), assets, amounts, modes, msg.sender, abi.encode(msg.sender, collateral), 0);
    }

    /// Flash loan, repay, take the collateral out, sell it, give the rest back.
    function close(address collateral, address aToken, address debt, uint256 loan, uint256 taken) external {
        pool.flashLoanSimple(address(this), debt, loan, abi.encode(msg.sender, collateral, taken, aToken), 0);
    }

    /// Borrows and gives back at once, with nothing in between.
    function flash(address asset, uint256 amount, uint256 fee) external {
        IToken(asset).transferFrom(msg.sender, address(this), fee);
        pool.flashLoanSimple(address(this), asset, amount, "", 0);
    }

    /// Supply and borrow again and again without a flash loan; `share` of the room is used each turn, in bps.
    function loop(address collateral, address debt, uint256 equity, uint256 turns, uint256 share) external {
        IToken(collateral).transferFrom(msg.sender, address(this), equity);
        uint256 unit = 10 ** IToken(debt).decimals();
        _supplyAll(collateral, msg.sender);
        for (uint256 i = 0; i < turns; i++) {
            (,, uint256 room,,,) = pool.getUserAccountData(msg.sender);
            pool.borrow(debt, room * share / 1e4 * unit / dex.priceOf(debt), 2, 0, msg.sender);
            _sellAll(debt, collateral);
            _supplyAll(collateral, msg.sender);
        }
    }

    function executeOperation(address asset, uint256 amount, uint256 premium, address initiator, bytes calldata data)
        external
        returns (bool)
    {
        require(msg.sender == address(pool) && initiator == address(this), "not ours");
        if (data.length > 0) {
            (address user, address collateral, uint256 taken, address aToken) =
                abi.decode(data, (address, address, uint256, address));
            if (taken == 0) {
                _sellAll(asset, collateral);
                _supplyAll(collateral, user);
                pool.borrow(asset, amount + premium, 2, 0, user);
            } else {
                IToken(asset).approve(address(pool), amount);
                pool.repay(asset, amount, 2, user);
                IToken(aToken).transferFrom(user, address(this), taken);
                pool.withdraw(collateral, type(uint256).max, address(this));
                _sellAll(collateral, asset);
                IToken(asset).transfer(user, IToken(asset).balanceOf(address(this)) - amount - premium);
            }
        }
        IToken(asset).approve(address(pool), amount + premium);
        return true;
    }

    function executeOperation(
        address[] calldata assets,
        uint256[] calldata,
        uint256[] calldata,
        address initiator,
        bytes calldata data
    ) external returns (bool) {
        require(msg.sender == address(pool) && initiator == address(this), "not ours");
        (address user, address collateral) = abi.decode(data, (address, address));
        _sellAll(assets[0], collateral);
        _supplyAll(collateral, user);
        return true;
    }

    function _sellAll(address from, address to) private {
        uint256 amount = IToken(from).balanceOf(address(this));
        IToken(from).approve(address(dex), amount);
        dex.swap(from, to, amount);
    }

    function _supplyAll(address asset, address user) private {
        uint256 amount = IToken(asset).balanceOf(address(this));
        IToken(asset).approve(address(pool), amount);
        pool.supply(asset, amount, user, 0);
    }
}
