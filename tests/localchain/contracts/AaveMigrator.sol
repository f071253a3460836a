// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IOldPool, IPool, IToken} from "./Interfaces.sol";

/// Moves a loan from Aave v2 to v3 inside one transaction, on behalf of the caller.
/// The caller has approved the old aTokens to this contract and delegated credit in v3 to it.
contract AaveMigrator {
    IOldPool public immutable oldPool;
    IPool public immutable pool;

    constructor(IOldPool oldPool_, IPool pool_) {
        oldPool = oldPool_;
        pool = pool_;
    }

    /// Flash loan of the debt in v3, repay v2, take the collateral along, borrow in v3 what the flash loan costs.
    function migrate(address collateral, address oldReceipt, address debt, uint256 owed) external {
        pool.flashLoanSimple(address(this), debt, owed, abi.encode(msg.sender, collateral, oldReceipt), 0);
    }

    function executeOperation(address asset, uint256 amount, uint256 premium, address initiator, bytes calldata data)
        external
        returns (bool)
    {
        require(msg.sender == address(pool) && initiator == address(this), "not ours");
        (address user, address collateral, address oldReceipt) = abi.decode(data, (address, address, address));
        IToken(asset).approve(address(oldPool), amount);
        oldPool.repay(asset, amount, 2, user);
        IToken(oldReceipt).transferFrom(user, address(this), IToken(oldReceipt).balanceOf(user));
        uint256 taken = oldPool.withdraw(collateral, type(uint256).max, address(this));
        IToken(collateral).approve(address(pool), taken);
        pool.supply(collateral, taken, user, 0);
        uint256 left = IToken(asset).balanceOf(address(this));
        pool.borrow(asset, amount + premium - left, 2, 0, user);
        IToken(asset).approve(address(pool), amount + premium);
        return true;
    }
}
