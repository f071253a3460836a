// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {IToken} from "./Interfaces.sol";

/// Sells from its own inventory at the prices that the scenario sets (8 decimals a whole token).
contract Dex {
    mapping(address => uint256) public priceOf;

    event Swap(address indexed trader, address indexed tokenIn, address indexed tokenOut, uint256 amountIn, uint256 amountOut);

    function setPrices(address[] calldata tokens, uint256[] calldata prices) external {
        for (uint256 i = 0; i < tokens.length; i++) priceOf[tokens[i]] = prices[i];
    }

    function quote(address tokenIn, address tokenOut, uint256 amountIn) public view returns (uint256) {
        uint256 worth = amountIn * priceOf[tokenIn] * 10 ** IToken(tokenOut).decimals();
        return worth / (priceOf[tokenOut] * 10 ** IToken(tokenIn).decimals());
    }

    function swap(address tokenIn, address tokenOut, uint256 amountIn) external returns (uint256 amountOut) {
        amountOut = quote(tokenIn, tokenOut, amountIn);
        IToken(tokenIn).transferFrom(msg.sender, address(this), amountIn);
        IToken(tokenOut).transfer(msg.sender, amountOut);
        emit Swap(msg.sender, tokenIn, tokenOut, amountIn, amountOut);
    }
}

/// A price source for one Morpho market.
contract SettableOracle {
    uint256 public price;

    event PriceSet(uint256 price);

    function setPrice(uint256 price_) external {
        price = price_;
        emit PriceSet(price_);
    }
}

/// The index price of one perp market, 18 decimals, with the calls that its base token makes.
contract IndexFeed {
    uint256 public price;

    event PriceSet(uint256 price);

    constructor(uint256 price_) {
        price = price_;
        emit PriceSet(price_);
    }

    function setPrice(uint256 price_) external {
        price = price_;
        emit PriceSet(price_);
    }

    function decimals() external pure returns (uint8) {
        return 18;
    }

    /// The scenario's price is the average over any time.
    function getDispatchedPrice(uint256) external view returns (uint256) {
        return price;
    }

    function dispatchPrice(uint256) external {}
}

/// Runs many calls in one transaction, so that a price move costs one.
contract Batch {
    function run(address[] calldata targets, bytes[] calldata calls) external {
        for (uint256 i = 0; i < targets.length; i++) {
            (bool ok, bytes memory reason) = targets[i].call(calls[i]);
            if (!ok) {
                assembly {
                    revert(add(reason, 32), mload(reason))
                }
            }
        }
    }
}
