// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {Market, MarketParams} from "./Interfaces.sol";

/// An adaptive curve rate model written for these tests from the published formula, because the original is
/// not on npm. Same state (`rateAtTarget`), same event, same digits: proven against recorded answers.
contract CurveIrm {
    int256 private constant ONE = 1e18;
    int256 private constant YEAR = 365 days;
    int256 private constant TARGET = 0.9e18;
    int256 private constant STEEPNESS = 4e18;
    int256 private constant SPEED = 50e18 / YEAR;
    int256 private constant FIRST_RATE = 0.04e18 / YEAR;
    int256 private constant LOWEST_RATE = 0.001e18 / YEAR;
    int256 private constant HIGHEST_RATE = 2e18 / YEAR;
    int256 private constant LN_2 = 0.693147180559945309e18;

    address public immutable MORPHO;
    mapping(bytes32 => int256) public rateAtTarget;

    event BorrowRateUpdate(bytes32 indexed id, uint256 avgBorrowRate, uint256 rateAtTarget);

    constructor(address morpho) {
        MORPHO = morpho;
    }

    function borrowRateView(MarketParams memory p, Market memory m) external view returns (uint256 average) {
        (average,) = _rates(keccak256(abi.encode(p)), m);
    }

    function borrowRate(MarketParams memory p, Market memory m) external returns (uint256 average) {
        require(msg.sender == MORPHO, "not Morpho");
        bytes32 id = keccak256(abi.encode(p));
        int256 atTarget;
        (average, atTarget) = _rates(id, m);
        rateAtTarget[id] = atTarget;
        emit BorrowRateUpdate(id, average, uint256(atTarget));
    }

    function _rates(bytes32 id, Market memory m) private view returns (uint256 average, int256 last) {
        int256 used = m.totalSupplyAssets == 0
            ? int256(0)
            : int256(uint256(m.totalBorrowAssets) * 1e18 / uint256(m.totalSupplyAssets));
        int256 distance = (used - TARGET) * ONE / (used > TARGET ? ONE - TARGET : TARGET);
        int256 first = rateAtTarget[id];
        int256 middle;
        if (first == 0) {
            (middle, last) = (FIRST_RATE, FIRST_RATE);
        } else {
            int256 drift = SPEED * distance / ONE * int256(block.timestamp - m.lastUpdate);
            if (drift == 0) {
                (middle, last) = (first, first);
            } else {
                last = _moved(first, drift);
                middle = (first + last + 2 * _moved(first, drift / 2)) / 4;
            }
        }
        int256 slope = distance < 0 ? ONE - ONE * ONE / STEEPNESS : STEEPNESS - ONE;
        average = uint256((slope * distance / ONE + ONE) * middle / ONE);
    }

    function _moved(int256 rate, int256 drift) private pure returns (int256 moved) {
        moved = rate * _exp(drift) / ONE;
        if (moved < LOWEST_RATE) moved = LOWEST_RATE;
        if (moved > HIGHEST_RATE) moved = HIGHEST_RATE;
    }

    /// e^x: powers of two times a second-order series around zero.
    function _exp(int256 x) private pure returns (int256) {
        if (x < -41.446531673892822312e18) return 0;
        if (x >= 93.859467695000404319e18) return 57716089161558943949701069502944508345128422502756744429568;
        int256 twos = (x + (x < 0 ? -(LN_2 / 2) : LN_2 / 2)) / LN_2;
        int256 rest = x - twos * LN_2;
        int256 series = ONE + rest + rest * rest / ONE / 2;
        return twos < 0 ? series >> uint256(-twos) : series << uint256(twos);
    }
}
