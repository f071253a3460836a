"""Calldata and answers of a contract, from its ABI and nothing else."""

from __future__ import annotations

from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak


def _type(part: dict[str, Any]) -> str:
    """Canonical type of an ABI parameter, tuples spelled out."""
    if not part["type"].startswith("tuple"):
        return str(part["type"])
    return "(" + ",".join(_type(one) for one in part["components"]) + ")" + str(part["type"][len("tuple") :])


def _word(kind: str, value: Any) -> str:
    """One static argument as 64 hex digits (the common kinds; eth-abi does the rest)."""
    if kind == "address":
        return str(value)[2:].lower().rjust(64, "0")
    if kind == "bytes32":
        return bytes(value).hex()
    return f"{int(value):064x}"


def _plain(kinds: list[str]) -> bool:
    return all(kind in ("address", "bool", "bytes32") or (kind[:4] == "uint" and kind[-1] != "]") for kind in kinds)


class Function:
    """One function: its selector and its types. Plain words are coded by hand, views are asked by the thousand."""

    __slots__ = ("_numbers", "_words", "inputs", "outputs", "selector", "signature")

    def __init__(self, entry: dict[str, Any]) -> None:
        self.inputs = [_type(part) for part in entry["inputs"]]
        self.outputs = [_type(part) for part in entry["outputs"]]
        name = f"{entry['name']}({','.join(self.inputs)})"
        self.selector = keccak(text=name)[:4]
        self.signature = f"{name}({','.join(self.outputs)})"
        self._words = _plain(self.inputs)
        self._numbers = all(kind[:4] == "uint" and kind[-1] != "]" for kind in self.outputs)

    def calldata(self, *arguments: Any) -> str:
        """Selector and encoded arguments, hex."""
        if self._words:
            words = [_word(kind, value) for kind, value in zip(self.inputs, arguments, strict=True)]
            return "0x" + self.selector.hex() + "".join(words)
        return "0x" + (self.selector + encode(self.inputs, arguments)).hex()

    def answer(self, result: str) -> Any:
        """The decoded result; a single output comes without its tuple."""
        if self._numbers:
            if len(result) != 2 + 64 * len(self.outputs):
                raise ValueError(f"{self.signature} answered {len(result) // 2 - 1} bytes")
            numbers = tuple(int(result[at : at + 64], 16) for at in range(2, len(result), 64))
            return numbers[0] if len(numbers) == 1 else numbers
        values = decode(self.outputs, bytes.fromhex(result[2:]))
        return values[0] if len(values) == 1 else values


class Contract:
    """An address with an ABI. `contract("supply", ...)` is calldata for it."""

    def __init__(self, address: str, abi: list[dict[str, Any]]) -> None:
        self.address = address.lower()
        self.functions: dict[str, Function] = {}
        for entry in abi:
            if entry["type"] == "function":
                function = Function(entry)
                self.functions.setdefault(entry["name"], function)
                self.functions[function.signature.split(")(")[0] + ")"] = function

    def __call__(self, name: str, *arguments: Any) -> str:
        return self.functions[name].calldata(*arguments)


def created_address(sender: str, nonce: int) -> str:
    """Where `sender`'s transaction number `nonce` puts a new contract (RLP of both, hashed)."""
    number = b"" if nonce == 0 else nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    packed = number if len(number) == 1 and number[0] < 0x80 else bytes([0x80 + len(number)]) + number
    body = bytes([0x94]) + bytes.fromhex(sender[2:]) + packed
    return "0x" + keccak(bytes([0xC0 + len(body)]) + body)[12:].hex()
