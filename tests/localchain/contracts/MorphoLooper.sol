// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IMorpho, IToken, MarketParams} from "./Interfaces.sol";
import {Dex} from "./Trade.sol";

/// Builds or unwinds a Morpho position inside one call through Morpho's callbacks.
/// The caller has approved the collateral token to this contract and authorised it in Morpho.
contract MorphoLooper {
    IMorpho public immutable morpho;
    Dex public immutable dex;

    constructor(IMorpho morpho_, Dex dex_) {
        morpho = morpho_;
        dex = dex_;
    }

    /// Supplies equity and what the loan buys; the loan is taken inside the callback.
    function open(MarketParams calldata p, uint256 equity, uint256 loan) external {
        IToken(p.collateralToken).transferFrom(msg.sender, address(this), equity);
        uint256 total = equity + dex.quote(p.loanToken, p.collateralToken, loan);
        IToken(p.collateralToken).approve(address(morpho), total);
        morpho.supplyCollateral(p, total, msg.sender, abi.encode(msg.sender, p, loan));
    }

    function onMorphoSupplyCollateral(uint256, bytes calldata data) external {
        require(msg.sender == address(morpho), "not ours");
        (address user, MarketParams memory p, uint256 loan) = abi.decode(data, (address, MarketParams, uint256));
        morpho.borrow(p, loan, 0, user, address(this));
        _sellAll(p.loanToken, p.collateralToken);
    }

    /// Repays all debt; the collateral is sold inside the callback and the rest goes to the caller.
    function close(MarketParams calldata p) external {
        bytes32 id = keccak256(abi.encode(p));
        (, uint128 borrowShares, uint128 collateral) = morpho.position(id, msg.sender);
        morpho.repay(p, 0, borrowShares, msg.sender, abi.encode(msg.sender, p, uint256(collateral)));
        IToken(p.loanToken).transfer(msg.sender, IToken(p.loanToken).balanceOf(address(this)));
    }

    function onMorphoRepay(uint256 assets, bytes calldata data) external {
        require(msg.sender == address(morpho), "not ours");
        (address user, MarketParams memory p, uint256 collateral) = abi.decode(data, (address, MarketParams, uint256));
        morpho.withdrawCollateral(p, collateral, user, address(this));
        _sellAll(p.collateralToken, p.loanToken);
        IToken(p.loanToken).approve(address(morpho), assets);
    }

    /// Supply and borrow again and again in one transaction, each time `share` (bps) of the worth just supplied.
    function loop(MarketParams calldata p, uint256 equity, uint256 turns, uint256 share) external {
        IToken(p.collateralToken).transferFrom(msg.sender, address(this), equity);
        uint256 worth = _supplyAll(p, msg.sender);
        for (uint256 i = 0; i < turns; i++) {
            uint256 loan = dex.quote(p.collateralToken, p.loanToken, worth) * share / 1e4;
            morpho.borrow(p, loan, 0, msg.sender, address(this));
            _sellAll(p.loanToken, p.collateralToken);
            worth = _supplyAll(p, msg.sender);
        }
    }

    /// Borrows and gives back at once, with nothing in between.
    function flash(address token, uint256 amount) external {
        morpho.flashLoan(token, amount, abi.encode(token));
    }

    function onMorphoFlashLoan(uint256 amount, bytes calldata data) external {
        require(msg.sender == address(morpho), "not ours");
        IToken(abi.decode(data, (address))).approve(address(morpho), amount);
    }

    function _sellAll(address from, address to) private {
        uint256 amount = IToken(from).balanceOf(address(this));
        IToken(from).approve(address(dex), amount);
        dex.swap(from, to, amount);
    }

    function _supplyAll(MarketParams calldata p, address user) private returns (uint256 amount) {
        amount = IToken(p.collateralToken).balanceOf(address(this));
        IToken(p.collateralToken).approve(address(morpho), amount);
        morpho.supplyCollateral(p, amount, user, "");
    }
}
