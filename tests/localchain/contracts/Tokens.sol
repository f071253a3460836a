// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IMorpho, MarketParams, Market} from "./Interfaces.sol";

/// A plain token that anyone may mint: money for a private chain.
contract TestToken is ERC20 {
    uint8 private immutable places;

    constructor(string memory name_, string memory symbol_, uint8 decimals_) ERC20(name_, symbol_) {
        places = decimals_;
    }

    function decimals() public view override returns (uint8) {
        return places;
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// Wraps an asset at a rate that the scenario moves (a staked-ether stand-in).
contract RateToken is ERC20 {
    IERC20 public immutable asset;
    uint256 public rate;

    event RateUpdated(uint256 rate);
    event Wrapped(address indexed account, uint256 assets, uint256 shares);
    event Unwrapped(address indexed account, uint256 shares, uint256 assets);

    constructor(string memory name_, string memory symbol_, IERC20 asset_, uint256 rate_) ERC20(name_, symbol_) {
        asset = asset_;
        rate = rate_;
        emit RateUpdated(rate_);
    }

    /// Assets behind one whole share, 18 decimals (the name that indexers look for).
    function stEthPerToken() external view returns (uint256) {
        return rate;
    }

    function setRate(uint256 rate_) external {
        rate = rate_;
        emit RateUpdated(rate_);
    }

    function wrap(uint256 assets) external returns (uint256 shares) {
        shares = assets * 1e18 / rate;
        asset.transferFrom(msg.sender, address(this), assets);
        _mint(msg.sender, shares);
        emit Wrapped(msg.sender, assets, shares);
    }

    function unwrap(uint256 shares) external returns (uint256 assets) {
        assets = shares * rate / 1e18;
        _burn(msg.sender, shares);
        asset.transfer(msg.sender, assets);
        emit Unwrapped(msg.sender, shares, assets);
    }
}

/// An ERC-4626 share over whatever the vault holds (a savings token, or a wrapper of a rebasing receipt).
contract Vault is ERC4626 {
    constructor(string memory name_, string memory symbol_, IERC20 asset_) ERC20(name_, symbol_) ERC4626(asset_) {}
}

/// An ERC-4626 share whose assets are lent in one Morpho market.
contract LendingVault is ERC4626 {
    IMorpho public immutable morpho;
    MarketParams private params;
    bytes32 public immutable marketId;

    constructor(string memory name_, string memory symbol_, IERC20 asset_, IMorpho morpho_, MarketParams memory params_)
        ERC20(name_, symbol_)
        ERC4626(asset_)
    {
        morpho = morpho_;
        params = params_;
        marketId = keccak256(abi.encode(params_));
        asset_.approve(address(morpho_), type(uint256).max);
    }

    /// Assets at the market's last accrual; every entry and exit accrues first.
    function totalAssets() public view override returns (uint256) {
        (uint256 shares,,) = morpho.position(marketId, address(this));
        Market memory m = morpho.market(marketId);
        return shares * (uint256(m.totalSupplyAssets) + 1) / (uint256(m.totalSupplyShares) + 1e6);
    }

    function deposit(uint256 assets, address receiver) public override returns (uint256) {
        morpho.accrueInterest(params);
        return super.deposit(assets, receiver);
    }

    function redeem(uint256 shares, address receiver, address owner) public override returns (uint256) {
        morpho.accrueInterest(params);
        return super.redeem(shares, receiver, owner);
    }

    function _deposit(address caller, address receiver, uint256 assets, uint256 shares) internal override {
        super._deposit(caller, receiver, assets, shares);
        morpho.supply(params, assets, 0, address(this), "");
    }

    function _withdraw(address caller, address receiver, address owner, uint256 assets, uint256 shares)
        internal
        override
    {
        morpho.withdraw(params, assets, 0, address(this), address(this));
        super._withdraw(caller, receiver, owner, assets, shares);
    }
}
